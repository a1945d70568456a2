// What is written down before it is done, and what to do with it after a crash. One list of entries per move and side; the effect runner
// appends, the mover reads it at start and asks `recover`. The idea: the steps below are the only promises a move ever makes, so a
// restarted daemon needs nothing else to know whether its copy may run. Spec: docs/protocols/move.md, "After a crash".

import type { Millis, MoveMode, NodeId, ServiceRecord } from '../placement/view.ts'

/** What one side must remember of a move to finish or undo it. Repeated in every entry: any single one is enough. */
export interface MoveFacts {
  /** As the source owned it; the target's record is this with another owner and one epoch more. */
  readonly service: ServiceRecord
  readonly mode: MoveMode
  readonly from: NodeId
  readonly to: NodeId
  /** The source's container; null on the target's side, whose copy is found by its label. */
  readonly containerId: string | null
}

/**
 * Source: `offered` (nothing touched) → `freezing` (may be frozen; thaws by itself) → `handed-over` (never thaws by itself: only the
 * target's word counts) → `releasing` (the target owns it) → `released`. Undone: `thawing` → `kept`.
 */
export type SourceStep = 'offered' | 'freezing' | 'handed-over' | 'releasing' | 'released' | 'thawing' | 'kept'

/**
 * Target: `reserved` (aborts by itself) → `starting` (decided: its copy may run from here on) → `committed` (it runs, we own it) → `done`.
 * Undone: `aborting` (nothing of it will run; a later hand-over is refused) → `aborted`.
 */
export type TargetStep = 'reserved' | 'starting' | 'committed' | 'done' | 'aborting' | 'aborted'

export type JournalEntry =
  | {
      readonly side: 'source'
      readonly move: string
      readonly step: SourceStep
      readonly facts: MoveFacts
      readonly wallMs: Millis
    }
  | {
      readonly side: 'target'
      readonly move: string
      readonly step: TargetStep
      readonly facts: MoveFacts
      readonly wallMs: Millis
    }

/** What a restarted side does about one move: its machine goes on from `step`. Undefined: nothing is left to do. */
export type Recovery =
  | { readonly side: 'source'; readonly move: string; readonly step: SourceStep; readonly facts: MoveFacts }
  | { readonly side: 'target'; readonly move: string; readonly step: TargetStep; readonly facts: MoveFacts }

/** What the last entry of each move says, in the order in which the moves began. One node may be both sides of different moves. */
export function recover(entries: readonly JournalEntry[]): readonly Recovery[] {
  const last = new Map<string, JournalEntry>()
  for (const entry of entries) last.set(`${entry.side} ${entry.move}`, entry)
  return [...last.values()].map(({ wallMs: _, ...recovery }) => recovery)
}

/** Steps after which nothing is left to do; the entries may be dropped. */
export const isSettled = (recovery: Recovery): boolean =>
  recovery.side === 'source'
    ? recovery.step === 'released' || recovery.step === 'kept'
    : recovery.step === 'done' || recovery.step === 'aborted'
