// Nothing counts as received before length and digest are checked and the receiver has answered; bad input is an error, never a guess.

import { expect, test } from 'vitest'
import { MoveError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { fromWire, toWire } from '../protocol.ts'
import type { MessageOf } from '../protocol.ts'
import { streamPair } from '../simulated-stream.ts'
import type { Clock } from '../../placement/clock.ts'
import { moveChannel } from './channel.ts'
import type { MoveChannel } from './channel.ts'
import { FRAME, frame, frameReader } from './frames.ts'

const signal = new AbortController().signal
const idle: Clock = { now: () => 5, wallNow: () => 5, after: () => () => undefined }
/** Every wait is over at once. */
const hasty: Clock = { now: () => 5, wallNow: () => 5, after: (_, run) => (queueMicrotask(run), () => undefined) }

function pair(clock: Clock = idle): { source: MoveChannel; target: MoveChannel; raw: ReturnType<typeof streamPair> } {
  const raw = streamPair({ near: 'target', far: 'source' })
  return { source: moveChannel(raw[0], clock), target: moveChannel(raw[1], clock), raw }
}
async function* chunksOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}
async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}
async function announced(target: MoveChannel): Promise<MessageOf<'section'>> {
  const message = await target.next(1000, signal)
  if (message.kind !== 'section') throw new Error(message.kind)
  return message
}

test('a section of many chunks arrives byte by byte as it was sent, and both sides name the same digest', async () => {
  const { source, target } = pair()
  const sent = Uint8Array.from({ length: 3 * LIMITS.chunkBytes + 17 }, (_, index) => index % 251)
  let got: Uint8Array = new Uint8Array(0)
  const receiving = announced(target).then(section =>
    target.receiveSection(section, async chunks => void (got = await collect(chunks)), signal),
  )
  const receipt = await source.sendSection(
    { name: 'layer', chunks: chunksOf(sent.subarray(0, 5), sent.subarray(5)), atMostBytes: sent.length },
    signal,
  )
  expect(await receiving).toEqual(receipt)
  expect(receipt.bytes).toBe(sent.length)
  expect(Buffer.compare(got, sent)).toBe(0)
})

test('a consumer that stops before the end gets the rest drained, and the section still counts', async () => {
  const { source, target } = pair()
  const receiving = announced(target).then(section =>
    target.receiveSection(
      section,
      async chunks => {
        for await (const _ of chunks) break
      },
      signal,
    ),
  )
  const receipt = await source.sendSection(
    { name: 'layer', chunks: chunksOf(new Uint8Array(600_000), new Uint8Array(9)), atMostBytes: 700_000 },
    signal,
  )
  expect((await receiving).bytes).toBe(600_009)
  expect(receipt.bytes).toBe(600_009)
})

test('a section with another digest than it arrived with is refused', async () => {
  const { target, raw } = pair()
  const receiving = announced(target).then(section =>
    target.receiveSection(section, async chunks => void (await collect(chunks)), signal),
  )
  await raw[0].write(frame(FRAME.control, toWire({ kind: 'section', name: 'layer', atMostBytes: 100 })))
  await raw[0].write(frame(FRAME.data, new Uint8Array([1, 2, 3])))
  await raw[0].write(frame(FRAME.control, toWire({ kind: 'section-end', name: 'layer', bytes: 3, sha256: 'a'.repeat(64) })))
  await expect(receiving).rejects.toMatchObject({ code: 'MOVE_DAMAGED' })
})

test('a section larger than it was announced with is refused while it arrives', async () => {
  const { target, raw } = pair()
  const receiving = announced(target).then(section =>
    target.receiveSection(section, async chunks => void (await collect(chunks)), signal),
  )
  await raw[0].write(frame(FRAME.control, toWire({ kind: 'section', name: 'layer', atMostBytes: 2 })))
  await raw[0].write(frame(FRAME.data, new Uint8Array([1, 2, 3])))
  await expect(receiving).rejects.toMatchObject({ code: 'MOVE_TOO_LARGE' })
})

test('a receiver that breaks off ends the sending with its own code and hint', async () => {
  const { source, target } = pair()
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield new Uint8Array(1000)
  }
  const sending = source.sendSection({ name: 'checkpoint', chunks: endless(), atMostBytes: 1e9 }, signal)
  await announced(target)
  await target.send({ kind: 'aborted', code: 'MOVE_NO_ROOM', what: 'the disk is full', hint: 'free some' }, signal)
  await expect(sending).rejects.toMatchObject({ code: 'MOVE_NO_ROOM', message: 'the disk is full', hint: 'free some' })
})

test('pings are answered in passing, with the clock of the one who was asked', async () => {
  const { source, target } = pair()
  const waiting = target.next(1000, signal)
  await source.send({ kind: 'ping', n: 3 }, signal)
  expect(await source.next(1000, signal)).toEqual({ kind: 'pong', n: 3, atMs: 5 })
  await source.send({ kind: 'hand-over' }, signal)
  expect(await waiting).toEqual({ kind: 'hand-over' })
})

test('a broken stream, a closed one and a silent peer are told apart', async () => {
  const broken = pair()
  broken.raw[2]()
  await expect(broken.target.next(1000, signal)).rejects.toMatchObject({ code: 'MOVE_PEER_LOST' })
  const closed = pair()
  await closed.source.close()
  await expect(closed.target.next(1000, signal)).rejects.toMatchObject({ code: 'MOVE_PEER_LOST' })
  await expect(pair(hasty).target.next(1000, signal)).rejects.toMatchObject({ code: 'MOVE_PEER_SILENT' })
})

test('a peer that stopped reading holds up neither a last word nor the end: the stream is reset', async () => {
  let reset = false
  const deaf = {
    peer: 'deaf',
    incoming: { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) },
    write: () => new Promise<never>(() => undefined),
    closeWrite: () => new Promise<never>(() => undefined),
    abort: () => {
      reset = true
    },
  }
  const channel = moveChannel(deaf, hasty)
  await channel.tell({ kind: 'cancel', code: 'MOVE_CANCELLED', what: 'called off', hint: '' }, signal)
  expect(reset).toBe(false)
  await expect(channel.close()).rejects.toMatchObject({ code: 'MOVE_PEER_SILENT' })
  expect(reset).toBe(true)
})

test('a cancelled wait rejects with the reason it was cancelled for', async () => {
  const why = new AbortController()
  const waiting = pair().target.next(1000, why.signal)
  why.abort(new MoveError('MOVE_CANCELLED', { what: 'called off', hint: '' }))
  await expect(waiting).rejects.toMatchObject({ code: 'MOVE_CANCELLED' })
})

test.each([
  { says: 'no JSON', bytes: new TextEncoder().encode('{'), code: 'MOVE_BAD_MESSAGE' },
  { says: 'no text at all', bytes: new Uint8Array([0xff, 0xfe]), code: 'MOVE_BAD_MESSAGE' },
  { says: 'no kind', bytes: new TextEncoder().encode('{}'), code: 'MOVE_BAD_MESSAGE' },
  { says: 'an unknown kind', bytes: new TextEncoder().encode('{"kind":"gift"}'), code: 'MOVE_BAD_MESSAGE' },
  { says: 'a wrong form', bytes: new TextEncoder().encode('{"kind":"ping","n":"x"}'), code: 'MOVE_BAD_MESSAGE' },
  { says: 'a hostile id', bytes: new TextEncoder().encode('{"kind":"ask","v":1,"move":"../../etc"}'), code: 'MOVE_BAD_MESSAGE' },
  { says: 'a later version', bytes: new TextEncoder().encode('{"kind":"ask","v":2,"move":"m"}'), code: 'MOVE_VERSION_UNKNOWN' },
])('a message with $says is refused with $code', ({ bytes, code }) => {
  expect(() => fromWire(bytes)).toThrow(expect.objectContaining({ code }))
})

test('unknown fields are ignored', () => {
  expect(fromWire(new TextEncoder().encode('{"kind":"ping","n":1,"mood":"good"}'))).toMatchObject({ kind: 'ping', n: 1 })
})

test.each([
  { says: 'of an unknown type', header: [9, 0, 0, 0, 1], code: 'MOVE_BAD_MESSAGE' },
  { says: 'larger than any may be', header: [1, 255, 255, 255, 255], code: 'MOVE_TOO_LARGE' },
])('a frame $says is refused before its body is read', async ({ header, code }) => {
  await expect(frameReader(chunksOf(Uint8Array.from(header))).header()).rejects.toMatchObject({ code })
})

test('frames are read from chunks cut anywhere', async () => {
  const bytes = Buffer.concat([frame(FRAME.control, new Uint8Array([1, 2, 3])), frame(FRAME.data, new Uint8Array([4]))])
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = frameReader(chunksOf(bytes.subarray(0, cut), bytes.subarray(cut)))
    expect(await reader.header()).toEqual({ type: FRAME.control, bytes: 3 })
    expect([...(await reader.body(3))]).toEqual([1, 2, 3])
    expect(await reader.header()).toEqual({ type: FRAME.data, bytes: 1 })
    expect([...(await reader.some(1))]).toEqual([4])
    expect(await reader.header()).toBeUndefined()
  }
})
