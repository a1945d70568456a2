// What a node keeps of one move for people: `shoal moves ls|inspect`, the demo's report, the UI. Written by migrate/mover.ts.

import type { Millis, MoveMode, NodeId, ServiceType } from '../placement/view.ts'

/**
 * `running` under way · `done` the target owns it · `refused` no target took it, nothing was touched · `failed` something broke, the service
 * runs on at the source · `unresolved` handed over and the target has not answered since: the copy here stays frozen and whole, asked for
 * until answered · `lost` the target says no and the copy here cannot be thawed any more (this host was restarted meanwhile).
 */
export type MoveOutcome = 'running' | 'done' | 'refused' | 'failed' | 'unresolved' | 'lost'

/** One step of a move and how long it took. */
export interface MovePhase {
  readonly name: MovePhaseName
  readonly ms: Millis
}

export type MovePhaseName = 'offer' | 'prepare' | 'freeze' | 'checkpoint' | 'transfer' | 'ready' | 'restore' | 'release' | 'thaw'

/** Bytes that crossed, by section. */
export interface MoveBytes {
  readonly image: number
  readonly layer: number
  readonly checkpoint: number
}

export interface MoveError {
  readonly code: string
  readonly what: string
  readonly hint: string
}

/** One target that said no, and why; the next candidate was tried. */
export interface MoveRefusal extends MoveError {
  readonly node: NodeId
}

export interface MoveRecord {
  readonly id: string
  /** Which end of the move this node was. */
  readonly side: 'source' | 'target'
  readonly service: string
  readonly name: string
  readonly type: ServiceType
  readonly mode: MoveMode
  /** The strategy that chose the target, or `by-hand`. */
  readonly strategy: string
  /** Why it was moved, in words. */
  readonly reason: string
  readonly from: NodeId
  /** Null while no target has admitted it. */
  readonly to: NodeId | null
  readonly startedAtMs: Millis
  readonly phases: readonly MovePhase[]
  readonly bytes: MoveBytes
  /** Last moment on the source to first on the target. Null when it was not measured (the daemon was restarted in between, or no freeze). */
  readonly downtimeMs: Millis | null
  /** Bound of the error of `downtimeMs`: half the best round trip, and the length of the call that answered the freeze. */
  readonly errorMs: Millis | null
  /** Request to source released. Null while running. */
  readonly totalMs: Millis | null
  readonly outcome: MoveOutcome
  readonly refusals: readonly MoveRefusal[]
  readonly error: MoveError | null
}
