// How a tier is put in order: the best of all, or two random ones with the better first. Shared by the strategies.

import { compareNearness } from './locality.ts'
import type { Fitting, Ranked, StrategyInput, StrategyOptions, Tier } from './strategy.ts'

type Compare = (a: Ranked, b: Ranked) => number

/** Lower score first, then the nearer, then the id. */
const byScore: Compare = (a, b) => a.score - b.score || compareNearness(a.fitting.peer, b.fitting.peer)

/** The `keep` best in order, without sorting the rest: a mesh of ten thousand is scanned, not sorted. */
export function bestOf<T>(items: readonly T[], compare: (a: T, b: T) => number, keep: number): readonly T[] {
  if (items.length <= keep * 4) return items.toSorted(compare).slice(0, keep)
  const best: T[] = []
  for (const item of items) {
    const worst = best.at(-1)
    if (best.length === keep && worst !== undefined && compare(item, worst) >= 0) continue
    const at = best.findIndex(other => compare(item, other) < 0)
    best.splice(at === -1 ? best.length : at, 0, item)
    if (best.length > keep) best.pop()
  }
  return best
}

/** Draws `keep` without repetition, two by two, the better of each two first: with stale views that is what keeps a crowd apart. */
function pairsOf(items: readonly Ranked[], compare: Compare, keep: number, random: () => number): readonly Ranked[] {
  const left = [...items]
  const drawn: Ranked[] = []
  const draw = (): Ranked | undefined => {
    const at = Math.min(left.length - 1, Math.floor(random() * left.length))
    const picked = left[at]
    const last = left.pop()
    if (last !== undefined && at < left.length) left[at] = last
    return picked
  }
  while (drawn.length < keep && left.length > 0) {
    const pair = [draw(), draw()].filter(one => one !== undefined)
    drawn.push(...pair.toSorted(compare))
  }
  return drawn.slice(0, keep)
}

interface TierOf {
  readonly tier: Tier
  readonly members: readonly Fitting[]
  readonly score: (fitting: Fitting) => number
}

/** One tier in order: fresh views before stale ones, each exact or two by two. */
export function rankTier({ tier, members, score }: TierOf, input: StrategyInput<StrategyOptions>): readonly Ranked[] {
  const order = (stale: boolean): readonly Ranked[] => {
    const ranked = members.filter(fitting => fitting.stale === stale).map(fitting => ({ fitting, tier, score: score(fitting) }))
    return input.options.exact ? bestOf(ranked, byScore, input.keep) : pairsOf(ranked, byScore, input.keep, input.random)
  }
  return [...order(false), ...order(true)].slice(0, input.keep)
}

/** The cloud comes last, the nearest first; it is the same for every strategy. */
export function cloudTier(cloud: readonly Fitting[]): readonly Ranked[] {
  return cloud.map(fitting => ({ fitting, tier: 'cloud' as const, score: 0 })).toSorted(byScore)
}
