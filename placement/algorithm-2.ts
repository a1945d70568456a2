// Algorithm II of the thesis: all green edge nodes by CPU, highest first (its ecogreen list), the first that fits; else the cloud. The network
// is ignored. It fills nodes up, so that others may sleep. Spec with its test vectors: docs/placement.md.

import { cloudTier, rankTier } from './ranking.ts'
import type { Fitting, Strategy } from './strategy.ts'

const fullestFirst = (fitting: Fitting): number => -fitting.effCpuPct

export const algorithm2: Strategy = {
  api: 1,
  name: 'algorithm-2',
  plan(input) {
    const fresh = input.fitting.filter(fitting => !fitting.leftRecently)
    const left = input.fitting.filter(fitting => fitting.leftRecently)
    const edge = [
      ...rankTier({ tier: 'edge', members: fresh, score: fullestFirst }, input),
      ...rankTier({ tier: 'left-recently', members: left, score: fullestFirst }, input),
    ]
    return { candidates: [...edge.slice(0, input.keep), ...cloudTier(input.cloud)] }
  },
}
