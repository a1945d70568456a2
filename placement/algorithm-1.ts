// Algorithm I of the thesis: the least-utilised green node of the same network that fits; else that of the other networks; else the cloud.
// Utilised means CPU: measured, reserved and booked. Spec with its test vectors: docs/placement.md.

import { cloudTier, rankTier } from './ranking.ts'
import type { Fitting, Strategy } from './strategy.ts'

const leastUtilised = (fitting: Fitting): number => fitting.effCpuPct

export const algorithm1: Strategy = {
  api: 1,
  name: 'algorithm-1',
  plan(input) {
    const fresh = input.fitting.filter(fitting => !fitting.leftRecently)
    const near = fresh.filter(fitting => fitting.sameNetwork)
    const far = fresh.filter(fitting => !fitting.sameNetwork)
    const left = input.fitting.filter(fitting => fitting.leftRecently)
    const edge = [
      ...rankTier({ tier: 'same-network', members: near, score: leastUtilised }, input),
      ...rankTier({ tier: 'other-network', members: far, score: leastUtilised }, input),
      ...rankTier({ tier: 'left-recently', members: left, score: leastUtilised }, input),
    ]
    return { candidates: [...edge.slice(0, input.keep), ...cloudTier(input.cloud)] }
  },
}
