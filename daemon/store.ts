// Where does a node keep what must survive a crash? One level database, cut into named tables; every write is on disk before it resolves.
// Opened once by compose.ts. Satisfies gossip's KeyValue; move-store.ts builds the journal of moves on it.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Level } from 'level'
import type { KeyValue } from '../gossip/key-value.ts'
import { StoreError } from './errors.ts'
import { STORE_VALUE_BYTES } from './limits.ts'
import { damagedFile } from './store-damage.ts'
import { markOpened, opensCounted } from './store-mark.ts'

/** How a table's values become text and back. `decode` throws when the text is not what it should be. */
export interface Codec<T> {
  readonly encode: (value: T) => string
  readonly decode: (text: string) => T
}

/** A table of values of one type. Entries come in the order of their keys. */
export interface Table<T> {
  /** Throws STORE_ENTRY_INVALID when what is stored does not decode. */
  get(key: string): Promise<T | undefined>
  put(key: string, value: T): Promise<void>
  delete(key: string): Promise<void>
  /** An entry that does not decode throws, or goes to `onInvalid` and is left out. */
  entries(onInvalid?: (error: StoreError) => void): AsyncIterable<readonly [key: string, value: T]>
}

export interface Store extends AsyncDisposable {
  /** Texts by key; the same name gives the same table. */
  texts(name: string): KeyValue
  table<T>(name: string, codec: Codec<T>): Table<T>
  close(): Promise<void>
}

const DURABLE = { sync: true } as const

/**
 * Opens `<dataDir>/store`, making it when there is none.
 * Throws STORE_LOCKED (another process has it), STORE_CORRUPT, STORE_UNREADABLE (permission, disk).
 */
export async function openStore(dataDir: string): Promise<Store> {
  const path = join(dataDir, 'store')
  let counted: number
  let damage: string | undefined
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    counted = await opensCounted(dataDir)
    damage = await damagedFile(path)
  } catch (cause) {
    throw openError(path, cause)
  }
  if (damage !== undefined) throw corrupt(path, damage)
  // Begins to open, and makes the folder, as soon as it is constructed.
  const level = new Level(path, { keyEncoding: 'utf8', valueEncoding: 'utf8' })
  try {
    await level.open()
  } catch (cause) {
    throw openError(path, cause)
  }
  const texts = (name: string): KeyValue => textTable(level, path, name)
  try {
    damage = await markOpened(dataDir, texts('meta'), counted)
    if (damage !== undefined) throw corrupt(path, damage)
  } catch (cause) {
    await level.close()
    throw cause instanceof StoreError ? cause : openError(path, cause)
  }
  return {
    texts,
    table: (name, codec) => codedTable(texts(name), name, codec),
    close: () => level.close(),
    [Symbol.asyncDispose]: () => level.close(),
  }
}

function textTable(level: Level, path: string, name: string): KeyValue {
  const part = level.sublevel(name, { keyEncoding: 'utf8', valueEncoding: 'utf8' })
  const guard = async <T>(act: () => Promise<T>): Promise<T> => {
    try {
      return await act()
    } catch (cause) {
      throw useError(path, name, cause)
    }
  }
  return {
    get: key => guard(() => part.get(key)),
    put: (key, value) =>
      guard(() => {
        const bytes = Buffer.byteLength(value)
        if (bytes > STORE_VALUE_BYTES)
          throw new Error(`the value of ${key} has ${bytes} bytes, over the ${STORE_VALUE_BYTES} allowed`)
        return level.batch([{ type: 'put', sublevel: part, key, value }], DURABLE)
      }),
    delete: key => guard(() => level.batch([{ type: 'del', sublevel: part, key }], DURABLE)),
    async *entries(prefix) {
      try {
        yield* part.iterator(prefix === '' ? {} : { gte: prefix, lt: `${prefix}\u{10ffff}` })
      } catch (cause) {
        throw useError(path, name, cause)
      }
    },
  }
}

function codedTable<T>(texts: KeyValue, name: string, codec: Codec<T>): Table<T> {
  const decode = (key: string, text: string): T => {
    try {
      return codec.decode(text)
    } catch (cause) {
      throw new StoreError('STORE_ENTRY_INVALID', {
        what: `the entry ${key} of ${name} is not what it should be: ${words(cause)}`,
        hint: 'it was written by another version, or the disk lost data; restore the data directory from a backup',
        cause,
      })
    }
  }
  return {
    async get(key) {
      const text = await texts.get(key)
      return text === undefined ? undefined : decode(key, text)
    },
    put: (key, value) => texts.put(key, codec.encode(value)),
    delete: key => texts.delete(key),
    async *entries(onInvalid) {
      for await (const [key, text] of texts.entries('')) {
        let value: T
        try {
          value = decode(key, text)
        } catch (error) {
          if (onInvalid === undefined || !(error instanceof StoreError)) throw error
          onInvalid(error)
          continue
        }
        yield [key, value]
      }
    },
  }
}

function openError(path: string, error: unknown): StoreError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = codeOf(cause)
  if (code === 'LEVEL_LOCKED') {
    return new StoreError('STORE_LOCKED', {
      what: `the store ${path} is open in another process`,
      hint: 'a Shoal runs here already: stop it, or give this one another --data-dir',
      cause,
    })
  }
  if (code === 'LEVEL_CORRUPTION' || /corrupt|not match|missing files/i.test(words(cause)))
    return corrupt(path, words(cause), cause)
  return new StoreError('STORE_UNREADABLE', {
    what: `the store ${path} cannot be opened: ${words(cause)}`,
    hint: 'run as the user it belongs to (root), and look for a full or read-only disk',
    cause,
  })
}

function corrupt(path: string, says: string, cause?: unknown): StoreError {
  return new StoreError('STORE_CORRUPT', {
    what: `the store ${path} is damaged: ${says}`,
    hint: 'restore the data directory from a backup; or move the folder of the store away: this node then keeps its identity, and learns the mesh again when it joins',
    ...(cause === undefined ? {} : { cause }),
  })
}

function useError(path: string, name: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause
  if (codeOf(cause) === 'LEVEL_CORRUPTION') return openError(path, cause)
  return new StoreError('STORE_WRITE_FAILED', {
    what: `${name} of the store ${path} could not be read or written: ${words(cause)}`,
    hint: 'look for a full or failing disk; nothing that was not written is acted upon',
    cause,
  })
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
