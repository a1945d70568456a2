// What the demo hands out as JSON (`--json FILE`): nodes, services, moves, and one verdict per promise.

import type { NodeReply } from '../../daemon/api/schema/node.ts'
import type { MoveReply } from '../../daemon/api/schema/move.ts'
import type { ServiceReply } from '../../daemon/api/schema/service.ts'

export interface Check {
  readonly name: CheckName
  readonly ok: boolean
  /** What was judged (the moves by name) and what was found. */
  readonly detail: string
}

export const checkNames = ['view', 'mdns', 'same-network', 'other-network', 'cloud', 'algorithm-2', 'memory', 'one-copy'] as const
export type CheckName = (typeof checkNames)[number]

export interface ReportedMove {
  readonly service: string
  readonly type: string
  readonly mode: string
  readonly strategy: string
  readonly from: string
  readonly to: string | null
  readonly downtimeMs: number | null
  readonly errorMs: number | null
  readonly totalMs: number | null
  readonly bytes: number
  readonly ok: boolean
}

export interface Report {
  readonly ok: boolean
  readonly nodes: readonly {
    readonly name: string
    readonly role: string
    readonly network: string | null
    readonly state: 'green' | 'red' | 'lost'
  }[]
  readonly services: readonly {
    readonly name: string
    readonly type: string
    readonly node: string
    readonly state: string
    readonly epoch: number
  }[]
  readonly moves: readonly ReportedMove[]
  readonly checks: readonly Check[]
  /** Folder with every node's log, events and the services' logs, as taken outside the nodes. */
  readonly evidence: string
}

export const reportedMove = (move: MoveReply): ReportedMove => ({
  service: move.service,
  type: move.type,
  mode: move.mode,
  strategy: move.strategy,
  from: move.from,
  to: move.to,
  downtimeMs: move.downtimeMs,
  errorMs: move.errorMs,
  totalMs: move.totalMs,
  bytes: move.bytes.total,
  ok: move.outcome === 'done',
})

/** A node that drains or leaves still answers: for this report it has the colour of its load. */
const colour = ({ state }: NodeReply): 'green' | 'red' | 'lost' => (state === 'lost' || state === 'red' ? state : 'green')

export interface Seen {
  readonly nodes: readonly NodeReply[]
  readonly services: readonly ServiceReply[]
  readonly moves: readonly MoveReply[]
  readonly checks: readonly Check[]
  readonly evidence: string
}

/** `ok` needs every promise judged, and each kept: a check that never ran is a failure. */
export function reportOf({ nodes, services, moves, checks, evidence }: Seen): Report {
  const judged = checkNames.map(
    name => checks.find(check => check.name === name) ?? { name, ok: false, detail: 'not judged: the demo ended before' },
  )
  return {
    ok: judged.every(({ ok }) => ok),
    nodes: nodes.map(node => ({ name: node.name, role: node.role, network: node.network, state: colour(node) })),
    services: services.map(({ name, type, node, state, epoch }) => ({ name, type, node, state, epoch })),
    moves: moves.map(reportedMove),
    checks: judged,
    evidence,
  }
}
