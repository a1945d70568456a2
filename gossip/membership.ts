// Which mesh this node is in and who else is: the roster, durable before it is believed. Written by founding-driver.ts (found, enter,
// leave), trust-desk.ts (admit, remove) and anti-entropy.ts (what others know). The rules are in roster.ts and admission.ts.

import type { Clock } from '../placement/clock.ts'
import type { NodeId, Role } from '../placement/view.ts'
import { admit, foundingRecord, planRemoval } from './admission.ts'
import type { KeyValue } from './key-value.ts'
import {
  emptyRoster,
  isMember,
  isRemoved,
  lastRecordOf,
  mayAdmit,
  memberOf,
  membersOf,
  mergeReport,
  readRecord,
  recordsOf,
  wireOf,
} from './roster.ts'
import type { Roster, SignedRecord } from './roster.ts'
import { MESH, meshSigner } from './signing.ts'
import type { MeshId, MeshKey, Signer } from './signing.ts'
import { TrustError } from './trust-errors.ts'
import type { SignedRecordWire } from './wire/join.ts'
import type { MemberRecord, Via } from './wire/member-record.ts'
import { recordEntry, selfEntry } from './wire/membership-entry.ts'

export interface MembershipPorts {
  readonly store: KeyValue
  /** Where the founder's mesh key is kept: apart, for it is a secret. */
  readonly secrets: KeyValue
  readonly signer: Signer
  readonly clock: Clock
  readonly randomBytes: (count: number) => Uint8Array
  /** A stored record that cannot be read; others have it. */
  readonly onUnreadable: (key: string, error: unknown) => void
}

export type RecordsListener = (added: readonly SignedRecord[], own: boolean) => void

/** Who is let in, and how. */
export interface Newcomer {
  readonly id: NodeId
  readonly name: string
  readonly role: Role
  readonly via: Exclude<Via, 'founder'>
}

const SELF_KEY = 'mesh/self'
const SECRET_KEY = 'mesh/key'
const RECORDS = 'trust/'
const CHAIN_MAX = 40

export class Membership {
  readonly #ports: MembershipPorts
  readonly #listeners = new Set<RecordsListener>()
  #roster: Roster | undefined
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(ports: MembershipPorts) {
    this.#ports = ports
  }

  /** Reads what the store holds. Without an entry for this node the rest is of a mesh it left. */
  static async open(ports: MembershipPorts): Promise<Membership> {
    const membership = new Membership(ports)
    const text = await ports.store.get(SELF_KEY)
    if (text === undefined) return membership
    const records: SignedRecord[] = []
    for await (const [key, entry] of ports.store.entries(RECORDS)) {
      try {
        records.push(recordFromWire(recordEntry.decode(entry).record))
      } catch (error) {
        ports.onUnreadable(key, error)
      }
    }
    membership.#roster = mergeReport(emptyRoster(selfEntry.decode(text).mesh), records).roster
    return membership
  }

  /** Called with records that are new here, `own` when this node signed them. Returns the unsubscriber. */
  onRecords(listener: RecordsListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get roster(): Roster | undefined {
    return this.#roster
  }

  get meshId(): MeshId | null {
    return this.#roster?.meshId ?? null
  }

  /** This node's own record, if it is a member. */
  own(): MemberRecord | undefined {
    return this.memberOf(this.#ports.signer.id)
  }

  memberOf(id: NodeId): MemberRecord | undefined {
    return this.#roster && memberOf(this.#roster, id)
  }

  members(): ReadonlyMap<NodeId, MemberRecord> {
    return this.#roster === undefined ? new Map() : membersOf(this.#roster)
  }

  /** Whether `id` is a member or was one. */
  wasMember(id: NodeId): boolean {
    return this.#roster !== undefined && lastRecordOf(this.#roster, id) !== undefined
  }

  /** Whether both this node and `id` are members of one mesh. */
  isMember(id: NodeId): boolean {
    return this.#roster !== undefined && isMember(this.#roster, this.#ports.signer.id) && isMember(this.#roster, id)
  }

  isRemoved(id: NodeId): boolean {
    return this.#roster !== undefined && isRemoved(this.#roster, id)
  }

  mayAdmit(id: NodeId): boolean {
    return this.#roster !== undefined && mayAdmit(this.#roster, id)
  }

  digest(): string {
    return this.#roster?.digest ?? ''
  }

  /** All records, for other members. */
  records(): readonly SignedRecordWire[] {
    return this.#roster === undefined ? [] : recordsOf(this.#roster).map(recordToWire)
  }

  /** The record of `id` and those that lead from it to the mesh key. */
  chainOf(id: NodeId): readonly SignedRecordWire[] {
    if (this.#roster === undefined) return []
    const all = recordsOf(this.#roster).flatMap(each => (each.kind === 'member' ? [each] : []))
    const chain: SignedRecord[] = []
    const seen = new Set<string>([MESH])
    let next = [id]
    while (next.length > 0 && chain.length < CHAIN_MAX) {
      for (const subject of next) seen.add(subject)
      const found = all.filter(({ signed }) => next.includes(signed.record.subject))
      chain.push(...found)
      next = [...new Set(found.map(({ signed }) => signed.record.issuer))].filter(issuer => !seen.has(issuer))
    }
    return chain.slice(0, CHAIN_MAX).map(recordToWire)
  }

  /** Makes a mesh of which this node is the founder. */
  async found(self: { readonly name: string; readonly role: Role }): Promise<MeshId> {
    const { clock, randomBytes, signer, secrets } = this.#ports
    const seed = randomBytes(32)
    const mesh = meshSigner(seed)
    const signed = foundingRecord({ mesh, subject: signer.id, ...self, wallNow: clock.wallNow(), serial: hex(randomBytes(16)) })
    await secrets.put(SECRET_KEY, Buffer.from(seed).toString('base64'))
    await this.#install(mesh.mesh, [{ kind: 'member', signed }])
    return mesh.meshId
  }

  /** Reads what came with an admission, without believing it yet. @throws TrustError when this node is no member by these records */
  readAdmission(mesh: MeshKey, records: readonly SignedRecordWire[]): Roster {
    const { roster } = mergeReport(emptyRoster(mesh), records.map(recordFromWire))
    if (isMember(roster, this.#ports.signer.id)) return roster
    throw new TrustError('NOT_A_MEMBER', {
      what: `the records that came with the admission to mesh ${roster.meshId} do not make this node a member`,
      hint: 'ask again; if it goes on, the node that admitted is broken or lies',
    })
  }

  /** Enters the mesh of `roster` (see {@link readAdmission}), durably; what was of another mesh goes. */
  async enter(roster: Roster): Promise<void> {
    await this.#install(roster.mesh, recordsOf(roster))
  }

  /** Leaves the mesh: this node is in none. */
  async leave(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#forget()
      this.#roster = undefined
    })
  }

  /** Takes records from a peer. Those of another mesh or without a chain count for nothing. */
  async merge(wire: readonly SignedRecordWire[]): Promise<void> {
    if (wire.length > 0) await this.#add(wire.map(recordFromWire), false)
  }

  /** Lets `newcomer` in. @throws TrustError NOT_ADMITTING, REMOVED */
  async admit(newcomer: Newcomer): Promise<void> {
    const { clock, randomBytes, signer } = this.#ports
    const { id, name, role, via } = newcomer
    const request = { by: signer, subject: id, name, role, via, wallNow: clock.wallNow(), serial: hex(randomBytes(16)) }
    await this.#add([{ kind: 'member', signed: admit(this.#need(), request) }], true)
  }

  /** Removes `id` for good. @throws TrustError NOT_ADMITTING, NOT_A_MEMBER */
  async remove(id: NodeId, reason: string, tell: (record: SignedRecordWire) => Promise<void>): Promise<void> {
    const { removal } = planRemoval(this.#need(), { by: this.#ports.signer, subject: id, reason })
    const record: SignedRecord = { kind: 'removal', signed: removal }
    await tell(recordToWire(record))
    await this.#add([record], true)
  }

  #need(): Roster {
    if (this.#roster !== undefined) return this.#roster
    throw new TrustError('NOT_A_MEMBER', { what: 'this node is in no mesh yet', hint: 'wait until `shoal status` says member' })
  }

  async #add(records: readonly SignedRecord[], own: boolean): Promise<void> {
    const added = await this.#inTurn(async () => {
      if (this.#roster === undefined) return []
      const report = mergeReport(this.#roster, records)
      for (const record of report.added) await this.#store(record)
      this.#roster = report.roster
      return report.added
    })
    if (added.length > 0) for (const listener of [...this.#listeners]) listener(added, own)
  }

  async #install(mesh: MeshKey, records: readonly SignedRecord[]): Promise<void> {
    await this.#inTurn(async () => {
      await this.#forget()
      const { roster } = mergeReport(emptyRoster(mesh), records)
      for (const record of recordsOf(roster)) await this.#store(record)
      await this.#ports.store.put(SELF_KEY, selfEntry.encode({ v: 1, mesh })) // last: without it the records count for nothing
      this.#roster = roster
    })
  }

  async #forget(): Promise<void> {
    const { store } = this.#ports
    await store.delete(SELF_KEY)
    for await (const [key] of store.entries(RECORDS)) await store.delete(key)
  }

  async #store(record: SignedRecord): Promise<void> {
    await this.#ports.store.put(RECORDS + record.signed.hash, recordEntry.encode({ v: 1, record: recordToWire(record) }))
  }

  /** One change at a time: what was merged must still be what is stored. */
  async #inTurn<R>(act: () => Promise<R>): Promise<R> {
    const mine = this.#turn.then(act, act)
    this.#turn = mine.catch(() => undefined) // its caller hears of it; the next in turn must not
    return await mine
  }
}

export function recordToWire(record: SignedRecord): SignedRecordWire {
  const { kind, bytes } = wireOf(record)
  return { kind, bytes: Buffer.from(bytes).toString('base64') }
}

/** @throws TrustError as the readers of the records */
export function recordFromWire({ kind, bytes }: SignedRecordWire): SignedRecord {
  return readRecord({ kind, bytes: Buffer.from(bytes, 'base64') })
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
