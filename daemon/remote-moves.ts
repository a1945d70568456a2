// How does `move` or `explain` reach the node that owns the service? Only the owner moves a service, whoever asked: this node does it itself or
// asks the owner (`service/move`, `service/explain`). Built by compose.ts over the mover and the decisions; called by the API.

import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Mesh } from '../gossip/mesh.ts'
import type { MoveRecord } from '../migrate/move-record.ts'
import type { NodeId, ServiceId, ServiceRecord } from '../placement/view.ts'
import { moveReply } from './api/move-reply.ts'
import type { MoveActions } from './api/node-actions.ts'
import { ExplainReply, LastDecision, MoveReply } from './api/schema/move.ts'
import { nodeName } from './api/service-reply.ts'
import { atOwner } from './remote-services.ts'
import { LAST_DECISION_MS } from './limits.ts'
import { FORWARD_DEADLINE_MS } from './service-bounds.ts'
import { ServiceError } from './service-errors.ts'
import { findNode, findService } from './service-lookup.ts'

/** What this node can do with its own services. */
export interface OwnMoves {
  /**
   * Moves it to `to`, or where the strategy says. `begun` resolves when the move has a record, `over` when it has ended (also badly). Goes on
   * whatever becomes of the caller. Rejects where nothing could be begun.
   */
  move(record: ServiceRecord, to: NodeId | undefined): Promise<{ readonly begun: MoveRecord; readonly over: Promise<MoveRecord> }>
  explain(record: ServiceRecord, to: NodeId | undefined): Promise<ExplainReply>
  /** The last decision this node made for a service, also one that has left; null when it made none. */
  lastDecision(service: ServiceId): ExplainReply['last']
  /** Newest first. */
  list(): readonly MoveRecord[]
}

export interface RemoteMovesParts {
  readonly mesh: Pick<Mesh, 'id' | 'members' | 'services' | 'request' | 'onRequest'>
  readonly own: OwnMoves
}

const Wanted = Type.Object({
  v: Type.Literal(1),
  id: Type.String({ minLength: 1, maxLength: 256 }),
  to: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  detach: Type.Optional(Type.Boolean()),
})
const isWanted = Compile(Wanted)
const isMove = Compile(MoveReply)
const isExplanation = Compile(ExplainReply)
const isLast = Compile(Type.Object({ last: Type.Union([LastDecision, Type.Null()]) }))

interface Wish {
  readonly to: NodeId | undefined
  readonly detach: boolean
}

/** Moves and their reasons, for any service of the mesh. Also answers the other nodes: called once. */
export function remoteMoves({ mesh, own }: RemoteMovesParts): MoveActions {
  const nameOf = (id: NodeId): string => nodeName(mesh.members(), id)
  const find = (ref: string): ServiceRecord => findService(mesh.services.list(), ref)
  const nodeOf = (ref: string | undefined): NodeId | undefined =>
    ref === undefined ? undefined : findNode(mesh.members(), ref).id

  const moveOwn = async (record: ServiceRecord, { to, detach }: Wish): Promise<MoveReply> => {
    const { begun, over } = await own.move(record, to)
    return moveReply(detach ? begun : await over, nameOf)
  }

  const explainOwn = async (record: ServiceRecord, to: NodeId | undefined): Promise<ExplainReply> => {
    const explained = await own.explain(record, to)
    return explained.last === null ? { ...explained, last: await whyHere({ mesh, own }, record.id) } : explained
  }

  const ownRecord = (payload: unknown): { readonly record: ServiceRecord; readonly wish: Wish } => {
    if (!isWanted.Check(payload)) throw misunderstood('a request about a move')
    const record = mesh.services.get(payload.id)
    if (record === undefined || record.deleted || record.owner !== mesh.id) {
      throw new ServiceError('SERVICE_NOT_HERE', {
        what: 'the service is not on this node',
        hint: 'try again: the command finds its new node',
      })
    }
    return { record, wish: { to: payload.to, detach: payload.detach ?? false } }
  }
  mesh.onRequest('service/move', (_from, payload) => {
    const { record, wish } = ownRecord(payload)
    return moveOwn(record, wish)
  })
  mesh.onRequest('service/explain', (_from, payload) => {
    const { record, wish } = ownRecord(payload)
    return explainOwn(record, wish.to)
  })
  mesh.onRequest('service/last', async (_from, payload) => {
    if (!isWanted.Check(payload)) throw misunderstood('a request about a decision')
    return { last: own.lastDecision(payload.id) }
  })

  const ask = (
    owner: NodeId,
    verb: 'move' | 'explain',
    record: ServiceRecord,
    wish: Wish,
    signal: AbortSignal,
  ): Promise<unknown> => {
    const payload = { v: 1, id: record.id, detach: wish.detach, ...(wish.to === undefined ? {} : { to: wish.to }) }
    return mesh.request(owner, `service/${verb}`, payload, AbortSignal.any([signal, AbortSignal.timeout(FORWARD_DEADLINE_MS)]))
  }

  return {
    move: (ref, { to, detach }, signal) => {
      const wish = { to: nodeOf(to), detach: detach ?? false }
      return atOwner({ mesh }, find(ref), async record => {
        if (record.owner === mesh.id) return unlessGone(moveOwn(record, wish), signal)
        const answer = await ask(record.owner, 'move', record, wish, signal)
        if (!isMove.Check(answer)) throw misunderstood('the answer about a move')
        return answer
      })
    },

    explain: (ref, to, signal) => {
      const wish = { to: nodeOf(to), detach: false }
      return atOwner({ mesh }, find(ref), async record => {
        if (record.owner === mesh.id) return explainOwn(record, wish.to)
        const answer = await ask(record.owner, 'explain', record, wish, signal)
        if (!isExplanation.Check(answer)) throw misunderstood('an explanation')
        return answer
      })
    },

    moves: () => own.list().map(record => moveReply(record, nameOf)),

    moveRecord: id => moveReply(findMove(own.list(), id), nameOf),
  }
}

/** Why a service came here is known where it came from. */
async function whyHere({ mesh, own }: RemoteMovesParts, service: ServiceId): Promise<ExplainReply['last']> {
  const arrival = own.list().find(move => move.service === service && move.side === 'target' && move.outcome === 'done')
  if (arrival === undefined) return null
  try {
    const answer = await mesh.request(arrival.from, 'service/last', { v: 1, id: service }, AbortSignal.timeout(LAST_DECISION_MS))
    return isLast.Check(answer) ? answer.last : null
  } catch {
    // That node is away: the explanation of now stands without it.
    return null
  }
}

/** @throws ServiceError MOVE_NOT_FOUND */
function findMove(moves: readonly MoveRecord[], id: string): MoveRecord {
  const found = moves.filter(move => move.id.startsWith(id))
  const exact = found.find(move => move.id === id) ?? found[0]
  if (exact === undefined || (found.length > 1 && exact.id !== id)) {
    throw new ServiceError('MOVE_NOT_FOUND', {
      what: found.length > 1 ? `${found.length} moves begin with ${id}` : `this node knows no move ${id}`,
      hint: '`shoal moves ls` lists those it took part in; ask the source or the target of a move',
    })
  }
  return exact
}

/** Waits no longer than the caller; what was begun goes on. */
async function unlessGone<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function misunderstood(what: string): ServiceError {
  return new ServiceError('NODE_ANSWER_INVALID', {
    what: `${what} is not in the form this version knows`,
    hint: 'run the same release of Shoal on all nodes',
  })
}
