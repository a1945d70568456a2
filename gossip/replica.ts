// A map of signed records that every node holds whole and merges by one total order, so that all end with the same, whoever heard what
// in which order. Writing is durable before it is believed. registry.ts and profile-book.ts say what a record is; anti-entropy.ts repairs.

import type { NodeId } from '../placement/view.ts'
import { BUCKETS, bucketDigests, bucketOf, hash64, rootDigest } from './bucket-digest.ts'
import { MeshError } from './errors.ts'
import type { KeyValue } from './key-value.ts'
import { LIMITS } from './limits.ts'
import type { Signer } from './signing.ts'
import { checkSeal, seal } from './wire/sealed.ts'
import type { Sealed, SealedKind } from './wire/sealed.ts'
import { sealedCodec } from './wire/sealed-entry.ts'

/** What tells one set of records from another. */
export interface RecordSet<T> {
  readonly kind: SealedKind
  /** Prefix of its keys in the store. */
  readonly prefix: string
  readonly keyOf: (record: T) => string
  readonly toWire: (record: T) => string
  readonly fromWire: (text: string) => T
  /** Total order: above 0 when `a` wins. 0 only for the same record. */
  readonly compare: (a: T, b: T) => number
  readonly writerOf: (record: T) => NodeId
  readonly isDeleted: (record: T) => boolean
}

export interface ReplicaPorts {
  readonly store: KeyValue
  /** Whether records of this writer are taken from others: it is, or was, a member. */
  readonly mayWrite: (writer: NodeId) => boolean
  readonly onUnreadable: (key: string, error: unknown) => void
}

export type Merged = 'new' | 'same' | 'stale'

interface Entry<T> {
  readonly record: T
  readonly sealed: Sealed
  readonly bucket: number
  readonly hash: bigint
}

export class Replica<T> {
  readonly #set: RecordSet<T>
  readonly #store: KeyValue
  readonly #mayWrite: (writer: NodeId) => boolean
  readonly #held = new Map<string, Entry<T>>()
  readonly #listeners = new Set<(record: T, sealed: Sealed, own: boolean) => void>()
  #digests: BigUint64Array | undefined
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(set: RecordSet<T>, ports: ReplicaPorts) {
    this.#set = set
    this.#store = ports.store
    this.#mayWrite = ports.mayWrite
  }

  /** Reads what the store holds. A record that cannot be read is reported and left out: another node has it. */
  static async open<T>(set: RecordSet<T>, ports: ReplicaPorts): Promise<Replica<T>> {
    const replica = new Replica(set, ports)
    for await (const [key, text] of ports.store.entries(set.prefix)) {
      try {
        const sealed = sealedCodec.decode(text)
        const record = set.fromWire(sealed.body)
        replica.#held.set(set.keyOf(record), replica.#entry(record, sealed))
      } catch (error) {
        ports.onUnreadable(key, error)
      }
    }
    return replica
  }

  get(key: string): T | undefined {
    return this.#held.get(key)?.record
  }

  /** Every record, deletions included. */
  all(): readonly T[] {
    return [...this.#held.values()].map(({ record }) => record)
  }

  /** Signs and stores `record`, then makes it known. @throws MESH_RECORD_STALE, MESH_RECORD_FOREIGN, MESH_BAD_MESSAGE, what the store throws */
  async put(record: T, signer: Signer): Promise<void> {
    if (this.#set.writerOf(record) !== signer.id) throw this.#foreign(record, signer.id)
    const sealed = seal(this.#set.kind, this.#set.toWire(record), signer)
    if ((await this.#keep(record, sealed, true)) !== 'stale') return
    throw new MeshError('MESH_RECORD_STALE', {
      what: `the ${this.#set.kind} of ${this.#set.keyOf(record)} loses against the one that is known`,
      hint: 'read the newest record first: another node changed it, or a move took the service away',
    })
  }

  /** Takes a record of any member's writing, from whomever it came. @throws MESH_BAD_MESSAGE, MESH_BAD_SIGNATURE, MESH_RECORD_FOREIGN, … */
  async merge(sealed: Sealed): Promise<Merged> {
    const record = this.#set.fromWire(sealed.body)
    if (this.#set.writerOf(record) !== sealed.by) throw this.#foreign(record, sealed.by)
    const known = this.#held.get(this.#set.keyOf(record))
    if (known !== undefined && known.sealed.body === sealed.body) return 'same'
    if (!this.#mayWrite(sealed.by)) throw this.#unknownWriter(record)
    checkSeal(this.#set.kind, sealed)
    return await this.#keep(record, sealed, false)
  }

  /** Forgets everything: this node left the mesh whose records these were. */
  async clear(): Promise<void> {
    await this.#inTurn(async () => {
      for (const key of [...this.#held.keys()]) await this.#store.delete(this.#set.prefix + key)
      this.#held.clear()
      this.#digests = undefined
    })
  }

  /** Called after a record changed; `own` when this node wrote it. Returns the unsubscriber. */
  onChange(listener: (record: T, sealed: Sealed, own: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  digests(): BigUint64Array {
    this.#digests ??= bucketDigests(this.#held.values())
    return this.#digests
  }

  root(): string {
    return rootDigest(this.digests())
  }

  /** The sealed records of `buckets` in the order of their keys, after `after`, up to `bytesMax`. */
  page(buckets: readonly number[], after: string | null, bytesMax: number): { items: Sealed[]; next: string | null } {
    const wanted = new Set(buckets)
    const keys = [...this.#held].filter(([key, { bucket }]) => wanted.has(bucket) && (after === null || key > after))
    const items: Sealed[] = []
    let bytes = 0
    let last: string | null = null
    for (const [key, { sealed }] of keys.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      bytes += sealed.body.length * 2 + 512
      if (items.length > 0 && (bytes > bytesMax || items.length >= BUCKETS)) return { items, next: last }
      items.push(sealed)
      last = key
    }
    return { items, next: null }
  }

  async #keep(record: T, sealed: Sealed, own: boolean): Promise<Merged> {
    const merged = await this.#inTurn(async (): Promise<Merged> => {
      const key = this.#set.keyOf(record)
      const known = this.#held.get(key)
      if (known !== undefined) {
        const order = this.#set.compare(record, known.record)
        if (order <= 0) return order === 0 ? 'same' : 'stale'
      } else if (this.#held.size >= LIMITS.recordsMax) throw this.#full()
      await this.#store.put(this.#set.prefix + key, sealedCodec.encode({ v: 1, ...sealed }))
      this.#held.set(key, this.#entry(record, sealed))
      this.#digests = undefined
      return 'new'
    })
    if (merged === 'new') for (const listener of [...this.#listeners]) listener(record, sealed, own)
    return merged
  }

  /** One at a time: what was compared must still hold when it is stored. */
  async #inTurn<R>(act: () => Promise<R>): Promise<R> {
    const mine = this.#turn.then(act, act)
    this.#turn = mine.catch(() => undefined) // its caller hears of it; the next in turn must not
    return await mine
  }

  #entry(record: T, sealed: Sealed): Entry<T> {
    const key = this.#set.keyOf(record)
    return {
      record,
      sealed: { by: sealed.by, body: sealed.body, sig: sealed.sig },
      bucket: bucketOf(key),
      hash: hash64(`${key}\0${sealed.body}`),
    }
  }

  #foreign(record: T, by: NodeId): MeshError {
    return new MeshError('MESH_RECORD_FOREIGN', {
      what: `${by.slice(-8)} may not write the ${this.#set.kind} of ${this.#set.keyOf(record)}: that is ${this.#set.writerOf(record).slice(-8)}'s`,
      hint: 'ask its owner to write it; a taker-over writes itself as owner, with a higher epoch',
    })
  }

  #unknownWriter(record: T): MeshError {
    return new MeshError('MESH_RECORD_FOREIGN', {
      what: `${this.#set.writerOf(record).slice(-8)} wrote the ${this.#set.kind} of ${this.#set.keyOf(record)} and was never a member`,
      hint: 'if it has just joined, the record is taken at the next comparison',
    })
  }

  #full(): MeshError {
    return new MeshError('MESH_BAD_MESSAGE', {
      what: `the mesh has ${LIMITS.recordsMax} ${this.#set.kind}s, the most a node keeps`,
      hint: 'remove what is not needed any more',
    })
  }
}
