// The asking side of a standing request stream to one peer: many questions at once, each with its own answer, on one stream that is
// opened when first needed and again after it broke (a stream per question costs ten times the round trip). Its other end is
// request-server.ts.

import { Compile } from 'typebox/compile'
import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import type { ByteStream } from './byte-stream.ts'
import { MeshError, PeerError, reasonOf } from './errors.ts'
import { encodeFrame, readFrames } from './frames.ts'
import { LIMITS, RHYTHM } from './limits.ts'
import { AnsweringFrame } from './wire/request-frame.ts'
import type { AskingFrame } from './wire/request-frame.ts'

export interface RequestLinkPorts {
  readonly peer: NodeId
  readonly clock: Clock
  /** Opens a fresh request stream to the peer, within {@link LIMITS.openMs}. */
  readonly open: (signal: AbortSignal) => Promise<ByteStream>
  readonly onRoundTrip: (ms: Millis) => void
}

interface Pending {
  readonly resolve: (body: unknown) => void
  readonly reject: (error: Error) => void
}

const isAnswer = Compile(AnsweringFrame)

export class RequestLink {
  readonly #ports: RequestLinkPorts
  readonly #pending = new Map<number, Pending>()
  #stream: Promise<ByteStream> | undefined
  #ready: ByteStream | undefined
  #nextId = 1
  #queued = 0
  #beats = 0
  #echo: { readonly seq: number; readonly at: Millis } | undefined
  #saidAt: Millis
  #closed = false

  constructor(ports: RequestLinkPorts) {
    this.#ports = ports
    this.#saidAt = ports.clock.now()
  }

  /**
   * Asks and waits for the answer, at most {@link LIMITS.requestMs}.
   * @throws PeerError with the peer's own code and hint; MESH_PEER_UNREACHABLE, MESH_STREAM_BROKEN, MESH_PEER_BUSY; what `signal` says
   */
  async request(name: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted()
    if (this.#pending.size >= LIMITS.requestsPendingMax) {
      throw new MeshError('MESH_PEER_BUSY', {
        what: `${this.#pending.size} requests to ${short(this.#ports.peer)} wait already`,
        hint: 'the peer is slow or stuck: see its load and its log',
      })
    }
    const id = this.#nextId++
    const answer = Promise.withResolvers<unknown>()
    this.#pending.set(id, answer)
    const onAbort = (): void => answer.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const cancelDeadline = this.#ports.clock.after(LIMITS.requestMs, () => answer.reject(this.#unanswered(name)))
    const sent = this.#sendQuestion({ t: 'q', id, name, body }, signal).catch((error: unknown) => answer.reject(error))
    try {
      return await answer.promise
    } finally {
      cancelDeadline()
      signal.removeEventListener('abort', onAbort)
      if (this.#pending.delete(id) && signal.aborted) void sent.then(() => this.#post({ t: 'x', id }))
    }
  }

  /** Says something that needs no answer, if the stream stands and the peer keeps up; else it is dropped, for what follows replaces it. */
  notify(name: string, body: unknown): void {
    this.#post({ t: 'n', name, body })
  }

  /**
   * One sign of life, unless something else was said within `quietMs`. The first three and then every
   * {@link RHYTHM.rttEveryHeartbeats}th ask for an answer, to measure the round trip.
   */
  heartbeat(quietMs: Millis): void {
    if (this.#ready === undefined) return
    const seq = ++this.#beats
    const echo = seq <= 3 || seq % RHYTHM.rttEveryHeartbeats === 0
    const now = this.#ports.clock.now()
    if (!echo && now - this.#saidAt < quietMs) return
    if (echo) this.#echo = { seq, at: now }
    this.#post({ t: 'h', seq, echo })
  }

  /** Whether a stream stands. */
  isReady(): boolean {
    return this.#ready !== undefined
  }

  /** Opens the stream now, so that the first request does not wait for it. @throws MESH_PEER_UNREACHABLE and what dialling throws */
  async warm(): Promise<void> {
    await this.#open()
  }

  /** Breaks the stream; whoever waits is told. */
  close(reason: Error): void {
    this.#closed = true
    this.#fail(reason)
    this.#ready?.abort(reason)
    this.#ready = undefined
    this.#stream = undefined
  }

  async #sendQuestion(frame: AskingFrame, signal: AbortSignal): Promise<void> {
    const bytes = encodeFrame(frame, LIMITS.frameBytesMax)
    const stream = await this.#open()
    signal.throwIfAborted()
    this.#saidAt = this.#ports.clock.now()
    await stream.write(bytes, signal)
  }

  #post(frame: AskingFrame): void {
    const stream = this.#ready
    if (stream === undefined || this.#queued >= LIMITS.noticeBacklogFrames) return
    this.#queued++
    this.#saidAt = this.#ports.clock.now()
    stream
      .write(encodeFrame(frame, LIMITS.frameBytesMax))
      .catch(() => undefined) // the reader of the same stream sees it break and tells everyone who waits
      .finally(() => this.#queued--)
  }

  /** One opening serves all who wait; it has a deadline of its own, so that no caller's impatience fails the others. */
  #open(): Promise<ByteStream> {
    if (this.#closed) return Promise.reject(stopped(this.#ports.peer))
    this.#stream ??= this.#ports.open(AbortSignal.timeout(LIMITS.openMs)).then(
      stream => {
        this.#ready = stream
        void this.#read(stream)
        return stream
      },
      (error: unknown) => {
        this.#stream = undefined
        throw error
      },
    )
    return this.#stream
  }

  async #read(stream: ByteStream): Promise<void> {
    let reason: Error
    try {
      for await (const frame of readFrames(stream.incoming, LIMITS.frameBytesMax)) this.#take(frame)
      reason = new MeshError('MESH_STREAM_BROKEN', {
        what: `${short(this.#ports.peer)} closed its request stream`,
        hint: 'it restarted, or it removed this node: it is dialled again by itself',
      })
    } catch (error) {
      reason = error instanceof Error ? error : new Error(reasonOf(error))
    }
    stream.abort(reason)
    if (this.#ready === stream) {
      this.#ready = undefined
      this.#stream = undefined
      this.#fail(reason)
    }
  }

  #take(frame: unknown): void {
    if (!isAnswer.Check(frame)) {
      throw new MeshError('MESH_BAD_MESSAGE', {
        what: `${short(this.#ports.peer)} sent an answer this node cannot read`,
        hint: 'run the same release of Shoal on all nodes',
      })
    }
    if (frame.t === 'k') {
      if (this.#echo?.seq === frame.seq) this.#ports.onRoundTrip(this.#ports.clock.now() - this.#echo.at)
      return
    }
    const pending = this.#pending.get(frame.id)
    if (pending === undefined) return // its caller gave up
    if (frame.ok) pending.resolve(frame.body)
    else pending.reject(new PeerError(this.#ports.peer, frame.code, { what: frame.what, hint: frame.hint }))
  }

  #fail(reason: Error): void {
    for (const pending of this.#pending.values()) pending.reject(reason)
    this.#pending.clear()
  }

  #unanswered(name: string): MeshError {
    return new MeshError('MESH_PEER_UNREACHABLE', {
      what: `${short(this.#ports.peer)} did not answer ${name} within ${LIMITS.requestMs / 1000} s`,
      hint: 'see the log of that node',
    })
  }
}

function short(peer: NodeId): string {
  return peer.slice(-8)
}

function stopped(peer: NodeId): MeshError {
  return new MeshError('MESH_STOPPED', { what: `the link to ${short(peer)} is closed`, hint: 'start this node again' })
}
