// How do effects become deeds? Steps a reducer, performs its effects one after another, and feeds back what came of them. A journal effect is
// awaited like any other: nothing after it starts before it is durable. Both sides of a move run in one of these.

import { MoveError } from './errors.ts'
import type { Failure } from './source-machine.ts'
import type { Clock } from '../placement/clock.ts'
import type { Millis } from '../placement/view.ts'

/** What every machine of a move understands beside its own events. */
export type CommonEvent =
  | { readonly on: 'done' }
  | { readonly on: 'failed'; readonly error: Failure }
  | { readonly on: 'cancelled'; readonly error: Failure }

export interface Machine<State, Event, Effect> {
  step(state: State, event: Event): { readonly state: State; readonly effects: readonly Effect[] }
  ended(state: State): boolean
  /** Whether a cancellation may interrupt this state. */
  mayCancel(state: State): boolean
}

export interface RunnerParts<State, Event, Effect> {
  readonly machine: Machine<State, Event | CommonEvent, Effect>
  readonly initial: State
  readonly first: Event
  /** Does one effect. Answers an event when the effect has one (a message, an outcome); throws when it failed. */
  readonly perform: (effect: Effect, signal: AbortSignal) => Promise<Event | undefined>
  readonly failureOf: (error: unknown) => Failure
  /** Longest time an effect may take; null: it has deadlines of its own. */
  readonly deadlineMs: (effect: Effect) => Millis | null
  /** Whether a cancellation may interrupt the effect half-way; else it is done to its end first. */
  readonly interruptible: (effect: Effect) => boolean
  readonly clock: Clock
  /** The daemon goes down: stop where we are; the journal knows how to go on. */
  readonly halt: AbortSignal
  /** Told of every new state, for people and logs. */
  readonly onState: (state: State) => void
}

export interface Run<State> {
  /** The last state; rejects only when halted. */
  readonly ended: Promise<State>
  /** Calls the move off, if it still may be; answers whether it will. */
  cancel(why: Failure): boolean
}

const tooLate = (ms: Millis): MoveError =>
  new MoveError('MOVE_ENGINE_FAILED', {
    what: `a step of the move took more than ${ms / 1000} s`,
    hint: 'does the engine of this node answer?',
  })

const strayEvent: Failure = {
  code: 'MOVE_BAD_MESSAGE',
  what: 'the peer said something out of turn',
  hint: 'update Shoal on both nodes to the same version',
}

/** Starts a machine and runs it to its end. */
export function runMachine<State, Event, Effect>(parts: RunnerParts<State, Event, Effect>): Run<State> {
  const { machine, perform, failureOf, halt } = parts
  let state = parts.initial
  let called: Failure | undefined
  let list = new AbortController()

  async function performOne(effect: Effect): Promise<Event | undefined> {
    const late = new AbortController()
    const ms = parts.deadlineMs(effect)
    const cancel = ms === null ? () => undefined : parts.clock.after(ms, () => late.abort(tooLate(ms)))
    const signals = parts.interruptible(effect) ? [halt, late.signal, list.signal] : [halt, late.signal]
    try {
      return await perform(effect, AbortSignal.any(signals))
    } finally {
      cancel()
    }
  }

  async function performAll(effects: readonly Effect[]): Promise<Event | CommonEvent> {
    let answer: Event | undefined
    try {
      for (const effect of effects) {
        AbortSignal.any([halt, list.signal]).throwIfAborted()
        answer = (await performOne(effect)) ?? answer
      }
    } catch (error) {
      halt.throwIfAborted()
      return called !== undefined && machine.mayCancel(state)
        ? { on: 'cancelled', error: called }
        : { on: 'failed', error: failureOf(error) }
    }
    halt.throwIfAborted()
    return answer ?? { on: 'done' }
  }

  async function run(): Promise<State> {
    let event: Event | CommonEvent = parts.first
    for (;;) {
      if (called !== undefined && machine.mayCancel(state)) event = { on: 'cancelled', error: called }
      const next = machine.step(state, event)
      state = next.state
      parts.onState(state)
      list = new AbortController()
      if (next.effects.length === 0) {
        if (machine.ended(state)) return state
        event = { on: 'failed', error: strayEvent }
        continue
      }
      event = await performAll(next.effects)
      if (machine.ended(state)) return state
    }
  }

  return {
    ended: run(),
    cancel: why => {
      if (!machine.mayCancel(state)) return false
      called ??= why
      list.abort(new Error(why.what))
      return true
    },
  }
}
