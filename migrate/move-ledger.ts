// Which moves were there, and how did they go? Holds the records for `shoal moves`, saves them, bounds their number, tells listeners.
// Nothing decides by it: the journal does. Used by mover.ts.

import { LIMITS } from './limits.ts'
import type { MoveRecord } from './move-record.ts'
import type { RecordStore } from './ports.ts'

/** For people and logs only. `says` is one line. */
export interface MoveEvent {
  readonly record: MoveRecord
  readonly says: string
}

export interface MoveLedger {
  list(): readonly MoveRecord[]
  get(id: string): MoveRecord | undefined
  /** Shows a record that is still changing; not saved. */
  show(record: MoveRecord, says: string): void
  /** Shows and saves it. A store that fails loses a line of history, never a move: the failure is told to listeners. */
  keep(record: MoveRecord, says: string): Promise<void>
  onEvent(listener: (event: MoveEvent) => void): () => void
  /** What the source measured of a move that arrived here goes into its record; of other moves nothing is kept. */
  learn(told: MoveRecord): Promise<void>
  load(): Promise<void>
}

export function moveLedger(store: RecordStore): MoveLedger {
  const records = new Map<string, MoveRecord>()
  const listeners = new Set<(event: MoveEvent) => void>()

  function tell(record: MoveRecord, says: string): void {
    for (const listener of listeners) listener({ record, says })
  }
  async function trim(): Promise<void> {
    while (records.size > LIMITS.records) {
      const oldest = [...records.values()].find(record => record.outcome !== 'running' && record.outcome !== 'unresolved')
      if (oldest === undefined) return
      records.delete(oldest.id)
      await store.remove(oldest.id)
    }
  }
  async function keep(record: MoveRecord, says: string): Promise<void> {
    records.set(record.id, record)
    tell(record, says)
    try {
      await store.save(record)
      await trim()
    } catch (error) {
      tell(record, `its record could not be saved: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return {
    keep,
    async learn(told) {
      const isIt = ({ id, side, from }: MoveRecord): boolean =>
        side === 'target' && from === told.from && (id === told.id || id.startsWith(`${told.id}.`))
      const own = [...records.values()].findLast(isIt)
      if (own === undefined) return
      const { phases, bytes, downtimeMs, errorMs, totalMs } = told
      await keep({ ...own, phases, bytes, downtimeMs, errorMs, totalMs }, `arrival of ${own.name}: measured by its source`)
    },
    list: () => [...records.values()].toSorted((a, b) => a.startedAtMs - b.startedAtMs),
    get: id => records.get(id),
    show(record, says) {
      records.set(record.id, record)
      tell(record, says)
    },
    onEvent(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    async load() {
      for (const record of await store.all()) records.set(record.id, record)
    },
  }
}
