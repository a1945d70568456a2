import { expect, test } from 'vitest'
import { isOpen, openFor, remainingS, windowAtFounding, windowAtStart } from './join-window.ts'
import { trustTimes } from './trust-limits.ts'

const code = (value: string) => expect.objectContaining({ code: value })
const MIN = 60_000

test('the window is open for 15 minutes after a mesh is founded', () => {
  const window = windowAtFounding({ trust: 'default', now: 1_000 })
  expect([isOpen(window, 1_000), isOpen(window, 1_000 + 15 * MIN - 1), isOpen(window, 1_000 + 15 * MIN)]).toEqual([
    true,
    true,
    false,
  ])
  expect([remainingS(window, 1_000), remainingS(window, 20 * MIN)]).toEqual([900, 0])
})

test('a person opens it for a while, or closes it', () => {
  const open = openFor(windowAtStart('default'), { now: 0, forMs: 5 * MIN })
  expect([isOpen(open, 5 * MIN - 1), isOpen(open, 5 * MIN)]).toEqual([true, false])
  expect(isOpen(openFor(open, { now: MIN, forMs: 0 }), MIN)).toBe(false)
})

test('a restart closes it', () => {
  expect(isOpen(windowAtStart('default'), 0)).toBe(false)
})

test('`trust: lan` keeps it open for good, `trust: ask` never opens it', () => {
  expect(isOpen(openFor(windowAtStart('lan'), { now: 0, forMs: 0 }), 1e12)).toBe(true)
  expect(remainingS(windowAtFounding({ trust: 'lan', now: 0 }), 5)).toBe(Infinity)
  expect(isOpen(windowAtFounding({ trust: 'ask', now: 0 }), 0)).toBe(false)
  expect(() => openFor(windowAtStart('ask'), { now: 0, forMs: MIN })).toThrow(code('WINDOW_FORBIDDEN'))
})

test.each([-1, Number.NaN, trustTimes.windowMaxMs + 1])('a window of %d ms is refused', forMs => {
  expect(() => openFor(windowAtStart('default'), { now: 0, forMs })).toThrow(code('WINDOW_DURATION'))
})
