// How do the two sides of a move talk? Typed messages and digested bulk sections over one byte stream, every wait with a deadline.
// Nothing counts as received before the receiver has checked length and SHA-256, done what the section is for, and answered.

import { createHash } from 'node:crypto'
import type { Clock } from '../../placement/clock.ts'
import type { Millis } from '../../placement/view.ts'
import { MoveError, PeerRefusal } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { MoveStream } from '../ports.ts'
import { fromWire, toWire } from '../protocol.ts'
import type { Message, MessageOf, SectionName } from '../protocol.ts'
import { within } from '../within.ts'
import { FRAME, frame, frameReader } from './frames.ts'
import type { FrameReader } from './frames.ts'

/** What crossed in one section. */
export interface SectionReceipt {
  readonly bytes: number
  readonly sha256: string
}

export interface OutgoingSection {
  readonly name: SectionName
  readonly chunks: AsyncIterable<Uint8Array>
  /** The receiver makes sure of this much room and stops reading beyond it. */
  readonly atMostBytes: number
}

/** One end of a move's stream. */
export interface MoveChannel {
  readonly peer: string
  send(message: Message, signal: AbortSignal): Promise<void>
  /** Says what the peer can also learn otherwise: never rejects, and waits no longer than a moment for a peer that does not read. */
  tell(message: Message, signal: AbortSignal): Promise<void>
  /** The next control message; pings are answered in passing. `MOVE_PEER_SILENT` after `ms`, `MOVE_PEER_LOST` when the stream is gone. */
  next(ms: Millis, signal: AbortSignal): Promise<Message>
  /** Sends a section and waits for the receiver's answer; throws {@link PeerRefusal} when the peer breaks off instead. */
  sendSection(section: OutgoingSection, signal: AbortSignal): Promise<SectionReceipt>
  /** After a `section` message: hands its bytes to `consume`, checks them, and answers. `progress` hears the bytes so far. */
  receiveSection(
    announced: MessageOf<'section'>,
    consume: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
    signal: AbortSignal,
  ): Promise<SectionReceipt>
  /** Half-closes once all is written; resets the stream, and rejects, when the peer does not take it. */
  close(): Promise<void>
  abort(reason: Error): void
}

/** A signal that does not fire. */
const never = new AbortController().signal

const UNDONE_HINT = 'nothing is lost: the move is undone, or asked for until the peer answers'

function lost(cause: unknown): Error {
  if (cause instanceof MoveError || cause instanceof PeerRefusal) return cause
  return new MoveError('MOVE_PEER_LOST', {
    what: `the connection to the peer broke: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: UNDONE_HINT,
    cause,
  })
}

const silent = (what: string, ms: Millis) => (): MoveError =>
  new MoveError('MOVE_PEER_SILENT', { what: `${what} for ${Math.round(ms / 1000)} s`, hint: UNDONE_HINT })

const outOfTurn = (kind: string): MoveError =>
  new MoveError('MOVE_BAD_MESSAGE', {
    what: `the peer sent ${kind} out of turn`,
    hint: 'update Shoal on both nodes to the same version',
  })

/** Throws what an `aborted`, `cancel` or `refused` message says; anything else is out of turn. */
export function refusalOf(peer: string, message: Message): Error {
  switch (message.kind) {
    case 'aborted':
    case 'cancel':
      return new PeerRefusal({ peer }, message)
    case 'refused':
      return new PeerRefusal({ peer, load: message.load }, message)
    default:
      return outOfTurn(message.kind)
  }
}

/** Cuts chunks to the size of a data frame. */
function* pieces(chunk: Uint8Array): Iterable<Uint8Array> {
  for (let from = 0; from < chunk.length; from += LIMITS.chunkBytes) yield chunk.subarray(from, from + LIMITS.chunkBytes)
}

/** A channel over `stream`. The caller closes or aborts it. */
export const moveChannel = (stream: MoveStream, clock: Clock): MoveChannel => new StreamChannel(stream, clock)

class StreamChannel implements MoveChannel {
  readonly peer: string
  readonly #stream: MoveStream
  readonly #clock: Clock
  readonly #reader: FrameReader
  /** The read under way: one at a time, also when a deadline or a signal has left its caller. */
  #reading: Promise<Message> | undefined

  constructor(stream: MoveStream, clock: Clock) {
    this.peer = stream.peer
    this.#stream = stream
    this.#clock = clock
    this.#reader = frameReader(stream.incoming)
  }

  async close(): Promise<void> {
    // A peer that stopped reading in the middle of a section leaves bytes that never drain: their stream is reset then.
    const wait = {
      clock: this.#clock,
      ms: LIMITS.goodbyeMs,
      signal: never,
      late: silent('the peer took no end', LIMITS.goodbyeMs),
    }
    try {
      await within(this.#stream.closeWrite(), wait)
    } catch (error) {
      this.#stream.abort(errorOf(error))
      throw error
    }
  }
  abort(reason: Error): void {
    this.#stream.abort(reason)
  }

  send(message: Message, signal: AbortSignal): Promise<void> {
    return this.#write(frame(FRAME.control, toWire(message)), signal)
  }

  async tell(message: Message, signal: AbortSignal): Promise<void> {
    const wait = { clock: this.#clock, ms: LIMITS.goodbyeMs, signal, late: silent('the peer took no word', LIMITS.goodbyeMs) }
    // What was not taken is asked for, or follows from the end of the stream.
    await within(this.send(message, signal), wait).catch(() => undefined)
  }

  next(ms: Millis, signal: AbortSignal): Promise<Message> {
    return within(this.#take(), { clock: this.#clock, ms, signal, late: silent('the peer said nothing', ms) })
  }

  async sendSection({ name, chunks, atMostBytes }: OutgoingSection, signal: AbortSignal): Promise<SectionReceipt> {
    // The peer may break off while bytes are still flowing: its word ends the writing.
    const stop = new AbortController()
    const writing = AbortSignal.any([signal, stop.signal])
    const answer = this.#take().then(message => {
      if (message.kind === 'received' && message.name === name) return message
      throw refusalOf(this.peer, message)
    })
    answer.catch((error: unknown) => stop.abort(errorOf(error)))
    await this.send({ kind: 'section', name, atMostBytes }, writing)
    const sent = await this.#writeAll(chunks, writing)
    await this.send({ kind: 'section-end', name, ...sent }, writing)
    const receipt = await within(answer, {
      clock: this.#clock,
      ms: LIMITS.sectionAnswerMs,
      signal: writing,
      late: silent(`the peer did not answer for the ${name} section`, LIMITS.sectionAnswerMs),
    })
    if (receipt.bytes !== sent.bytes || receipt.sha256 !== sent.sha256) throw damaged(name, receipt, sent)
    return sent
  }

  async receiveSection(
    announced: MessageOf<'section'>,
    consume: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
    signal: AbortSignal,
  ): Promise<SectionReceipt> {
    const ending = Promise.withResolvers<{ got: SectionReceipt; said: SectionReceipt }>()
    const section = this.#sectionBody(announced, signal, ending.resolve)
    try {
      await consume(keepOpen(section))
      // A consumer need not read to the very end (a tar has padding): the rest is drained here.
      for (let step = await section.next(); step.done !== true; ) step = await section.next()
      const { got, said } = await ending.promise
      if (said.bytes !== got.bytes || said.sha256 !== got.sha256) throw damaged(announced.name, got, said)
      await this.send({ kind: 'received', name: announced.name, ...got }, signal)
      return got
    } catch (error) {
      throw signal.aborted ? signal.reason : errorOf(error)
    }
  }

  /** The bytes of an announced section; at its end `ends` hears what was counted and what the peer says it sent. */
  async *#sectionBody(
    announced: MessageOf<'section'>,
    signal: AbortSignal,
    ends: (receipts: { got: SectionReceipt; said: SectionReceipt }) => void,
  ): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256')
    const wait = { clock: this.#clock, ms: LIMITS.stallMs, signal, late: silent('the peer sent no bytes', LIMITS.stallMs) }
    let bytes = 0
    for (;;) {
      const header = await within(this.#reader.header(), wait)
      if (header === undefined) throw lost(new Error('the peer closed the stream'))
      if (header.type === FRAME.control) {
        const message = fromWire(await within(this.#reader.body(header.bytes), wait))
        if (message.kind !== 'section-end' || message.name !== announced.name) throw refusalOf(this.peer, message)
        ends({ got: { bytes, sha256: hash.digest('hex') }, said: message })
        return
      }
      for (let left = header.bytes; left > 0; ) {
        const part = await within(this.#reader.some(left), wait)
        left -= part.length
        bytes += part.length
        if (bytes > announced.atMostBytes) throw tooMuch(announced)
        hash.update(part)
        yield part
      }
    }
  }

  async #writeAll(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<SectionReceipt> {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of chunks) {
      for (const piece of pieces(chunk)) {
        signal.throwIfAborted()
        bytes += piece.length
        hash.update(piece)
        await this.#write(frame(FRAME.data, piece), signal)
      }
    }
    return { bytes, sha256: hash.digest('hex') }
  }

  async #write(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const late = silent('the peer took no bytes', LIMITS.stallMs)
    try {
      await within(this.#stream.write(bytes, signal), { clock: this.#clock, ms: LIMITS.stallMs, signal, late })
    } catch (error) {
      throw signal.aborted ? signal.reason : lost(error)
    }
  }

  async #take(): Promise<Message> {
    this.#reading ??= this.#readMessage()
    const message = await this.#reading
    this.#reading = undefined
    return message
  }

  async #readMessage(): Promise<Message> {
    try {
      for (;;) {
        const header = await this.#reader.header()
        if (header === undefined) throw new Error('the peer closed the stream')
        if (header.type === FRAME.data) throw outOfTurn('data')
        const message = fromWire(await this.#reader.body(header.bytes))
        if (message.kind !== 'ping') return message
        await this.#stream.write(frame(FRAME.control, toWire({ kind: 'pong', n: message.n, atMs: this.#clock.now() })))
      }
    } catch (error) {
      throw lost(error)
    }
  }
}

const errorOf = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

/** The same chunks, but a consumer that stops early does not end the generator beneath. */
function keepOpen(chunks: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) }
}

const tooMuch = (announced: MessageOf<'section'>): MoveError =>
  new MoveError('MOVE_TOO_LARGE', {
    what: `the ${announced.name} section is larger than the ${announced.atMostBytes} bytes it was announced with`,
    hint: 'the service grew while it was packed: try the move again',
  })

function damaged(name: string, got: SectionReceipt, sent: SectionReceipt): MoveError {
  return new MoveError('MOVE_DAMAGED', {
    what: `the ${name} section arrived with ${got.bytes} bytes, SHA-256 ${got.sha256.slice(0, 12)}, but ${sent.bytes} bytes, ${sent.sha256.slice(0, 12)} were sent`,
    hint: 'try the move again; if it happens again, look at the network and memory of both nodes',
  })
}
