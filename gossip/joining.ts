// The pairing protocol, /shoal/join/1: one question and one answer per stream, small, with a deadline, and only so many per peer, since
// anyone may speak it. What is answered is decided by founding-driver.ts. Messages: wire/join.ts. Spec: docs/protocols/mesh.md.

import type { Clock } from '../placement/clock.ts'
import { ShoalError } from '../placement/shoal-error.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import type { ByteStream } from './byte-stream.ts'
import { MeshError, reasonOf } from './errors.ts'
import { encodeFrame, readFrames } from './frames.ts'
import { LIMITS } from './limits.ts'
import type { Links } from './links.ts'
import { joinAnswer, joinQuestion } from './wire/join.ts'
import type { JoinAnswer, JoinQuestion, RefusedMessage } from './wire/join.ts'

export const JOIN_PROTOCOL = '/shoal/join/1'

export interface JoiningPorts {
  readonly links: Links
  readonly clock: Clock
  readonly answer: (from: NodeId, question: JoinQuestion) => Promise<JoinAnswer>
}

export class Joining {
  readonly #ports: JoiningPorts

  constructor(ports: JoiningPorts) {
    this.#ports = ports
  }

  /** Serves the protocol to anyone. */
  async serve(): Promise<void> {
    const { links, clock, answer } = this.#ports
    const inBudget = messageBudget(clock)
    await links.handle(JOIN_PROTOCOL, 'anyone', async stream => {
      if (!inBudget(stream.peer)) throw tooOften(stream.peer)
      const question = joinQuestion.check(await firstFrame(stream, clock))
      const reply = await answer(stream.peer, question).catch((error: unknown) => refusedBy(error))
      await stream.write(encodeFrame(joinAnswer.check(reply), LIMITS.joinFrameBytesMax))
      await stream.closeWrite()
    })
  }

  /** Asks `peer`. @throws MESH_PEER_UNREACHABLE, MESH_STREAM_BROKEN, MESH_BAD_MESSAGE, what `signal` says */
  async ask(peer: NodeId, question: JoinQuestion, signal: AbortSignal): Promise<JoinAnswer> {
    const { links, clock } = this.#ports
    const stream = await links.open(peer, JOIN_PROTOCOL, signal)
    const onAbort = (): void => stream.abort(new Error('given up'))
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await stream.write(encodeFrame(joinQuestion.check(question), LIMITS.joinFrameBytesMax), signal)
      const reply = joinAnswer.check(await firstFrame(stream, clock))
      await stream.closeWrite()
      return reply
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(reasonOf(error)))
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}

/** The first message on `stream`, within {@link LIMITS.joinAnswerMs}. */
async function firstFrame(stream: ByteStream, clock: Clock): Promise<unknown> {
  const cancel = clock.after(LIMITS.joinAnswerMs, () => stream.abort(noAnswer(stream.peer)))
  try {
    for await (const frame of readFrames(stream.incoming, LIMITS.joinFrameBytesMax)) return frame
    throw new MeshError('MESH_STREAM_BROKEN', {
      what: `${stream.peer.slice(-8)} closed the stream without an answer`,
      hint: 'it stops or has hung up: it is asked again by itself',
    })
  } finally {
    cancel()
  }
}

/** What a failed question is answered with. */
function refusedBy(error: unknown): RefusedMessage {
  if (error instanceof ShoalError) {
    return { v: 1, t: 'refused', code: error.code, what: error.message.slice(0, 2048), hint: error.hint.slice(0, 2048) }
  }
  return {
    v: 1,
    t: 'refused',
    code: 'MESH_HANDLER_FAILED',
    what: reasonOf(error).slice(0, 2048),
    hint: 'see the log of that node',
  }
}

/** A bucket of tokens per peer, refilled by time; a bounded number of peers. */
function messageBudget(clock: Clock): (peer: NodeId) => boolean {
  const spent = new Map<NodeId, { left: number; at: Millis }>()
  return peer => {
    const now = clock.now()
    const { left, at } = spent.get(peer) ?? { left: LIMITS.joinMessagesBurst, at: now }
    const refilled = Math.min(LIMITS.joinMessagesBurst, left + ((now - at) / 1000) * LIMITS.joinMessagesPerSecond)
    spent.delete(peer)
    spent.set(peer, { left: Math.max(0, refilled - 1), at: now })
    const oldest = spent.keys().next().value
    if (spent.size > LIMITS.strangersMax && oldest !== undefined) spent.delete(oldest)
    return refilled >= 1
  }
}

function noAnswer(peer: NodeId): MeshError {
  return new MeshError('MESH_PEER_UNREACHABLE', {
    what: `${peer.slice(-8)} said nothing within ${LIMITS.joinAnswerMs / 1000} s`,
    hint: 'it is asked again by itself',
  })
}

function tooOften(peer: NodeId): MeshError {
  return new MeshError('MESH_PEER_BUSY', {
    what: `${peer.slice(-8)} speaks the pairing protocol more than ${LIMITS.joinMessagesPerSecond} times a second`,
    hint: 'it is broken or hostile; nothing else is harmed',
  })
}
