// The settings of a node's decisions, as two named sets. `lan` is what a user gets; `lab` is written as what differs, and replays the thesis.
// Read by daemon/config.ts; the control loop asks for the current settings at every sample.

import type { Millis, Vec } from './view.ts'

/** How a node judges its own load and moves its services. */
export interface PlacementSettings {
  readonly intervalMs: Millis
  /** Weight of the newest sample, 0 < w <= 1; 1 turns smoothing off. */
  readonly ewmaWeight: number
  /** Samples in a row at or over the threshold that make a node red. */
  readonly redAfterSamples: number
  /** Percent of the node. At or over: red. A service fits where the sum stays below. */
  readonly threshold: Vec
  /** The label turns green again this many points below the threshold. It never makes a node shed more. */
  readonly greenBelowPts: number
  readonly strategy: string
  /** True: the best of all, as in the thesis. False: the better of two random fitting candidates in a tier. */
  readonly exact: boolean
  /** `fewest-moves`: the smallest single service that cures, else the biggest first. `as-deployed`: the thesis's. */
  readonly order: 'fewest-moves' | 'as-deployed'
  readonly serviceCooldownMs: Millis
  readonly nodeCooldownMs: Millis
  readonly maxMovesPerServiceHour: number
  /** A node left this recently is taken only when every other edge node failed. */
  readonly leftGuardMs: Millis
  /** Wait after a move that failed, doubled for each further failure of the same service, up to 16 times as long. */
  readonly retryMs: Millis
  /** Moves a source runs at a time. */
  readonly movesAtATime: number
}

/**
 * Defaults. CPU 50 is the thesis's. RAM 85: memory in use is no contention until it nears the end, and 15 % is what page cache and a
 * receive buffer need; at 50 half of every machine would stay empty. GPU 50: a shared device queues like a CPU does.
 * Smoothing, counts and cooldowns are the measured ones of the least moves at equal red time (docs/placement.md).
 */
export const lan: PlacementSettings = {
  intervalMs: 5000,
  ewmaWeight: 0.3,
  redAfterSamples: 2,
  threshold: { cpuPct: 50, ramPct: 85, gpuPct: 50 },
  greenBelowPts: 5,
  strategy: 'algorithm-1',
  exact: false,
  order: 'fewest-moves',
  serviceCooldownMs: 5 * 60_000,
  nodeCooldownMs: 30_000,
  maxMovesPerServiceHour: 4,
  leftGuardMs: 10 * 60_000,
  retryMs: 30_000,
  movesAtATime: 2,
}

/** The thesis replayed: raw samples every second, no cooldown, the best of all, services in the order they were deployed. */
export const lab: PlacementSettings = {
  ...lan,
  intervalMs: 1000,
  ewmaWeight: 1,
  exact: true,
  order: 'as-deployed',
  serviceCooldownMs: 0,
  nodeCooldownMs: 0,
  // Off would leave no bound at all: one a minute is more than any replay needs.
  maxMovesPerServiceHour: 60,
  leftGuardMs: 0,
  retryMs: 5000,
}
