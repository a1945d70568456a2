// How do messages and bulk bytes share one stream? Frames: one byte of type (1 control, 2 data), four bytes of length (big endian), then
// the body. A control body is one JSON message; data bodies only stand between a `section` and its `section-end`. Used by channel.ts.

import { MoveError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

export const FRAME = { control: 1, data: 2 } as const
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

const HEADER_BYTES = 5
/** A peer of another build may cut larger; beyond this it is no data frame of ours. */
const DATA_FRAME_BYTES = 16 * LIMITS.chunkBytes

/** One frame, ready to write. */
export function frame(type: FrameType, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length)
  bytes[0] = type
  new DataView(bytes.buffer).setUint32(1, body.length)
  bytes.set(body, HEADER_BYTES)
  return bytes
}

export interface FrameHeader {
  readonly type: FrameType
  readonly bytes: number
}

/** Reads frames from chunks as they come. Not for two readers at once. */
export interface FrameReader {
  /** The next header, or undefined at the clean end of the stream between two frames. */
  header(): Promise<FrameHeader | undefined>
  /** The whole body of `bytes` length. */
  body(bytes: number): Promise<Uint8Array>
  /** Some of the body: 1 to `bytes` bytes, as they arrived. */
  some(bytes: number): Promise<Uint8Array>
}

const cutOff = (): MoveError =>
  new MoveError('MOVE_PEER_LOST', {
    what: 'the stream ended within a message',
    hint: 'the move is undone or asked for by itself',
  })

function parseHeader(bytes: Uint8Array): FrameHeader {
  const type = bytes[0]
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
  if (type !== FRAME.control && type !== FRAME.data) {
    throw new MoveError('MOVE_BAD_MESSAGE', { what: `the peer sent a frame of type ${type}`, hint: 'update Shoal on both nodes' })
  }
  const cap = type === FRAME.control ? LIMITS.messageBytes : DATA_FRAME_BYTES
  if (length > cap) {
    throw new MoveError('MOVE_TOO_LARGE', {
      what: `the peer sent a frame of ${length} bytes, ${cap} may be`,
      hint: 'update Shoal on both nodes',
    })
  }
  return { type, bytes: length }
}

/** A reader of the frames in `incoming`. Throws what the stream throws, `MOVE_BAD_MESSAGE`, `MOVE_TOO_LARGE`, or `MOVE_PEER_LOST` mid-frame. */
export function frameReader(incoming: AsyncIterable<Uint8Array>): FrameReader {
  const source = incoming[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)

  async function fill(): Promise<boolean> {
    while (rest.length === 0) {
      const step = await source.next()
      if (step.done === true) return false
      rest = step.value
    }
    return true
  }
  async function some(bytes: number): Promise<Uint8Array> {
    if (!(await fill())) throw cutOff()
    const taken = rest.subarray(0, bytes)
    rest = rest.subarray(taken.length)
    return taken
  }
  async function body(bytes: number): Promise<Uint8Array> {
    const whole = new Uint8Array(bytes)
    for (let filled = 0; filled < bytes; ) {
      const part = await some(bytes - filled)
      whole.set(part, filled)
      filled += part.length
    }
    return whole
  }
  return {
    header: async () => ((await fill()) ? parseHeader(await body(HEADER_BYTES)) : undefined),
    body,
    some,
  }
}
