// One move arriving here: machine, deeds and record tied together. mover.ts starts these, for an offer on a stream, for a recovered move,
// and again when a source asks about one that got stuck.

import type { CheckpointDriver } from './checkpoint/driver.ts'
import { runMachine } from './effect-runner.ts'
import type { Run } from './effect-runner.ts'
import { described } from './errors.ts'
import type { MoveFacts, TargetStep } from './journal.ts'
import type { ModePlan } from './modes/mode.ts'
import type { MoverPorts } from './ports.ts'
import type { MessageOf } from './protocol.ts'
import { targetDeadlineMs, targetInterruptible, targetMayCancel, targetStep } from './target-machine.ts'
import type { TargetEffect, TargetEvent, TargetState } from './target-machine.ts'
import { targetSide } from './target-side.ts'
import type { TargetSide } from './target-side.ts'
import type { MoveChannel } from './transfer/channel.ts'

export interface Arrival {
  readonly ports: MoverPorts
  readonly driver: CheckpointDriver
  readonly plan: ModePlan
  readonly move: string
  readonly facts: MoveFacts
  readonly channel?: MoveChannel
  readonly offer?: MessageOf<'offer'>
  readonly from?: TargetStep
  readonly halt: AbortSignal
  readonly onChange: (state: TargetState, side: TargetSide) => void
}

export interface Incoming {
  readonly side: TargetSide
  readonly run: Run<TargetState>
  readonly facts: MoveFacts
}

/** Starts the target's side of a move. */
export function startIncoming(arrival: Arrival): Incoming {
  const { ports, driver, move, facts, plan, channel, offer } = arrival
  let state: TargetState = { at: 'idle' }
  const side: TargetSide = targetSide({
    ports,
    driver,
    move,
    facts,
    channel,
    offer,
    onProgress: () => arrival.onChange(state, side),
  })
  const run = runMachine<TargetState, TargetEvent, TargetEffect>({
    machine: {
      step: (before, event) => targetStep(plan, before, event),
      ended: now => now.at === 'ended',
      mayCancel: targetMayCancel,
    },
    initial: state,
    first: arrival.from === undefined ? { on: 'offered' } : { on: 'recovered', step: arrival.from },
    perform: (effect, signal) => side.perform(effect, signal),
    deadlineMs: targetDeadlineMs,
    interruptible: targetInterruptible,
    clock: ports.clock,
    failureOf: error => described(error, 'MOVE_ENGINE_FAILED'),
    halt: arrival.halt,
    onState: now => {
      state = now
      arrival.onChange(now, side)
    },
  })
  return { side, run, facts }
}
