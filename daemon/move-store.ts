// Where are the steps and the records of moves kept? The journal and record ports of migrate/ on the store, with a schema on every read.
// Built by compose.ts. A journal entry that does not read stops the daemon: guessing could let two copies run. A record only informs.

import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { serviceFromWire, serviceToWire } from '../gossip/wire/service-record.ts'
import type { JournalEntry } from '../migrate/journal.ts'
import type { MoveRecord } from '../migrate/move-record.ts'
import type { JournalStore, RecordStore } from '../migrate/ports.ts'
import type { StoreError } from './errors.ts'
import type { Codec, Store } from './store.ts'

const literals = <const T extends readonly string[]>(values: T) => Type.Unsafe<T[number]>(Type.String({ enum: [...values] }))
const nullable = <const T extends ReturnType<typeof Type.String> | ReturnType<typeof Type.Number>>(schema: T) =>
  Type.Union([schema, Type.Null()])
const mode = literals(['stateless', 'stop-copy', 'pre-copy', 'post-copy', 'hybrid'])

const Entry = Type.Object({
  v: Type.Literal(1),
  side: literals(['source', 'target']),
  move: Type.String({ minLength: 1 }),
  step: Type.String({ minLength: 1 }),
  wallMs: Type.Number(),
  mode,
  from: Type.String({ minLength: 1 }),
  to: Type.String({ minLength: 1 }),
  containerId: nullable(Type.String()),
  /** The service's record in its own wire form. */
  service: Type.String({ minLength: 2 }),
})

const sourceStep = literals(['offered', 'freezing', 'handed-over', 'releasing', 'released', 'thawing', 'kept'])
const targetStep = literals(['reserved', 'starting', 'committed', 'done', 'aborting', 'aborted'])

/** One step of a move as it lies in the store. */
export const journalCodec: Codec<JournalEntry> = {
  encode({ side, move, step, wallMs, facts: { service, mode, from, to, containerId } }) {
    return JSON.stringify({ v: 1, side, move, step, wallMs, mode, from, to, containerId, service: serviceToWire(service) })
  },
  decode(text) {
    const { side, move, step, wallMs, mode, from, to, containerId, service } = parsed(Entry, text)
    const facts = { service: serviceFromWire(service), mode, from, to, containerId }
    if (side === 'source' && Value.Check(sourceStep, step)) return { side, move, step, wallMs, facts }
    if (side === 'target' && Value.Check(targetStep, step)) return { side, move, step, wallMs, facts }
    throw new Error(`a move has no step ${step} on its ${side}`)
  },
}

const Refused = { code: Type.String(), what: Type.String(), hint: Type.String() }
const RecordSchema = Type.Object({
  id: Type.String({ minLength: 1 }),
  side: literals(['source', 'target']),
  service: Type.String(),
  name: Type.String(),
  type: literals(['stateful', 'stateless']),
  mode,
  strategy: Type.String(),
  reason: Type.String(),
  from: Type.String(),
  to: nullable(Type.String()),
  startedAtMs: Type.Number(),
  phases: Type.Array(
    Type.Object({
      name: literals(['offer', 'prepare', 'freeze', 'checkpoint', 'transfer', 'ready', 'restore', 'release', 'thaw']),
      ms: Type.Number(),
    }),
  ),
  bytes: Type.Object({ image: Type.Number(), layer: Type.Number(), checkpoint: Type.Number() }),
  downtimeMs: nullable(Type.Number()),
  errorMs: nullable(Type.Number()),
  totalMs: nullable(Type.Number()),
  outcome: literals(['running', 'done', 'refused', 'failed', 'unresolved', 'lost']),
  refusals: Type.Array(Type.Object({ node: Type.String(), ...Refused })),
  error: Type.Union([Type.Object(Refused), Type.Null()]),
})

export const moveRecordCodec: Codec<MoveRecord> = {
  encode: record => JSON.stringify(record),
  decode: text => parsed(RecordSchema, text),
}

function parsed<S extends TSchema>(schema: S, text: string): Static<S> {
  const value: unknown = JSON.parse(text)
  if (Value.Check(schema, value)) return value
  const first = Value.Errors(schema, value)[0]
  throw new Error(`${first?.instancePath ?? ''} ${first?.message ?? 'does not fit'}`.trim())
}

const SEQUENCE_DIGITS = 15

/** The journal. Opening it reads it once, to go on counting where it ended. Throws STORE_ENTRY_INVALID. */
export async function openJournal(store: Store): Promise<JournalStore> {
  const table = store.table('journal', journalCodec)
  let next = 0
  for await (const [key] of table.entries()) next = Math.max(next, Number(key.slice(0, SEQUENCE_DIGITS)) + 1)
  return {
    async append(entry) {
      const key = `${String(next++).padStart(SEQUENCE_DIGITS, '0')}.${entry.move}`
      await table.put(key, entry)
    },
    async all() {
      const entries: JournalEntry[] = []
      for await (const [, entry] of table.entries()) entries.push(entry)
      return entries
    },
    async drop(moveId) {
      const keys: string[] = []
      for await (const [key] of table.entries()) if (key.slice(SEQUENCE_DIGITS + 1) === moveId) keys.push(key)
      // Oldest first: what a crash leaves of a move is its end, the part that says it is over.
      for (const key of keys) await table.delete(key)
    },
  }
}

/** The records people see. One that does not read is told to `onInvalid` and left out. */
export function moveRecords(store: Store, onInvalid: (error: StoreError) => void): RecordStore {
  const table = store.table('moves', moveRecordCodec)
  return {
    save: record => table.put(record.id, record),
    async all() {
      const records: MoveRecord[] = []
      for await (const [, record] of table.entries(onInvalid)) records.push(record)
      return records
    },
    remove: moveId => table.delete(moveId),
  }
}
