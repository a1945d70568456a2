// Has the disk damaged the store? LevelDB skips damaged records of a log without a word and goes on with what is left, and checks no table, so both
// are read here before it opens them. The form of a log: https://github.com/google/leveldb/blob/main/doc/log_format.md. Called by store.ts.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { maskedCrc } from './crc32c.ts'
import { tableIsWhole } from './store-table.ts'

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7

/**
 * The offset of the first damaged record, or undefined. What is wrong with the last record only is a write the process did not live to finish:
 * nobody was told that it is on disk.
 */
export function damageIn(log: Buffer): number | undefined {
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const blockEnd = Math.min((Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES, log.length)
    if (blockEnd - at < HEADER_BYTES) {
      at = blockEnd
      continue
    }
    const length = log.readUInt16LE(at + 4)
    const end = at + HEADER_BYTES + length
    // Space that was reserved and not written yet.
    if (length === 0 && log[at + 6] === 0) {
      at = blockEnd
      continue
    }
    if (end > blockEnd) return blockEnd === log.length ? undefined : at
    if (maskedCrc(log.subarray(at + 6, end)) !== log.readUInt32LE(at)) return end >= log.length ? undefined : at
    at = end
  }
  return undefined
}

/** What is wrong with the files in the folder of a store, in words; undefined when nothing is, or there is no folder. */
export async function damagedFile(path: string): Promise<string | undefined> {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  for (const name of names) {
    if (name.endsWith('.log')) {
      const at = damageIn(await readFile(join(path, name)))
      if (at !== undefined) return `${name} has a damaged record at byte ${at}`
    }
    if (/\.(ldb|sst)$/.test(name) && !tableIsWhole(await readFile(join(path, name))))
      return `the table ${name} does not fit its checksums`
  }
  return undefined
}
