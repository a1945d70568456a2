// Every state of both machines meets every event: nobody thaws what was handed over, nobody starts what was not, and nothing falls out.

import { describe, expect, test } from 'vitest'
import { LIMITS } from './limits.ts'
import { stopCopy } from './modes/stop-copy.ts'
import { sourceMayCancel, sourceStep } from './source-machine.ts'
import type { Failure, SourceEvent, SourceState } from './source-machine.ts'
import { targetMayCancel, targetStep } from './target-machine.ts'
import type { TargetEvent, TargetState } from './target-machine.ts'

const error: Failure = { code: 'MOVE_ENGINE_FAILED', what: 'it broke', hint: 'mend it' }
const lost: Failure = { code: 'MOVE_LOST', what: 'gone', hint: 'start again' }

const sourceStates: readonly SourceState[] = [
  { at: 'idle' },
  { at: 'checking' },
  { at: 'offering' },
  { at: 'preparing' },
  { at: 'rechecking' },
  { at: 'freezing' },
  { at: 'handed-over' },
  { at: 'asking', tries: 1 },
  { at: 'releasing', tries: 0 },
  { at: 'thawing', tries: 0, because: error },
  { at: 'withdrawing', tries: 0, because: error, refused: true },
  { at: 'writing-off', tries: 0, because: lost },
  { at: 'ended', how: 'kept', because: error },
]
const sourceEvents: readonly SourceEvent[] = [
  { on: 'start' },
  { on: 'done' },
  { on: 'failed', error },
  { on: 'failed', error: lost },
  { on: 'cancelled', error },
  { on: 'accepted', imageMissing: true },
  { on: 'refused', error },
  { on: 'prepared' },
  { on: 'committed' },
  { on: 'aborted', error },
  { on: 'undecided' },
  { on: 'recovered', step: 'handed-over' },
]

const targetStates: readonly TargetState[] = [
  { at: 'idle' },
  { at: 'admitting' },
  { at: 'reserved' },
  { at: 'prepared', got: [] },
  { at: 'prepared', got: ['checkpoint', 'layer'] },
  { at: 'starting' },
  { at: 'looking', tries: 0 },
  { at: 'committing', tries: 0 },
  { at: 'aborting', tries: 0, because: error },
  { at: 'ended', how: 'done', because: null },
]
const targetEvents: readonly TargetEvent[] = [
  { on: 'offered' },
  { on: 'done' },
  { on: 'failed', error },
  { on: 'cancelled', error },
  { on: 'admitted' },
  { on: 'refused', error },
  { on: 'section', name: 'image' },
  { on: 'section', name: 'checkpoint' },
  { on: 'received', name: 'layer' },
  { on: 'prepare' },
  { on: 'hand-over' },
  { on: 'copy-runs' },
  { on: 'copy-does-not-run' },
  { on: 'recovered', step: 'starting' },
]

const words = (event: { readonly on: string; readonly error?: Failure; readonly name?: string }): string =>
  [event.on, event.error?.code ?? '', event.name ?? ''].filter(Boolean).join(' ')

/** Where each pair leads, as one line: the state after, and what is done. */
const sourceTable = sourceStates.flatMap(state =>
  sourceEvents.map(event => ({
    state,
    event,
    result: sourceStep(stopCopy, state, event),
    says: `${state.at} / ${words(event)}`,
  })),
)
const targetTable = targetStates.flatMap(state =>
  targetEvents.map(event => ({
    state,
    event,
    result: targetStep(stopCopy, state, event),
    says: `${state.at} / ${words(event)}`,
  })),
)

test('after the hand-over nothing but the word of the target thaws the source', () => {
  const thawing = sourceTable.filter(
    ({ state, result }) =>
      (state.at === 'handed-over' || state.at === 'asking') && result.effects.some(effect => effect.do === 'unpause'),
  )
  expect(thawing.map(pair => pair.says)).toEqual([
    'handed-over / aborted MOVE_ENGINE_FAILED',
    'asking / aborted MOVE_ENGINE_FAILED',
  ])
})

test('nothing but a commit of the target kills the source', () => {
  const killing = sourceTable.filter(
    ({ state, result }) => state.at !== 'releasing' && result.effects.some(effect => effect.do === 'kill'),
  )
  expect(killing.map(pair => pair.says)).toEqual(['handed-over / committed', 'asking / committed'])
})

test('the hand-over is in the journal before it is said, and the freeze before it is done', () => {
  for (const { result } of sourceTable) {
    const order = result.effects.map(effect => (effect.do === 'journal' ? `journal ${effect.step}` : effect.do))
    if (result.state.at === 'handed-over' && order.length > 0) expect(order.slice(0, 2)).toEqual(['journal handed-over', 'send'])
    if (order.includes('pause')) expect(order.indexOf('journal freezing')).toBeLessThan(order.indexOf('pause'))
    if (order.includes('kill')) expect(order.indexOf('journal releasing')).toBeLessThan(order.indexOf('kill'))
  }
})

test('a service that changed before the freeze was never frozen: the move is withdrawn, nothing is thawed and nothing is lost', () => {
  const next = sourceStep(stopCopy, { at: 'rechecking' }, { on: 'failed', error })
  expect(next.state).toMatchObject({ at: 'withdrawing', refused: false })
  expect(next.effects.map(effect => effect.do)).toEqual(['send-cancel', 'mark-kept', 'discard', 'journal'])
})

test('the target starts its copy only when all has arrived and was handed over, the decision in its journal first', () => {
  const starting = targetTable.filter(({ result }) => result.effects.some(effect => effect.do === 'start'))
  expect(starting.map(({ state, event }) => ({ state, event }))).toEqual([
    { state: { at: 'prepared', got: ['checkpoint', 'layer'] }, event: { on: 'hand-over' } },
  ])
  expect(starting[0]?.result.effects[0]).toEqual({ do: 'journal', step: 'starting' })
})

test('the target says aborted only after its copy is gone, and that is in its journal', () => {
  const aborting = targetTable.filter(({ result }) => result.effects.some(effect => effect.do === 'send-aborted'))
  expect(aborting.length).toBeGreaterThan(5)
  for (const { result } of aborting) {
    const order = result.effects.map(effect => (effect.do === 'journal' ? effect.step : effect.do))
    expect(order.indexOf('aborting')).toBeLessThan(order.indexOf('remove-copy'))
    expect(order.indexOf('remove-copy')).toBeLessThan(order.indexOf('aborted'))
    expect(order.at(-1)).toBe('send-aborted')
  }
})

test('a started copy can be called off by nobody', () => {
  const state: TargetState = { at: 'starting' }
  expect(targetMayCancel(state)).toBe(false)
  expect(targetStep(stopCopy, state, { on: 'cancelled', error })).toEqual({ state, effects: [] })
  expect(sourceMayCancel({ at: 'handed-over' })).toBe(false)
})

test.each(sourceTable)('source, $says: a state of the machine follows', ({ state, result }) => {
  expect(sourceStates.map(each => each.at)).toContain(result.state.at)
  if (state.at === 'ended') expect(result).toEqual({ state, effects: [] })
})

test.each(targetTable)('target, $says: a state of the machine follows', ({ state, result }) => {
  expect(targetStates.map(each => each.at)).toContain(result.state.at)
  if (state.at === 'ended') expect(result).toEqual({ state, effects: [] })
})

describe('what never stops failing is left to the next start of the daemon', () => {
  test.each(['releasing', 'thawing', 'withdrawing', 'writing-off'] as const)('%s gives up after its tries', at => {
    let state: SourceState = { at, tries: 0, because: error, refused: false }
    let steps = 0
    while (state.at !== 'ended') {
      state = sourceStep(stopCopy, state, { on: 'failed', error }).state
      steps += 1
    }
    expect(state).toMatchObject({ how: 'stuck' })
    expect(steps).toBe(LIMITS.tries)
  })

  test('the question for the outcome is asked until it is answered, ever more rarely', () => {
    let state: SourceState = { at: 'handed-over' }
    const pauses: number[] = []
    for (let n = 0; n < 12; n++) {
      const next = sourceStep(stopCopy, state, { on: 'failed', error })
      pauses.push(...next.effects.flatMap(effect => (effect.do === 'wait' ? [effect.ms] : [])))
      state = next.state
    }
    expect(state.at).toBe('asking')
    expect(pauses.slice(0, 3)).toEqual([500, 1000, 2000])
    expect(pauses.at(-1)).toBe(LIMITS.askPauseMs.last)
  })
})
