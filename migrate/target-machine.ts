// Target side of a move, as a pure reducer. Spec: docs/protocols/move.md. The idea: `starting` in the journal is the decision. Before it
// the target undoes everything by itself, and refuses a hand-over that comes late; after it the copy may run, and whether it does is the
// outcome: it runs → `committed`, the registry says so with a higher epoch; it does not → it is removed, and only then `aborted` is said.

import type { Failure } from './source-machine.ts'
import type { MoveErrorCode } from './errors.ts'
import type { TargetStep } from './journal.ts'
import { LIMITS } from './limits.ts'
import type { ModePlan } from './modes/mode.ts'
import type { SectionName } from './protocol.ts'
import { backoffMs } from './within.ts'
import type { Millis } from '../placement/view.ts'

export type TargetState =
  | { readonly at: 'idle' }
  | { readonly at: 'admitting' }
  /** Capacity is promised; the image may come. */
  | { readonly at: 'reserved' }
  /** The copy is created, not started; `got` has arrived whole. */
  | { readonly at: 'prepared'; readonly got: readonly SectionName[] }
  | { readonly at: 'starting' }
  /** After a crash in `starting`: does the copy run? */
  | { readonly at: 'looking'; readonly tries: number }
  | { readonly at: 'committing'; readonly tries: number }
  | { readonly at: 'aborting'; readonly tries: number; readonly because: Failure }
  | { readonly at: 'ended'; readonly how: TargetEnd; readonly because: Failure | null }

/** `stuck`: the retries are used up; the journal keeps the step for the next question or start of the daemon. */
export type TargetEnd = 'done' | 'aborted' | 'refused' | 'stuck'

export type TargetEvent =
  | { readonly on: 'offered' }
  | { readonly on: 'done' }
  | { readonly on: 'failed'; readonly error: Failure }
  /** The peer, a person, the daemon or the question for the outcome calls it off. */
  | { readonly on: 'cancelled'; readonly error: Failure }
  | { readonly on: 'admitted' }
  | { readonly on: 'refused'; readonly error: Failure }
  /** A section is announced and its bytes stand next on the stream. */
  | { readonly on: 'section'; readonly name: SectionName }
  /** A section arrived whole and was put where it belongs. */
  | { readonly on: 'received'; readonly name: SectionName }
  | { readonly on: 'prepare' }
  | { readonly on: 'hand-over' }
  | { readonly on: 'copy-runs' }
  | { readonly on: 'copy-does-not-run' }
  | { readonly on: 'recovered'; readonly step: TargetStep }

export type TargetEffect =
  | { readonly do: 'journal'; readonly step: TargetStep }
  | { readonly do: 'admit' }
  | { readonly do: 'send'; readonly message: 'accepted' | 'prepared' }
  | { readonly do: 'send-refused'; readonly error: Failure }
  /** Tell the source, if it still listens; these never fail: the source asks again. */
  | { readonly do: 'send-committed' }
  | { readonly do: 'send-aborted'; readonly error: Failure }
  | { readonly do: 'listen'; readonly ms: Millis }
  | { readonly do: 'receive'; readonly name: SectionName }
  | { readonly do: 'verify-image' }
  | { readonly do: 'create-copy' }
  /** Puts the restore directory where the runtime shim looks for it. */
  | { readonly do: 'arm' }
  | { readonly do: 'start' }
  | { readonly do: 'look' }
  /** Publishes the record with a higher epoch and books the copy. */
  | { readonly do: 'take-over' }
  | { readonly do: 'remove-copy' }
  | { readonly do: 'discard' }
  | { readonly do: 'settle'; readonly how: 'committed' | 'dropped' }
  | { readonly do: 'wait'; readonly ms: Millis }

export interface TargetStepResult {
  readonly state: TargetState
  readonly effects: readonly TargetEffect[]
}

const go = (state: TargetState, ...effects: readonly TargetEffect[]): TargetStepResult => ({ state, effects })
const end = (how: TargetEnd, because: Failure | null): TargetStepResult => go({ at: 'ended', how, because })

const failure = (code: MoveErrorCode, what: string, hint: string): Failure => ({ code, what, hint })
const restarted = failure('MOVE_RESTARTED', 'the daemon of the target was restarted during the move', 'move the service again')
const restoreFailed = failure('MOVE_RESTORE_FAILED', 'the copy at the target does not run', 'see restore.log on the target')
const outOfTurn = (what: string): Failure => failure('MOVE_BAD_MESSAGE', what, 'update Shoal on both nodes to the same version')

const again = (tries: number): readonly TargetEffect[] =>
  tries === 0 ? [] : [{ do: 'wait', ms: backoffMs(LIMITS.retryPauseMs, tries - 1) }]

function commit(tries: number): TargetStepResult {
  if (tries >= LIMITS.tries) return end('stuck', null)
  return go(
    { at: 'committing', tries },
    ...again(tries),
    { do: 'journal', step: 'committed' },
    { do: 'take-over' },
    { do: 'settle', how: 'committed' },
    { do: 'send-committed' },
    { do: 'discard' },
    { do: 'journal', step: 'done' },
  )
}

/** The answer comes last: nothing of the copy is left when the source hears `aborted`. */
function abort(because: Failure, tries: number): TargetStepResult {
  if (tries >= LIMITS.tries) return end('stuck', because)
  return go(
    { at: 'aborting', tries, because },
    ...again(tries),
    { do: 'journal', step: 'aborting' },
    { do: 'remove-copy' },
    { do: 'discard' },
    { do: 'settle', how: 'dropped' },
    { do: 'journal', step: 'aborted' },
    { do: 'send-aborted', error: because },
  )
}

const look = (tries: number): TargetStepResult =>
  tries >= LIMITS.tries ? end('stuck', null) : go({ at: 'looking', tries }, ...again(tries), { do: 'look' })

function recovered(step: TargetStep): TargetStepResult {
  switch (step) {
    case 'reserved':
    case 'aborting':
      return abort(restarted, 0)
    case 'starting':
      return look(0)
    case 'committed':
      return commit(0)
    case 'done':
      return end('done', null)
    case 'aborted':
      return end('aborted', restarted)
  }
}

/** True while nothing of the copy can run: the move can be called off here. */
export const targetMayCancel = (state: TargetState): boolean =>
  state.at === 'idle' || state.at === 'admitting' || state.at === 'reserved' || state.at === 'prepared'

function failed(state: TargetState, error: Failure): TargetStepResult {
  switch (state.at) {
    case 'admitting':
      return go({ at: 'ended', how: 'refused', because: error }, { do: 'settle', how: 'dropped' }, { do: 'send-refused', error })
    case 'reserved':
    case 'prepared':
    case 'starting':
      return abort(error, 0)
    case 'looking':
      return look(state.tries + 1)
    case 'committing':
      return commit(state.tries + 1)
    case 'aborting':
      return abort(state.because, state.tries + 1)
    case 'idle':
    case 'ended':
      return go(state)
  }
}

function done(state: TargetState): TargetStepResult {
  switch (state.at) {
    case 'starting':
      return commit(0)
    case 'committing':
      return end('done', null)
    case 'aborting':
      return end('aborted', state.because)
    // These end their lists with an answer, never with `done`.
    case 'idle':
    case 'admitting':
    case 'reserved':
    case 'prepared':
    case 'looking':
    case 'ended':
      return go(state)
  }
}

/** A word of the source while the target may still undo. */
function sourceSaid(
  plan: ModePlan,
  state: TargetState,
  event: Extract<TargetEvent, { on: 'section' | 'received' | 'prepare' | 'hand-over' }>,
): TargetStepResult {
  if (state.at !== 'reserved' && state.at !== 'prepared') return go(state)
  switch (event.on) {
    case 'section': {
      const fits =
        state.at === 'reserved' ? event.name === 'image' : plan.sections.includes(event.name) && !state.got.includes(event.name)
      return fits
        ? go(state, { do: 'receive', name: event.name })
        : abort(outOfTurn(`the source sent the ${event.name} section out of turn`), 0)
    }
    case 'received': {
      const next: TargetState = state.at === 'prepared' ? { at: 'prepared', got: [...state.got, event.name] } : state
      return go(next, { do: 'listen', ms: LIMITS.prepareMs })
    }
    case 'prepare':
      if (state.at !== 'reserved') return abort(outOfTurn('the source asked twice to prepare'), 0)
      return go(
        { at: 'prepared', got: [] },
        { do: 'verify-image' },
        { do: 'create-copy' },
        { do: 'send', message: 'prepared' },
        { do: 'listen', ms: LIMITS.checkpointMs },
      )
    case 'hand-over':
      if (state.at !== 'prepared' || plan.sections.some(name => !state.got.includes(name))) {
        return abort(outOfTurn('the source handed over before all had arrived'), 0)
      }
      return go({ at: 'starting' }, { do: 'journal', step: 'starting' }, { do: 'arm' }, { do: 'start' })
  }
}

/** One step of the target. `plan` is the mode's. Events that do not belong to the state leave it as it is, without effects. */
export function targetStep(plan: ModePlan, state: TargetState, event: TargetEvent): TargetStepResult {
  switch (event.on) {
    case 'offered':
      return state.at === 'idle' ? go({ at: 'admitting' }, { do: 'admit' }) : go(state)
    case 'recovered':
      return state.at === 'idle' ? recovered(event.step) : go(state)
    case 'admitted':
      if (state.at !== 'admitting') return go(state)
      return go(
        { at: 'reserved' },
        { do: 'journal', step: 'reserved' },
        { do: 'send', message: 'accepted' },
        { do: 'listen', ms: LIMITS.prepareMs },
      )
    case 'refused':
      return state.at === 'admitting' ? failed(state, event.error) : go(state)
    case 'done':
      return done(state)
    case 'failed':
      return failed(state, event.error)
    case 'cancelled':
      return targetMayCancel(state) ? failed(state, event.error) : go(state)
    case 'copy-runs':
      return state.at === 'looking' ? commit(0) : go(state)
    case 'copy-does-not-run':
      return state.at === 'looking' ? abort(restoreFailed, 0) : go(state)
    case 'section':
    case 'received':
    case 'prepare':
    case 'hand-over':
      return sourceSaid(plan, state, event)
  }
}

/** Null: the effect waits with deadlines of its own. */
export function targetDeadlineMs(effect: TargetEffect): Millis | null {
  if (effect.do === 'listen' || effect.do === 'receive' || effect.do === 'wait') return null
  // A look waits for a start that outlived the daemon.
  return effect.do === 'start' || effect.do === 'look' ? LIMITS.startMs : LIMITS.engineMs
}

/** A create broken off half-way would leave a copy behind our back. */
const whole: ReadonlySet<TargetEffect['do']> = new Set(['journal', 'create-copy'])
export const targetInterruptible = (effect: TargetEffect): boolean => !whole.has(effect.do)
