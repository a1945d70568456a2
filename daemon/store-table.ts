// Has the disk changed a table of the store? LevelDB checks no checksum of a table when it reads for us, and then answers wrong or lost entries. The
// form of a table: https://github.com/google/leveldb/blob/main/doc/table_format.md. Called by store-damage.ts.

import { masked, REMAINDERS } from './crc32c.ts'

/** Behind each block: its kind, then the checksum over block and kind. */
const KIND_BYTES = 1
const TRAILER_BYTES = KIND_BYTES + 4
/** A block ends with the count of its restarts. */
const LEAST_BLOCK_BYTES = 4
/** The highest kind of a block: 0 plain, 1 Snappy, 2 Zstd. */
const KIND_MAX = 2
const FOOTER_BYTES = 48
const MAGIC = 0xdb4775248b80fb57n

interface Block {
  readonly at: number
  readonly bytes: number
}

/**
 * Whether each block of a table fits its checksum. How long blocks are stands in a packed index, but they lie one behind the other: each ends
 * where the running checksum is the one written there.
 */
export function tableIsWhole(table: Buffer): boolean {
  const end = table.length - FOOTER_BYTES
  if (end < 0 || table.readBigUInt64LE(table.length - 8) !== MAGIC) return false
  const blocks: Block[] = []
  for (let at = 0; at < end; ) {
    const bytes = blockAt(table, at, end)
    if (bytes === undefined) return false
    blocks.push({ at, bytes })
    at += bytes + TRAILER_BYTES
  }
  const [metaAt, metaBytes, indexAt, indexBytes] = varints(table.subarray(end), 4)
  const [meta, index] = blocks.slice(-2)
  return meta?.at === metaAt && meta?.bytes === metaBytes && index?.at === indexAt && index?.bytes === indexBytes
}

/** Bytes of the block that begins at `start`; undefined when none does. */
function blockAt(table: Buffer, start: number, end: number): number | undefined {
  let crc = 0xffffffff
  for (let at = start; at + TRAILER_BYTES <= end; at++) {
    const byte = table[at] ?? 0
    crc = (REMAINDERS[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
    const bytes = at - start
    if (byte <= KIND_MAX && bytes >= LEAST_BLOCK_BYTES && masked(crc) === table.readUInt32LE(at + KIND_BYTES)) return bytes
  }
  return undefined
}

/** The first numbers of a text of numbers, seven bits a byte, lowest first. */
function varints(bytes: Buffer, count: number): readonly number[] {
  const found: number[] = []
  for (let at = 0; found.length < count && at < bytes.length; ) {
    let value = 0
    let weight = 1
    for (;;) {
      const byte = bytes[at++] ?? 0
      value += (byte & 0x7f) * weight
      weight *= 128
      if (byte < 128) break
    }
    found.push(value)
  }
  return found
}
