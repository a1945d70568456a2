// The answering side of a standing request stream: reads a peer's questions, runs the handler of each, answers with its result or
// with the code and hint of what went wrong. Called by member-links.ts for each request stream a member opens. The other end is requests.ts.

import { Compile } from 'typebox/compile'
import { ShoalError } from '../placement/shoal-error.ts'
import type { NodeId } from '../placement/view.ts'
import type { ByteStream } from './byte-stream.ts'
import { MeshError, reasonOf } from './errors.ts'
import { encodeFrame, readFrames } from './frames.ts'
import { LIMITS } from './limits.ts'
import type { RequestHandler } from './mesh.ts'
import { AskingFrame } from './wire/request-frame.ts'
import type { AnsweringFrame } from './wire/request-frame.ts'

export interface RequestServerPorts {
  readonly handlerOf: (name: string) => RequestHandler | undefined
  /** What is done with a notice; unknown ones are ignored. */
  readonly onNotice: (from: NodeId, name: string, body: unknown) => void
  /** A handler failed for a reason the peer is not told in full. */
  readonly onFailure: (from: NodeId, name: string, error: unknown) => void
}

const isQuestion = Compile(AskingFrame)

/** Serves `stream` until it ends or breaks; breaks it itself on a frame it cannot read. */
export async function serveRequests(stream: ByteStream, ports: RequestServerPorts): Promise<void> {
  const underWay = new Set<number>()
  const answer = async (frame: AnsweringFrame): Promise<void> => {
    await stream.write(encodeFrame(frame, LIMITS.frameBytesMax)).catch(() => undefined) // nobody is left to hear it
  }
  try {
    for await (const frame of readFrames(stream.incoming, LIMITS.frameBytesMax)) {
      if (!isQuestion.Check(frame)) throw unreadable(stream.peer)
      if (frame.t === 'h') {
        if (frame.echo) void answer({ t: 'k', seq: frame.seq })
      } else if (frame.t === 'n') ports.onNotice(stream.peer, frame.name, frame.body)
      else if (frame.t === 'x') underWay.delete(frame.id)
      else if (underWay.size >= LIMITS.requestsPerPeerMax) void answer(refusal(frame.id, busy(underWay.size)))
      else {
        underWay.add(frame.id)
        void carryOut(stream.peer, frame.name, frame.body, ports).then(async reply => {
          if (!underWay.delete(frame.id)) return // its asker gave up
          await answer(
            fitting('error' in reply ? refusal(frame.id, reply.error) : { t: 'a', id: frame.id, ok: true, body: reply.body }),
          )
        })
      }
    }
    await stream.closeWrite().catch(() => undefined) // the peer half-closed; it may be gone by now
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(reasonOf(error)))
  }
}

type Reply = { readonly body: unknown } | { readonly error: ShoalError }

async function carryOut(from: NodeId, name: string, body: unknown, ports: RequestServerPorts): Promise<Reply> {
  const handler = ports.handlerOf(name)
  if (handler === undefined) {
    return {
      error: new MeshError('MESH_UNKNOWN_REQUEST', {
        what: `this node knows no request "${name}"`,
        hint: 'run the same release of Shoal on all nodes',
      }),
    }
  }
  try {
    return { body: (await handler(from, body)) ?? null }
  } catch (error) {
    if (error instanceof ShoalError) return { error }
    ports.onFailure(from, name, error)
    return {
      error: new MeshError('MESH_HANDLER_FAILED', {
        what: `the request "${name}" failed there: ${reasonOf(error)}`,
        hint: 'see the log of that node',
      }),
    }
  }
}

function refusal(id: number, error: ShoalError): AnsweringFrame {
  return { t: 'a', id, ok: false, code: error.code, what: error.message.slice(0, 4096), hint: error.hint.slice(0, 4096) }
}

/** An answer over the cap becomes a refusal: silence would be worse. */
function fitting(frame: AnsweringFrame): AnsweringFrame {
  if (frame.t !== 'a' || !frame.ok) return frame
  try {
    encodeFrame(frame, LIMITS.frameBytesMax)
    return frame
  } catch (error) {
    return refusal(
      frame.id,
      error instanceof ShoalError
        ? error
        : new MeshError('MESH_HANDLER_FAILED', {
            what: `the answer is no JSON: ${reasonOf(error)}`,
            hint: 'this is a bug in Shoal',
          }),
    )
  }
}

function busy(underWay: number): MeshError {
  return new MeshError('MESH_PEER_BUSY', {
    what: `${underWay} requests of yours are under way on this node`,
    hint: 'wait for some of them, then ask again',
  })
}

function unreadable(peer: NodeId): MeshError {
  return new MeshError('MESH_BAD_MESSAGE', {
    what: `${peer.slice(-8)} sent a frame this node cannot read`,
    hint: 'run the same release of Shoal on all nodes',
  })
}
