import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeFrame, readFrames } from './frames.ts'

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0
  for (const cut of [...cuts.map(at => at % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)) {
    if (cut > from) yield bytes.subarray(from, cut)
    from = Math.max(from, cut)
  }
}

async function all(frames: AsyncIterable<unknown>): Promise<unknown[]> {
  return await Array.fromAsync(frames)
}

test('frames arrive whole and in order, however the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.jsonValue(), { maxLength: 6 }),
      fc.array(fc.nat(2000), { maxLength: 8 }),
      async (values, cuts) => {
        const bytes = Buffer.concat(values.map(value => encodeFrame(value, 1 << 20)))
        expect(await all(readFrames(pieces(bytes, cuts), 1 << 20))).toEqual(JSON.parse(JSON.stringify(values)))
      },
    ),
    { numRuns: 100 },
  )
})

test('a frame over the cap is refused by its head, before its body is read', async () => {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(1_000_000_000)
  await expect(all(readFrames(pieces(head, []), 1000))).rejects.toMatchObject({ code: 'MESH_MESSAGE_TOO_LARGE' })
  expect(() => encodeFrame('x'.repeat(2000), 1000)).toThrowError(expect.objectContaining({ code: 'MESH_MESSAGE_TOO_LARGE' }))
})

test('a stream that ends within a frame is broken, not done', async () => {
  const bytes = encodeFrame({ a: 1 }, 1000)
  await expect(all(readFrames(pieces(bytes.subarray(0, bytes.length - 1), []), 1000))).rejects.toMatchObject({
    code: 'MESH_STREAM_BROKEN',
  })
  await expect(all(readFrames(pieces(bytes.subarray(0, 4), []), 1000))).rejects.toMatchObject({ code: 'MESH_STREAM_BROKEN' })
})

test('a frame that is no JSON is malformed', async () => {
  const bytes = Buffer.from([0, 0, 0, 1, 0x7b])
  await expect(all(readFrames(pieces(bytes, []), 1000))).rejects.toMatchObject({ code: 'MESH_BAD_MESSAGE' })
})
