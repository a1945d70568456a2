// How does a directory of CRIU's images travel? As a tar of plain files without folders, read and written in large pieces; names are checked,
// since they come from a peer. Used by checkpoint/runc-criu.ts on both sides.

import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { extract, pack } from 'tar-stream'
import { MoveError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { bytesOf } from './bytes.ts'

const PIECE_BYTES = LIMITS.chunkBytes
const BLOCK_BYTES = 512
/** CRIU's names: `pages-1.img`, `core-42.img`, `tmpfs-dev-73.tar.gz.img`, `descriptors.json`. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

const inBlocks = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES

/** The files of `folder` as a tar, and its exact size. Folders and links in it are no images and are left out. */
export async function packFolder(folder: string): Promise<{ chunks: AsyncIterable<Uint8Array>; atMostBytes: number }> {
  const files: { name: string; bytes: number }[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isFile()) files.push({ name: entry.name, bytes: (await stat(join(folder, entry.name))).size })
  }
  // A header each, and padding; names over 100 characters or sizes over 8 GiB take more headers.
  const headers = files.reduce((sum, file) => sum + 4 * BLOCK_BYTES + inBlocks(file.bytes), 0)
  return { chunks: packed(folder, files), atMostBytes: headers + 2 * BLOCK_BYTES + 10_240 }
}

async function* packed(folder: string, files: readonly { name: string; bytes: number }[]): AsyncGenerator<Uint8Array> {
  const writer = pack()
  const filling = fill(writer, folder, files).catch((error: unknown) => {
    writer.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    yield* bytesOf(writer)
    await filling
  } finally {
    writer.destroy()
  }
}

async function fill(
  writer: ReturnType<typeof pack>,
  folder: string,
  files: readonly { name: string; bytes: number }[],
): Promise<void> {
  for (const { name, bytes } of files) {
    const entry = writer.entry({ name, size: bytes, mode: 0o600 })
    await pipeline(createReadStream(join(folder, name), { highWaterMark: PIECE_BYTES }), entry)
  }
  writer.finalize()
}

/** Writes such a tar into `folder`, which it makes. Throws `MOVE_BAD_MESSAGE` for anything but plain files with plain names. */
export async function unpackFolder(folder: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const reader = extract()
  const feeding = feed(chunks, reader).catch((error: unknown) => {
    reader.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  let files = 0
  for await (const entry of reader) {
    const { name, type } = entry.header
    files += 1
    if (type !== 'file' || !NAME.test(name) || files > LIMITS.checkpointFiles) {
      reader.destroy()
      throw new MoveError('MOVE_BAD_MESSAGE', {
        what: `the checkpoint holds ${JSON.stringify(name.slice(0, 64))}, which no checkpoint of ours does`,
        hint: 'update Shoal on both nodes to the same version',
      })
    }
    await pipeline(entry, createWriteStream(join(folder, name), { flags: 'wx', mode: 0o600, highWaterMark: PIECE_BYTES }))
  }
  await feeding
}

async function feed(chunks: AsyncIterable<Uint8Array>, reader: ReturnType<typeof extract>): Promise<void> {
  for await (const chunk of chunks) {
    if (!reader.write(chunk)) await new Promise<void>(resolve => reader.once('drain', resolve))
  }
  reader.end(undefined)
}
