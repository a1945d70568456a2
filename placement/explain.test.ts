import { expect, test } from 'vitest'
import { decide } from './decision.ts'
import { explain } from './explain.ts'
import { lab } from './presets.ts'
import { capability, cloudNode, node, service } from './test-mesh.ts'
import { ZERO } from './vec.ts'
import type { NodeView } from './view.ts'

const decided = (peers: readonly NodeView[], self = node('lab4', 59, { network: 'lan-b' })) =>
  decide(service('app-2'), {
    now: 0,
    random: () => 0,
    reason: 'red',
    self,
    peers,
    booked: new Map(),
    leftRecently: new Set(),
    settings: { ...lab, threshold: { ...lab.threshold } },
  })
const peers = [
  node('vrone', 38, { rttMs: 3, ageMs: 1200 }),
  node('lab3', 72, { ageMs: 4100 }),
  node('pi', 5, { capability: { ...capability, arch: 'arm64' }, ageMs: 2000 }),
  cloudNode('mec', 0, { ageMs: 1300 }),
]

test('a move is explained by the figures it was decided on, candidate by candidate', () => {
  const outcome = {
    time: '12:04:31',
    to: 'vrone',
    tried: [{ peer: 'vrone', accepted: true, says: 'its own load then: cpu 38.4' }],
    error: '',
  }
  expect(explain(decided(peers), outcome)).toBe(
    [
      'app-2 moved lab4 -> vrone 12:04:31  (lab4 red: cpu 59 >= 50; strategy algorithm-1, exact; view 1.2-4.1 s old)',
      '  same network 0 of 0, other networks 1 of 3, cloud not needed',
      '  1 vrone  cpu 38 + 10 = 48 < 50, rtt 3 ms  [other-network]  accepted: its own load then: cpu 38.4',
      '  2 mec  last resort, never full, rtt 40 ms  [cloud]',
      '  x lab3  is red: cpu 72 >= 50',
      '  x pi  is arm64, the service runs on amd64',
    ].join('\n'),
  )
})

test('a dry run says where it would go, or why it stays', () => {
  expect(explain(decided(peers))).toContain('app-2 would move lab4 -> vrone  (')
  expect(explain(decided([node('full', 45)]))).toContain(
    'app-2 stays on lab4: no node fits, and there is no cloud node that can take it',
  )
  expect(explain(decided([node('full', 45)]))).toContain('x full  cpu 45 + 10 = 55, must stay below 50')
})

test('a failed move tells what went wrong, and a mesh of many rejected names sixteen and counts the rest', () => {
  const many = Array.from({ length: 40 }, (_, index) => node(`n${index}`, 60, { reserved: ZERO }))
  const text = explain(decided(many), { time: '12:00:00', to: null, tried: [], error: 'the link broke' })
  expect(text.split('\n').filter(line => line.startsWith('  x n'))).toHaveLength(16)
  expect(text).toContain('24 more; filtered in all: 40 red')
  expect(text).toContain('  failed: the link broke')
})

test('a node that cannot checkpoint says so', () => {
  const self = node('lab4', 59, { capability: { ...capability, criu: null } })
  expect(explain(decided(peers, self))).toContain('app-2 stays on lab4: it cannot leave lab4: this node has no working CRIU')
})
