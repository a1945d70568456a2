// The form of a strategy: a pure function from what fits to a ranking with reasons. The core (decision.ts, round.ts) filters, books, keeps
// budgets and makes offers, so that a bad strategy can be slow or silly, never unsafe. It is asked once per service: what the round has booked
// already stands in the figures it gets.

import type { Need } from './need.ts'
import type { Demand } from './profile.ts'
import type { Millis, MoveMode, NodeView, ServiceId, ServiceType, Vec } from './view.ts'

/** Why services move at all. */
export type MoveReason = 'red' | 'drain' | 'person'

/** A service of this node that may move, as a decision reads it. */
export interface Movable {
  readonly id: ServiceId
  readonly name: string
  readonly type: ServiceType
  /** How it would travel. */
  readonly mode: MoveMode
  readonly demand: Demand
  /** Measured, in percent of this node: what leaving frees. Not its quota. */
  readonly use: Vec
}

/** `edge` where a strategy ignores the network. */
export type Tier = 'same-network' | 'other-network' | 'edge' | 'left-recently' | 'cloud'

/** A peer that can take the service: capable, awake, green, and with room. */
export interface Fitting {
  readonly peer: NodeView
  readonly sameNetwork: boolean
  /** Measured, reserved and booked CPU, before the service. */
  readonly effCpuPct: number
  readonly need: Need
  /** Known from so long ago that it ranks last among its like. */
  readonly stale: boolean
  /** The service has left it lately: taken only when the other edge nodes fail. */
  readonly leftRecently: boolean
}

export interface StrategyInput<Options> {
  readonly reason: MoveReason
  readonly now: Millis
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly self: NodeView
  readonly service: Movable
  readonly fitting: readonly Fitting[]
  readonly cloud: readonly Fitting[]
  readonly threshold: Vec
  readonly options: Options
  /** More edge candidates than this are never offered to. */
  readonly keep: number
}

/** One ranked peer. `score` is what it was ranked by within its tier, lower first. */
export interface Ranked {
  readonly fitting: Fitting
  readonly tier: Tier
  readonly score: number
}

/** Best first. Empty: nothing fits, stay. */
export interface StrategyPlan {
  readonly candidates: readonly Ranked[]
}

export interface StrategyOptions {
  /** True: the best of all. False: the better of two random ones, in each tier. */
  readonly exact: boolean
}

export interface Strategy<Options = StrategyOptions> {
  readonly api: 1
  readonly name: string
  plan(input: StrategyInput<Options>): StrategyPlan
}
