// A whole NodeActions over a simulated node, for tests of the API and the CLI. What compose.ts adds in a real node (moves, strategy, doctor) is
// answered from plain values a test may set.

import { eventFeed, type RunningFeed } from '../../daemon/api/event-feed.ts'
import type { NodeActions } from '../../daemon/api/node-actions.ts'
import { membershipActions, nodeQueries, profileActions } from '../../daemon/api/node-reply.ts'
import type { ExplainReply } from '../../daemon/api/schema/move.ts'
import { remoteMoves } from '../../daemon/remote-moves.ts'
import type { MoveRecord } from '../../migrate/move-record.ts'
import type { ServiceRecord } from '../../placement/view.ts'
import type { SimNode, SimWorld } from './service-node.ts'

export interface SimActions {
  readonly actions: NodeActions
  readonly feed: RunningFeed
  /** What the next moves answer. */
  readonly outcome: { value: MoveRecord['outcome'] }
}

/** The actions of `node`; its moves end as `outcome` says. */
export function simActions(world: SimWorld, node: SimNode): SimActions {
  const feed = eventFeed(world.clock)
  const outcome: SimActions['outcome'] = { value: 'done' }
  const moves: MoveRecord[] = []
  const parts = {
    mesh: node.mesh,
    version: '0.1.0',
    name: node.mesh.name,
    role: node.mesh.role,
    warnings: () => ['no shim here'],
  }
  const strategy = { name: 'algorithm-1', exact: false }
  const strategyReply = () => ({
    ...strategy,
    threshold: { cpuPct: 50, ramPct: 80, gpuPct: 80 },
    intervalMs: 5000,
    available: ['algorithm-1', 'algorithm-2'],
    origin: 'default',
  })
  return {
    feed,
    outcome,
    actions: {
      node: nodeQueries(parts),
      services: node.actions,
      moves: remoteMoves({
        mesh: node.mesh,
        own: {
          async move(record, to) {
            const move = moveRecord(moves.length + 1, record, to ?? 'id-of-vrone', outcome.value)
            moves.unshift(move)
            return { begun: { ...move, outcome: 'running' }, over: Promise.resolve(move) }
          },
          explain: async (record, to) => explanation(record, to ?? 'id-of-vrone'),
          lastDecision: () => null,
          list: () => moves,
        },
      }),
      settings: {
        ...profileActions(node.mesh),
        strategy: strategyReply,
        async setStrategy({ name, exact }) {
          strategy.name = name
          strategy.exact = exact ?? strategy.exact
          return strategyReply()
        },
        config: () => ({ settings: [{ key: 'port', value: 4747, origin: 'default' }] }),
        doctor: async () => ({
          checks: [
            { name: 'engine', level: 'ok', says: 'Docker 28.5.2', hint: '' },
            { name: 'criu', level: 'warning', says: 'not found', hint: 'apt install criu' },
          ],
        }),
      },
      membership: membershipActions(parts),
      events: feed,
    },
  }
}

function moveRecord(count: number, record: ServiceRecord, to: string, outcome: MoveRecord['outcome']): MoveRecord {
  const failed = outcome === 'failed'
  return {
    ...{
      id: `move-${count}`,
      side: 'source',
      service: record.id,
      name: record.spec.name,
      type: record.spec.type,
      mode: 'stop-copy',
    },
    ...{ strategy: 'by-hand', reason: 'asked for', from: record.owner, to, startedAtMs: 1, outcome },
    phases: [
      { name: 'offer', ms: 12 },
      { name: 'transfer', ms: 300 },
    ],
    bytes: { image: 0, layer: 1024, checkpoint: 64 * 1024 ** 2 },
    downtimeMs: failed ? null : 312,
    errorMs: failed ? null : 4,
    totalMs: 1900,
    refusals: outcome === 'refused' ? [{ node: to, code: 'MOVE_REFUSED', what: 'no room', hint: 'make some' }] : [],
    error: failed ? { code: 'STREAM_BROKEN', what: 'the stream broke', hint: 'try again' } : null,
  }
}

function explanation(record: ServiceRecord, to: string): ExplainReply {
  return {
    service: record.spec.name,
    serviceId: record.id,
    node: 'lab3',
    strategy: 'algorithm-1',
    mode: 'stop-copy',
    need: { cpuPct: 10, ramPct: 5, gpuPct: 0 },
    threshold: { cpuPct: 50, ramPct: 80, gpuPct: 80 },
    verdict: { kind: 'move', to, because: 'least utilised of the same network' },
    candidates: [{ node: 'vrone', nodeId: to, tier: 0, score: 38, because: 'same network, 38 % CPU' }],
    rejected: [{ node: 'lab4', nodeId: 'id-of-lab4', code: 'CPU', because: '49 + 10 is not below 50 % CPU' }],
    last: {
      ...{ outcome: 'moved', to: 'lab3', strategy: 'algorithm-1', reason: 'lab4 red: cpu 59 >= 50', error: '' },
      tried: [{ node: 'lab3', accepted: true, says: '' }],
      text: `${record.spec.name} moved lab4 -> lab3 12:04:31`,
    },
  }
}
