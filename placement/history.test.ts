import { expect, test } from 'vitest'
import { heldBack, leftRecently, noteFailure, observe } from './history.ts'
import { lan } from './presets.ts'

const at = (now: number) => ({ now, emergency: false, settings: lan })
const first = observe(new Map(), [{ id: 's', owner: 'a', epoch: 1 }], 0)

test('a service seen for the first time has not moved', () => expect(heldBack(first, 's', at(1))).toBeNull())

test('a higher epoch with the same owner is no move', () => {
  expect(heldBack(observe(first, [{ id: 's', owner: 'a', epoch: 2 }], 10), 's', at(20))).toBeNull()
})

test('a move seen by any node starts its rest and marks the node left', () => {
  const moved = observe(first, [{ id: 's', owner: 'b', epoch: 2 }], 1000)
  expect(heldBack(moved, 's', at(2000))).toEqual({ because: 'cooldown', forMs: 299_000 })
  expect(leftRecently(moved, 's', 2000, 600_000)).toEqual(new Set(['a']))
  expect(leftRecently(moved, 's', 601_000, 600_000)).toEqual(new Set())
})

test('a failed attempt waits, and twice as long after each further one', () => {
  const once = noteFailure(first, 's', 1000)
  expect(heldBack(once, 's', at(1000))).toEqual({ because: 'retry', forMs: 30_000 })
  expect(heldBack(noteFailure(once, 's', 1000), 's', at(1000))).toEqual({ because: 'retry', forMs: 60_000 })
  expect(heldBack(once, 's', at(31_000))).toBeNull()
})

test('what the registry holds no more is forgotten', () => expect(observe(first, [], 10).size).toBe(0))
