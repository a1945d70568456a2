import { expect, test } from 'vitest'
import type { RequestHandler } from '../gossip/mesh.ts'
import type { MoveEvent } from '../migrate/move-ledger.ts'
import type { MoveRecord } from '../migrate/move-record.ts'
import { shareMeasures } from './move-measures.ts'

const done: MoveRecord = {
  id: 'm1',
  side: 'source',
  service: 's1',
  name: 'web',
  type: 'stateful',
  mode: 'stop-copy',
  strategy: 'algorithm-1',
  reason: 'a red',
  from: 'a',
  to: 'b',
  startedAtMs: 1,
  phases: [{ name: 'freeze', ms: 12 }],
  bytes: { image: 1, layer: 2, checkpoint: 3 },
  downtimeMs: 300,
  errorMs: 5,
  totalMs: 900,
  outcome: 'done',
  refusals: [],
  error: null,
}

/** Two nodes, `a` and `b`, each with its mover's listeners and what it has learnt. */
function twoNodes() {
  const handlers = new Map<string, RequestHandler>()
  const failures: unknown[] = []
  const node = (id: string) => {
    const learnt: MoveRecord[] = []
    const listeners: ((event: MoveEvent) => void)[] = []
    shareMeasures({
      mesh: {
        id,
        onRequest: (_name, handler) => void handlers.set(id, handler),
        request: (peer, _name, payload) => handlers.get(peer)?.(id, payload) ?? Promise.reject(new Error('away')),
      },
      mover: {
        onEvent: listener => (listeners.push(listener), () => undefined),
        learn: async told => void learnt.push(told),
      },
      onFailure: (_move, error) => void failures.push(error),
    })
    const tell = (record: MoveRecord) => listeners.forEach(listener => listener({ record, says: '' }))
    return { learnt, tell }
  }
  return { a: node('a'), b: node('b'), handlers, failures }
}

test('the target of a move learns what its source has measured', async () => {
  const { a, b } = twoNodes()
  a.tell(done)
  await Promise.resolve()
  expect(b.learnt).toEqual([done])
})

test.each([
  { says: 'a move under way', record: { ...done, outcome: 'running', totalMs: null } as const },
  { says: 'a move that failed', record: { ...done, outcome: 'failed' } as const },
  { says: 'an arrival', record: { ...done, side: 'target' } as const },
])('of $says nothing is told', async ({ record }) => {
  const { a, b } = twoNodes()
  a.tell(record)
  await Promise.resolve()
  expect(b.learnt).toEqual([])
})

test('nobody tells the measures of a move between others', async () => {
  const { handlers, b } = twoNodes()
  await expect(handlers.get('b')?.('c', JSON.stringify(done))).rejects.toMatchObject({ code: 'NODE_ANSWER_INVALID' })
  await expect(handlers.get('b')?.('a', 'nonsense')).rejects.toMatchObject({ code: 'NODE_ANSWER_INVALID' })
  expect(b.learnt).toEqual([])
})

test('a target that is away is no trouble but a line in the log', async () => {
  const { a, failures } = twoNodes()
  a.tell({ ...done, to: 'gone' })
  await Promise.resolve()
  await Promise.resolve()
  expect(failures).toHaveLength(1)
})
