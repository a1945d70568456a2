// How the API says a move: the record this node's end keeps, with names beside ids and bytes added up. Pure. Called by compose.ts.

import type { MoveRecord } from '../../migrate/move-record.ts'
import type { NodeId } from '../../placement/view.ts'
import type { MoveReply } from './schema/move.ts'

export function moveReply(record: MoveRecord, nameOf: (id: NodeId) => string): MoveReply {
  const { id, side, type, mode, strategy, reason, from, to, outcome, startedAtMs, downtimeMs, errorMs, totalMs, bytes, error } =
    record
  return {
    ...{ id, side, type, mode, strategy, reason, outcome, startedAtMs, downtimeMs, errorMs, totalMs },
    service: record.name,
    serviceId: record.service,
    from: nameOf(from),
    fromId: from,
    to: to === null ? null : nameOf(to),
    toId: to,
    bytes: { ...bytes, total: bytes.image + bytes.layer + bytes.checkpoint },
    phases: record.phases.map(({ name, ms }) => ({ name, ms })),
    refusals: record.refusals.map(({ node, code, what, hint }) => ({
      code,
      message: what,
      hint,
      node: nameOf(node),
      nodeId: node,
    })),
    error: error === null ? null : { code: error.code, message: error.what, hint: error.hint },
  }
}
