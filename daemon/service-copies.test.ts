import { expect, test } from 'vitest'
import { webSpec } from '../test/sim/service-node.ts'
import type { ServiceRecord } from '../placement/view.ts'
import { standingOf } from './service-copies.ts'
import { afterExit, restartPauseMs } from './service-restart.ts'

const record = (more: Partial<ServiceRecord> = {}): ServiceRecord => ({
  ...{ id: 's', spec: webSpec(), owner: 'me', epoch: 3, counter: 0, state: 'running', reason: '', deleted: false },
  ...more,
})
const marks = (epoch: number, move?: string) => ({
  marks: { service: 's', epoch, mesh: 'm', ...(move === undefined ? {} : { move }) },
})

test.each([
  { says: 'no marks', container: { marks: undefined }, known: record(), is: 'foreign' },
  {
    says: 'marks of another mesh',
    container: { marks: { service: 's', epoch: 3, mesh: 'other' } },
    known: record(),
    is: 'foreign',
  },
  { says: 'a service nobody knows', container: marks(3), known: undefined, is: 'foreign' },
  { says: 'a copy a move has made and not committed', container: marks(4, 'move'), known: record(), is: 'of-a-move' },
  { says: 'a copy of a move, the service not heard of yet', container: marks(1, 'move'), known: undefined, is: 'of-a-move' },
  { says: 'the copy of this epoch, ours', container: marks(3), known: record(), is: 'own' },
  { says: 'the copy of this epoch, ours by a move', container: marks(3, 'move'), known: record(), is: 'own' },
  { says: 'an older copy of ours', container: marks(2), known: record(), is: 'superseded' },
  { says: 'an older copy, the newer elsewhere', container: marks(2), known: record({ owner: 'you' }), is: 'superseded' },
  { says: "another node's own, on the same engine", container: marks(3), known: record({ owner: 'you' }), is: 'foreign' },
  { says: 'of a service that was removed', container: marks(3), known: record({ deleted: true }), is: 'leftover' },
])('a container with $says is $is', ({ container, known, is }) => {
  expect(standingOf(container, known, 'me', 'm')).toBe(is)
})

test('pauses double from 100 ms to a minute and no further', () => {
  expect([0, 1, 2, 9, 10, 1000].map(restartPauseMs)).toEqual([100, 200, 400, 51_200, 60_000, 60_000])
})

test('want of memory is said beside the code', () => {
  expect(afterExit({ policy: 'no', exitCode: 137, oomKilled: true, ranMs: 5, streak: 0 })).toEqual({
    kind: 'stay',
    reason: 'exit code 137, out of memory',
  })
})
