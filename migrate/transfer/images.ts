// How does an image travel without the layers the target has? The engine's `save` writes every layer; this drops the blobs the target
// knows (by diff id, which is the digest of the uncompressed layer, and the blob's name in both stores' archives) and keeps everything
// else: configuration, manifests, indexes. Called by the source; the target checks RootFS.Layers after loading.

import { extract, pack } from 'tar-stream'
import { bytesOf } from './bytes.ts'

/** Blob of a layer in an archive of `docker save`: OCI layout (Docker 25 and later) or the older `<id>/layer.tar`. */
const OCI_BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/

/**
 * The archive without the layers in `all` that are not in `missing`. Chunks of the result, with the back-pressure of its reader.
 * Layers stored compressed have another digest than their diff id and travel whole; nothing is ever dropped that is no known layer.
 */
export async function* partialImage(
  saved: AsyncIterable<Uint8Array>,
  all: readonly string[],
  missing: readonly string[],
): AsyncGenerator<Uint8Array> {
  const needed = new Set(missing)
  const dropped = new Set(all.filter(layer => !needed.has(layer)).map(layer => layer.replace('sha256:', '')))
  const reader = extract()
  const writer = pack()
  const failed = (error: unknown): void => {
    const reason = error instanceof Error ? error : new Error(String(error))
    reader.destroy(reason)
    writer.destroy(reason)
  }
  const feeding = feed(saved, reader).catch(failed)
  const filtering = filter(reader, writer, dropped).catch(failed)
  try {
    yield* bytesOf(writer)
    await Promise.all([feeding, filtering])
  } finally {
    reader.destroy()
    writer.destroy()
  }
}

type Extract = ReturnType<typeof extract>
type Pack = ReturnType<typeof pack>

async function feed(saved: AsyncIterable<Uint8Array>, reader: Extract): Promise<void> {
  for await (const chunk of saved) {
    if (!reader.write(chunk)) await new Promise<void>(resolve => reader.once('drain', resolve))
  }
  reader.end(undefined)
}

async function filter(reader: Extract, writer: Pack, dropped: ReadonlySet<string>): Promise<void> {
  for await (const entry of reader) {
    const digest = OCI_BLOB.exec(entry.header.name)?.[1]
    if (digest !== undefined && dropped.has(digest)) {
      entry.resume()
      continue
    }
    await copyEntry(entry, writer)
  }
  writer.finalize()
}

function copyEntry(entry: AsyncIterable<unknown> & { header: Parameters<Pack['entry']>[0] }, writer: Pack): Promise<void> {
  return new Promise((resolve, reject) => {
    const out = writer.entry(entry.header, error => (error ? reject(error) : resolve()))
    copyBytes(entry, out).catch(reject)
  })
}

async function copyBytes(from: AsyncIterable<unknown>, to: NodeJS.WritableStream): Promise<void> {
  for await (const chunk of bytesOf(from)) {
    if (!to.write(chunk)) await new Promise<void>(resolve => to.once('drain', () => resolve()))
  }
  to.end()
}
