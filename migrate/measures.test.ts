// Small rules of a move: what fits where, how clocks are compared, how many go at once, what recovery reads.

import { describe, expect, test } from 'vitest'
import { clockOffset, downtime } from './clock-offset.ts'
import { compareVersions, fits } from './fits.ts'
import { isSettled, recover } from './journal.ts'
import type { JournalEntry, MoveFacts } from './journal.ts'
import { tickets } from './move-tickets.ts'

describe('the offset of two clocks', () => {
  test('is taken from the ping with the shortest way, with half of it as the error', () => {
    const samples = [
      { sentMs: 0, peerMs: 1040, backMs: 60 },
      { sentMs: 100, peerMs: 1105, backMs: 110 },
      { sentMs: 200, peerMs: 1290, backMs: 280 },
    ]
    expect(clockOffset(samples)).toEqual({ offsetMs: 1000, errorMs: 5 })
    expect(clockOffset([])).toBeNull()
  })

  test('holds the true offset within the error, however unequal the two ways are', () => {
    for (let there = 0; there <= 20; there++) {
      const estimate = clockOffset([{ sentMs: 50, peerMs: 50 + there + 777, backMs: 70 }])
      expect(Math.abs((estimate?.offsetMs ?? 0) - 777)).toBeLessThanOrEqual(estimate?.errorMs ?? 0)
    }
  })

  test('gives a downtime from the answered freeze to the first moment there', () => {
    const offset = { offsetMs: 1000, errorMs: 2 }
    expect(downtime({ freezeAskedMs: 90, frozenMs: 100, ranAtMs: 1500, offset })).toEqual({ downtimeMs: 400, errorMs: 12 })
    expect(downtime({ freezeAskedMs: 90, frozenMs: 100, ranAtMs: 1099, offset }).downtimeMs).toBe(0)
  })
})

test.each([
  ['4.2.1', '4.2.1', 0],
  ['4.2', '4.2.1', -1],
  ['4.10', '4.9', 1],
  ['4.2.1-1', '4.2.1', 1],
  ['3.17', '4.0', -1],
])('version %s against %s is %i', (a, b, order) => {
  expect(compareVersions(a, b)).toBe(order)
})

const offer: Parameters<typeof fits>[0] = {
  mode: 'stop-copy',
  criu: '4.2',
  cpuDigest: 'cpu',
  image: { platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`, layers: [] },
}

test.each([
  {
    says: 'of another platform',
    offer: { ...offer, image: { platform: 'linux/s390x', layers: [] } },
    here: { criu: '4.2', cpuDigest: 'cpu' },
    code: 'MOVE_PLATFORM',
  },
  { says: 'here without CRIU', offer, here: { criu: null, cpuDigest: 'cpu' }, code: 'MOVE_MODE_UNAVAILABLE' },
  { says: 'written by a newer CRIU', offer, here: { criu: '4.1.1', cpuDigest: 'cpu' }, code: 'MOVE_CRIU_OLDER' },
  { says: 'of another processor', offer, here: { criu: '4.2', cpuDigest: 'other' }, code: 'MOVE_CPU_DIFFERS' },
])('a checkpoint $says is refused with $code', ({ offer, here, code }) => {
  expect(() => fits(offer, here)).toThrow(expect.objectContaining({ code }))
})

test('a stateless service fits a node that cannot restore memory', () => {
  expect(() => fits({ ...offer, mode: 'stateless' }, { criu: null, cpuDigest: 'other' })).not.toThrow()
})

test('a third move waits for its turn, in order, and leaves the queue when it is called off', async () => {
  const places = tickets(1)
  const never = new AbortController().signal
  const first = await places.take(never)
  expect(places.taken).toBe(1)
  const order: string[] = []
  const off = new AbortController()
  const second = places.take(off.signal).then(
    () => order.push('second'),
    () => order.push('second left'),
  )
  const third = places.take(never).then(back => (order.push('third'), back()))
  off.abort(new Error('off'))
  first()
  first()
  await Promise.all([second, third])
  expect(order).toEqual(['second left', 'third'])
  expect(places.taken).toBe(0)
})

test('recovery reads the last entry of each move and side', () => {
  const facts: MoveFacts = {
    service: {
      ...{ id: 's', owner: 'a', epoch: 1, counter: 0, state: 'running', reason: '', deleted: false },
      spec: { name: 's', type: 'stateful', image: 'i', args: [], env: [], restart: 'no', tty: false },
    },
    ...{ mode: 'stop-copy', from: 'a', to: 'b', containerId: 'c' },
  }
  const entries: JournalEntry[] = [
    { side: 'source', move: 'm1', step: 'offered', facts, wallMs: 1 },
    { side: 'target', move: 'm2', step: 'starting', facts, wallMs: 2 },
    { side: 'source', move: 'm1', step: 'freezing', facts, wallMs: 3 },
    { side: 'source', move: 'm3', step: 'offered', facts, wallMs: 4 },
    { side: 'source', move: 'm3', step: 'kept', facts, wallMs: 5 },
  ]
  const left = recover(entries)
  expect(left.map(each => `${each.side} ${each.move} ${each.step}`)).toEqual([
    'source m1 freezing',
    'target m2 starting',
    'source m3 kept',
  ])
  expect(left.map(isSettled)).toEqual([false, false, true])
})
