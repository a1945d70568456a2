// One attempt to move one service to one target, source side: machine, deeds and record tied together. mover.ts starts these, for fresh
// attempts and for recovered ones.

import type { CheckpointDriver } from './checkpoint/driver.ts'
import { runMachine } from './effect-runner.ts'
import type { Run } from './effect-runner.ts'
import { described } from './errors.ts'
import type { MoveFacts, SourceStep } from './journal.ts'
import type { ModePlan } from './modes/mode.ts'
import type { MoveOutcome, MoveRecord } from './move-record.ts'
import type { Tickets } from './move-tickets.ts'
import type { MoverPorts } from './ports.ts'
import { sourceDeadlineMs, sourceInterruptible, sourceMayCancel, sourceStep } from './source-machine.ts'
import type { SourceEffect, SourceEvent, SourceState } from './source-machine.ts'
import { sourceSide } from './source-side.ts'
import type { SourceSide } from './source-side.ts'

export interface Attempt {
  readonly ports: MoverPorts
  readonly driver: CheckpointDriver
  readonly plan: ModePlan
  /** Id of this attempt on the wire and in the journal. */
  readonly move: string
  readonly facts: MoveFacts
  readonly strategy: string
  readonly reason: string
  /** The last step in the journal, for a move that is recovered. */
  readonly from?: SourceStep
  readonly halt: AbortSignal
  readonly freezeLane: Tickets
  readonly onChange: (state: SourceState, side: SourceSide) => void
}

export interface Outgoing {
  readonly side: SourceSide
  readonly run: Run<SourceState>
}

/** Starts the attempt. */
export function startOutgoing(attempt: Attempt): Outgoing {
  const { ports, driver, move, facts, strategy, reason, plan } = attempt
  let state: SourceState = { at: 'idle' }
  const side: SourceSide = sourceSide({
    ports,
    driver,
    move,
    facts,
    strategy,
    reason,
    freezeLane: attempt.freezeLane,
    onProgress: () => attempt.onChange(state, side),
  })
  const run = runMachine<SourceState, SourceEvent, SourceEffect>({
    machine: {
      step: (before, event) => sourceStep(plan, before, event),
      ended: now => now.at === 'ended',
      mayCancel: sourceMayCancel,
    },
    initial: state,
    first: attempt.from === undefined ? { on: 'start' } : { on: 'recovered', step: attempt.from },
    perform: (effect, signal) => side.perform(effect, signal),
    deadlineMs: sourceDeadlineMs,
    interruptible: sourceInterruptible,
    clock: ports.clock,
    failureOf: error => described(error, 'MOVE_ENGINE_FAILED'),
    halt: attempt.halt,
    onState: now => {
      state = now
      attempt.onChange(now, side)
    },
  })
  return { side, run }
}

const endOutcome: Readonly<Record<Extract<SourceState, { at: 'ended' }>['how'], MoveOutcome>> = {
  released: 'done',
  kept: 'failed',
  refused: 'refused',
  lost: 'lost',
  stuck: 'unresolved',
}

/** The record as it stands in `state`. */
export function outgoingRecord(base: MoveRecord, state: SourceState, side: SourceSide): MoveRecord {
  const { phases, bytes, downtimeMs, errorMs } = side.measures
  const measured = { ...base, phases: [...phases], bytes: { ...bytes }, downtimeMs, errorMs }
  if (state.at === 'asking' && state.tries > 0) return { ...measured, outcome: 'unresolved' }
  if (state.at !== 'ended') return { ...measured, outcome: 'running' }
  return { ...measured, outcome: endOutcome[state.how], error: state.because }
}
