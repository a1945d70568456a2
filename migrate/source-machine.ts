// Source side of a move, as a pure reducer: state and event in, state and effects out. Spec: docs/protocols/move.md. Effects run in order;
// a journal effect is durable before the next starts. The idea: up to `hand-over` the source may thaw by itself; once `handed-over` is in
// its journal it never does, and only the target's word (committed, aborted) counts. So two copies cannot run, whatever is cut when.

import type { MoveErrorCode } from './errors.ts'
import type { SourceStep } from './journal.ts'
import { LIMITS } from './limits.ts'
import type { FrozenStep, ModePlan } from './modes/mode.ts'
import { backoffMs } from './within.ts'
import type { Millis } from '../placement/view.ts'

/** Why a move ends other than well: an error as data. */
export interface Failure {
  readonly code: string
  readonly what: string
  readonly hint: string
}

export type SourceState =
  | { readonly at: 'idle' }
  /** Looks at the running service for obstacles; nothing is touched, nothing is journaled. */
  | { readonly at: 'checking' }
  | { readonly at: 'offering' }
  | { readonly at: 'preparing' }
  /** The target is ready. Waits for its turn to freeze and looks at the service once more; still nothing was touched. */
  | { readonly at: 'rechecking' }
  /** From the first frozen step to the last section. */
  | { readonly at: 'freezing' }
  /** The target decides. */
  | { readonly at: 'handed-over' }
  | { readonly at: 'asking'; readonly tries: number }
  | { readonly at: 'releasing'; readonly tries: number }
  | { readonly at: 'thawing'; readonly tries: number; readonly because: Failure }
  /** Nothing was frozen: only marks and files are undone. */
  | { readonly at: 'withdrawing'; readonly tries: number; readonly because: Failure; readonly refused: boolean }
  /** The target says no, and the copy here does not run any more: the service is given back as it is. */
  | { readonly at: 'writing-off'; readonly tries: number; readonly because: Failure }
  | { readonly at: 'ended'; readonly how: SourceEnd; readonly because: Failure | null }

/** `stuck`: the retries are used up; the journal keeps the step, and the next start of the daemon goes on from it. */
export type SourceEnd = 'released' | 'kept' | 'refused' | 'lost' | 'stuck'

export type SourceEvent =
  | { readonly on: 'start' }
  /** All effects of the list were performed and none of them answered otherwise. */
  | { readonly on: 'done' }
  /** An effect failed; the rest of the list was dropped. */
  | { readonly on: 'failed'; readonly error: Failure }
  /** A person or the daemon calls the move off. */
  | { readonly on: 'cancelled'; readonly error: Failure }
  | { readonly on: 'accepted'; readonly imageMissing: boolean }
  | { readonly on: 'refused'; readonly error: Failure }
  | { readonly on: 'prepared' }
  | { readonly on: 'committed' }
  | { readonly on: 'aborted'; readonly error: Failure }
  | { readonly on: 'undecided' }
  /** The daemon was restarted; `step` is the last in the journal. */
  | { readonly on: 'recovered'; readonly step: SourceStep }

export type SourceEffect =
  | { readonly do: 'journal'; readonly step: SourceStep }
  | { readonly do: 'check' }
  | { readonly do: 'mark'; readonly as: 'moving' | 'gone' }
  /** `reason` is empty when the copy here is as it was. */
  | { readonly do: 'mark-kept'; readonly reason: string }
  | { readonly do: 'send'; readonly message: 'offer' | 'prepare' | 'hand-over' }
  /** Tells the peer why, if it still listens; never fails. */
  | { readonly do: 'send-cancel'; readonly error: Failure }
  /** Waits for the peer's next word. */
  | { readonly do: 'listen'; readonly ms: Millis }
  | { readonly do: 'measure-offset' }
  | { readonly do: 'check-again' }
  | FrozenStep
  | { readonly do: 'heal' }
  | { readonly do: 'unpause' }
  /** Deletes the checkpoint files of this move here. */
  | { readonly do: 'discard' }
  | { readonly do: 'kill' }
  | { readonly do: 'remove' }
  | { readonly do: 'wait'; readonly ms: Millis }
  /** Asks the target for the outcome on a stream of its own. */
  | { readonly do: 'ask' }

export interface SourceStepResult {
  readonly state: SourceState
  readonly effects: readonly SourceEffect[]
}

const go = (state: SourceState, ...effects: readonly SourceEffect[]): SourceStepResult => ({ state, effects })
const end = (how: SourceEnd, because: Failure | null): SourceStepResult => go({ at: 'ended', how, because })

const restarted: Failure = {
  code: 'MOVE_RESTARTED' satisfies MoveErrorCode,
  what: 'the daemon was restarted during the move',
  hint: 'the service runs on here: move it again',
}

const again = (tries: number): readonly SourceEffect[] =>
  tries === 0 ? [] : [{ do: 'wait', ms: backoffMs(LIMITS.retryPauseMs, tries - 1) }]

function thaw(because: Failure, tries: number): SourceStepResult {
  if (tries >= LIMITS.tries) return end('stuck', because)
  return go(
    { at: 'thawing', tries, because },
    ...again(tries),
    { do: 'journal', step: 'thawing' },
    { do: 'heal' },
    { do: 'unpause' },
    // First it runs again; then the peer is told.
    { do: 'send-cancel', error: because },
    { do: 'mark-kept', reason: '' },
    { do: 'discard' },
    { do: 'journal', step: 'kept' },
  )
}

function withdraw(because: Failure, tries: number, refused: boolean): SourceStepResult {
  if (tries >= LIMITS.tries) return end('stuck', because)
  return go(
    { at: 'withdrawing', tries, because, refused },
    ...again(tries),
    { do: 'send-cancel', error: because },
    { do: 'mark-kept', reason: '' },
    { do: 'discard' },
    { do: 'journal', step: 'kept' },
  )
}

function writeOff(because: Failure, tries: number): SourceStepResult {
  if (tries >= LIMITS.tries) return end('stuck', because)
  return go(
    { at: 'writing-off', tries, because },
    ...again(tries),
    { do: 'mark-kept', reason: because.what },
    { do: 'discard' },
    { do: 'journal', step: 'kept' },
  )
}

function release(tries: number): SourceStepResult {
  if (tries >= LIMITS.tries) return end('stuck', null)
  return go(
    { at: 'releasing', tries },
    ...again(tries),
    { do: 'journal', step: 'releasing' },
    { do: 'kill' },
    { do: 'remove' },
    { do: 'mark', as: 'gone' },
    { do: 'discard' },
    { do: 'journal', step: 'released' },
  )
}

/** `tries` 0 asks at once: the connection broke, the target may well be there. */
const ask = (tries: number): SourceStepResult =>
  go({ at: 'asking', tries }, ...(tries === 0 ? [] : [{ do: 'wait', ms: backoffMs(LIMITS.askPauseMs, tries - 1) } as const]), {
    do: 'ask',
  })

function recovered(step: SourceStep): SourceStepResult {
  switch (step) {
    case 'offered':
      return withdraw(restarted, 0, false)
    case 'freezing':
    case 'thawing':
      return thaw(restarted, 0)
    case 'handed-over':
      return ask(0)
    case 'releasing':
      return release(0)
    case 'released':
      return end('released', null)
    case 'kept':
      return end('kept', restarted)
  }
}

/** True while the move can still be called off by the source alone. */
export const sourceMayCancel = (state: SourceState): boolean =>
  state.at === 'checking' ||
  state.at === 'offering' ||
  state.at === 'preparing' ||
  state.at === 'rechecking' ||
  state.at === 'freezing'

/**
 * What a state does when its effects failed, it was called off, or the peer broke off. `elsewhere`: another target may do better, because
 * nothing was frozen yet and nobody called it off.
 */
function brokeOff(state: SourceState, error: Failure, elsewhere: 'elsewhere' | 'nowhere'): SourceStepResult {
  switch (state.at) {
    case 'checking':
      return end('kept', error)
    case 'offering':
    case 'preparing':
      return withdraw(error, 0, elsewhere === 'elsewhere')
    case 'rechecking':
      // It is the service that has changed: no other target would do better.
      return withdraw(error, 0, false)
    case 'freezing':
      return thaw(error, 0)
    case 'idle':
    case 'handed-over':
    case 'asking':
    case 'releasing':
    case 'thawing':
    case 'withdrawing':
    case 'writing-off':
    case 'ended':
      return go(state)
  }
}

/** Retries and questions: a failed list in a state that must not give up by itself. */
function failed(state: SourceState, error: Failure): SourceStepResult {
  switch (state.at) {
    case 'handed-over':
      return ask(0)
    case 'asking':
      return ask(state.tries + 1)
    case 'releasing':
      return release(state.tries + 1)
    case 'thawing':
      // The frozen copy is gone: no retry brings it back.
      return error.code === 'MOVE_LOST' ? writeOff(error, 0) : thaw(state.because, state.tries + 1)
    case 'withdrawing':
      return withdraw(state.because, state.tries + 1, state.refused)
    case 'writing-off':
      return writeOff(state.because, state.tries + 1)
    case 'idle':
    case 'checking':
    case 'offering':
    case 'preparing':
    case 'rechecking':
    case 'freezing':
    case 'ended':
      return brokeOff(state, error, 'elsewhere')
  }
}

function done(plan: ModePlan, state: SourceState): SourceStepResult {
  switch (state.at) {
    case 'checking':
      return go(
        { at: 'offering' },
        { do: 'journal', step: 'offered' },
        { do: 'mark', as: 'moving' },
        { do: 'send', message: 'offer' },
        { do: 'listen', ms: LIMITS.offerMs + LIMITS.placeMs },
      )
    case 'rechecking':
      return go({ at: 'freezing' }, { do: 'journal', step: 'freezing' }, ...plan.frozen)
    case 'freezing':
      return go(
        { at: 'handed-over' },
        { do: 'journal', step: 'handed-over' },
        { do: 'send', message: 'hand-over' },
        { do: 'listen', ms: LIMITS.handOverMs },
      )
    case 'releasing':
      return end('released', null)
    case 'thawing':
      return end('kept', state.because)
    case 'writing-off':
      return end('lost', state.because)
    case 'withdrawing':
      return end(state.refused ? 'refused' : 'kept', state.because)
    // These end their lists with an answer, never with `done`.
    case 'idle':
    case 'offering':
    case 'preparing':
    case 'handed-over':
    case 'asking':
    case 'ended':
      return go(state)
  }
}

const deciding = (state: SourceState): boolean => state.at === 'handed-over' || state.at === 'asking'

/** One step of the source. `plan` is the mode's. Events that do not belong to the state leave it as it is, without effects. */
export function sourceStep(plan: ModePlan, state: SourceState, event: SourceEvent): SourceStepResult {
  switch (event.on) {
    case 'start':
      return state.at === 'idle' ? go({ at: 'checking' }, { do: 'check' }) : go(state)
    case 'recovered':
      return state.at === 'idle' ? recovered(event.step) : go(state)
    case 'done':
      return done(plan, state)
    case 'failed':
      return failed(state, event.error)
    case 'cancelled':
      return brokeOff(state, event.error, 'nowhere')
    case 'accepted':
      if (state.at !== 'offering') return go(state)
      return go(
        { at: 'preparing' },
        { do: 'measure-offset' },
        ...(event.imageMissing ? [{ do: 'section', name: 'image' } as const] : []),
        { do: 'send', message: 'prepare' },
        { do: 'listen', ms: LIMITS.prepareMs },
      )
    case 'refused':
      return state.at === 'offering' ? withdraw(event.error, 0, true) : go(state)
    case 'prepared':
      if (state.at !== 'preparing') return go(state)
      return go({ at: 'rechecking' }, { do: 'check-again' })
    case 'committed':
      return deciding(state) ? release(0) : go(state)
    case 'aborted':
      return deciding(state) ? thaw(event.error, 0) : brokeOff(state, event.error, 'elsewhere')
    case 'undecided':
      return state.at === 'asking' ? ask(state.tries + 1) : state.at === 'handed-over' ? ask(0) : go(state)
  }
}

/** Effects that wait with deadlines of their own; all others are calls of the engine, the store or the host. */
const waiting: ReadonlySet<SourceEffect['do']> = new Set([
  'listen',
  'measure-offset',
  'section',
  'checkpoint',
  'wait',
  'ask',
  'unpause',
  'check-again',
])
export const sourceDeadlineMs = (effect: SourceEffect): Millis | null => (waiting.has(effect.do) ? null : LIMITS.engineMs)

/** A freeze or a dump broken off half-way would come true later, behind our back. */
const whole: ReadonlySet<SourceEffect['do']> = new Set(['journal', 'mark', 'pause', 'cut', 'checkpoint'])
export const sourceInterruptible = (effect: SourceEffect): boolean => !whole.has(effect.do)
