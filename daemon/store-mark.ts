// Is the store the one that was open here last? Each open is counted in the store and in a file beside it; a store that counts less than the
// file has lost what was written since, although it opens without complaint. Called by store.ts.

import { open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeyValue } from '../gossip/key-value.ts'

const KEY = 'opened'

const fileOf = (dataDir: string): string => join(dataDir, 'store.opened')

/**
 * Opens counted by the file; 0 where there is none, it does not read (then it proves nothing), or the whole folder of the store is gone: a person
 * moved it away. Call before the store is opened, since that makes the folder.
 */
export async function opensCounted(dataDir: string): Promise<number> {
  try {
    await stat(join(dataDir, 'store'))
    const text = await readFile(fileOf(dataDir), 'utf8')
    return /^\d{1,15}\n$/.test(text) ? Number(text) : 0
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return 0
    throw error
  }
}

/** What the store lacks, in words, when it counts fewer opens than `counted`; else counts this open: the store first, so that it never lags. */
export async function markOpened(dataDir: string, table: KeyValue, counted: number): Promise<string | undefined> {
  const text = (await table.get(KEY)) ?? '0'
  const stored = /^\d{1,15}$/.test(text) ? Number(text) : 0
  if (stored < counted) return `it was opened ${counted} times and knows of ${stored}: what was written since is lost`
  const next = String(stored + 1)
  await table.put(KEY, next)
  const path = fileOf(dataDir)
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(`${next}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  return undefined
}
