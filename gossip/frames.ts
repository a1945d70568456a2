// Messages on a byte stream: four bytes of length, big end first, then JSON. A frame over the cap is refused before it is read.
// Used by requests.ts (standing request streams) and joining.ts (one question, one answer).

import { MeshError, reasonOf } from './errors.ts'

const HEAD_BYTES = 4

/** @throws MESH_MESSAGE_TOO_LARGE when `value` takes more than `bytesMax` as JSON. */
export function encodeFrame(value: unknown, bytesMax: number): Uint8Array {
  const body = Buffer.from(JSON.stringify(value), 'utf8')
  if (body.length > bytesMax) throw tooLarge(body.length, bytesMax)
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length)
  frame.writeUInt32BE(body.length, 0)
  body.copy(frame, HEAD_BYTES)
  return frame
}

/** Frames as they arrive. Ends with the stream; throws MESH_STREAM_BROKEN when the stream ends within a frame. */
export async function* readFrames(incoming: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<unknown, void, void> {
  let parts: Buffer[] = []
  let have = 0
  const take = (bytes: number): Buffer => {
    const all = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
    parts = all.length > bytes ? [all.subarray(bytes)] : []
    have -= bytes
    return all.subarray(0, bytes)
  }
  let bodyBytes: number | undefined
  for await (const chunk of incoming) {
    parts.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    have += chunk.byteLength
    for (;;) {
      if (bodyBytes === undefined) {
        if (have < HEAD_BYTES) break
        bodyBytes = take(HEAD_BYTES).readUInt32BE(0)
        if (bodyBytes > bytesMax) throw tooLarge(bodyBytes, bytesMax)
      }
      if (have < bodyBytes) break
      const body = take(bodyBytes)
      bodyBytes = undefined
      yield parseBody(body)
    }
  }
  if (have > 0 || bodyBytes !== undefined) {
    throw new MeshError('MESH_STREAM_BROKEN', {
      what: `the stream ended ${have} bytes into a message`,
      hint: 'the peer stopped in the middle: ask again',
    })
  }
}

function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new MeshError('MESH_BAD_MESSAGE', {
      what: `a frame of ${body.length} bytes is no JSON: ${reasonOf(error)}`,
      hint: 'the sender is no Shoal node or is broken: see its log',
      cause: error,
    })
  }
}

function tooLarge(bytes: number, bytesMax: number): MeshError {
  return new MeshError('MESH_MESSAGE_TOO_LARGE', {
    what: `a frame of ${bytes} bytes, at most ${bytesMax} are taken`,
    hint: 'large things travel on a stream of their own',
  })
}
