// What `shoal explain` says: where a service would go, in the tiers it was ranked in, and why it went where it is.

import { expect, test } from 'vitest'
import type { MoveRecord } from '../migrate/move-record.ts'
import { decide } from '../placement/decision.ts'
import { explain } from '../placement/explain.ts'
import { lab } from '../placement/presets.ts'
import { cloudNode, node, service } from '../placement/test-mesh.ts'
import type { ServiceRecord } from '../placement/view.ts'
import { SimNet } from '../test/sim/mesh.ts'
import type { Explained } from './control-loop.ts'
import { ownMoves } from './own-moves.ts'
import { type OwnMoves, remoteMoves } from './remote-moves.ts'

const decision = decide(service('app'), {
  now: 0,
  random: () => 0,
  reason: 'red',
  self: node('lab3', 72),
  peers: [node('vrone', 30), node('lab5', 20), node('lab4', 10, { network: 'lan-b' }), cloudNode('mec')],
  booked: new Map(),
  leftRecently: new Set(),
  settings: lab,
})
const outcome = { time: '12:04:31', to: 'lab5', tried: [{ peer: 'lab5', accepted: true, says: '' }], error: '' }

const record = (owner: string): ServiceRecord => ({
  id: 's1',
  spec: {
    ...{ name: 'app', type: 'stateful', image: 'i', args: [], env: [], restart: 'no', tty: false },
    profile: {},
  },
  ...{ owner, epoch: 2, counter: 1, state: 'running', reason: '', deleted: false },
})

const arrival: MoveRecord = {
  ...{ id: 'm1', side: 'target', service: 's1', name: 'app', type: 'stateful', mode: 'stop-copy', strategy: 'algorithm-1' },
  ...{ reason: 'red', from: 'lab3', to: 'lab5', startedAtMs: 1, phases: [], bytes: { image: 0, layer: 0, checkpoint: 0 } },
  ...{ downtimeMs: 1, errorMs: 1, totalMs: 1, outcome: 'done', refusals: [], error: null },
}

/** The moves of one node whose loop remembers `explained`. */
const movesOf = (explained: Explained | undefined, list: readonly MoveRecord[] = []): OwnMoves =>
  ownMoves({
    loop: {
      plan: () => decision,
      carryOut: () => Promise.reject(new Error('nothing is moved here')),
      explain: () => explained,
    },
    mover: {
      move: () => Promise.reject(new Error('nothing is moved here')),
      list: () => [...list],
      onEvent: () => () => undefined,
    },
    life: new AbortController().signal,
  })

test('candidates of one tier have the same tier, the next tier the next number', async () => {
  const { candidates, last } = await movesOf(undefined).explain(record('lab3'), undefined)
  expect(candidates.map(({ node: name, tier }) => [name, tier])).toEqual([
    ['lab5', 0],
    ['vrone', 0],
    ['lab4', 1],
    ['mec', 2],
  ])
  expect(last).toBeNull()
})

test('the last decision is told with why it was made, who was asked, and where the service went', async () => {
  const explained = { decision, outcome, text: explain(decision, outcome) }
  expect((await movesOf(explained).explain(record('lab3'), undefined)).last).toMatchObject({
    outcome: 'moved',
    to: 'lab5',
    reason: 'lab3 red: cpu 72 >= 50',
    tried: [{ node: 'lab5', accepted: true }],
    text: expect.stringContaining('app moved lab3 -> lab5 12:04:31'),
  })
  expect(movesOf({ decision, text: '' }).lastDecision('s1')?.outcome).toBe('undecided')
})

test('the owner asks the node a service came from why it came, and does without when that node is away', async () => {
  const net = new SimNet()
  const [lab3, lab5, mec] = ['lab3', 'lab5', 'mec'].map(name => net.add(name, name))
  if (lab3 === undefined || lab5 === undefined || mec === undefined) throw new Error('three nodes are there')
  for (const mesh of [lab3, lab5, mec]) mesh.hear(record('lab5'))
  remoteMoves({ mesh: lab3, own: movesOf({ decision, outcome, text: 'why' }) })
  const owner = remoteMoves({ mesh: lab5, own: movesOf(undefined, [arrival]) })
  const other = remoteMoves({ mesh: mec, own: movesOf(undefined) })
  const { signal } = new AbortController()
  expect((await owner.explain('app', undefined, signal)).last).toMatchObject({ outcome: 'moved', to: 'lab5', text: 'why' })
  expect((await other.explain('app', undefined, signal)).last).toMatchObject({ text: 'why' })
  net.cut.add('lab3')
  expect(await owner.explain('app', undefined, signal)).toMatchObject({ last: null, service: 'app' })
})
