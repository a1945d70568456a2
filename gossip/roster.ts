// Who belongs to the mesh: an immutable value made of signed records. Merging is union, so any order, repetition or grouping of what was
// heard gives the same roster. Called by gossip/open-mesh.ts (gate, hello, admission); which records count is gossip/chain.ts.

import { createHash } from 'node:crypto'
import { isNewer, judge, type Judgement } from './chain.ts'
import { meshIdOf, type MeshId, type MeshKey } from './signing.ts'
import { TrustError } from './trust-errors.ts'
import { trustLimits } from './trust-limits.ts'
import { toWire } from './wire/signed.ts'
import { readMemberRecord, type MemberRecord, type SignedMemberRecord } from './wire/member-record.ts'
import { readRemovalRecord, type SignedRemovalRecord } from './wire/removal-record.ts'
import type { NodeId } from '../placement/view.ts'

/** One signed record of either kind. */
export type SignedRecord =
  | { readonly kind: 'member'; readonly signed: SignedMemberRecord }
  | { readonly kind: 'removal'; readonly signed: SignedRemovalRecord }

/** All records a node holds of one mesh, and what follows from them. Make it with `emptyRoster` and `mergeRoster` only. */
export interface Roster {
  readonly mesh: MeshKey
  readonly meshId: MeshId
  /** By hash. */
  readonly records: ReadonlyMap<string, SignedRecord>
  readonly judgement: Judgement
  /** SHA-256 over the sorted hashes of the records that lead to the mesh key: equal on two nodes that know the same. */
  readonly digest: string
}

/** What one merge did. */
export interface MergeReport {
  readonly roster: Roster
  /** New here: to be stored and passed on. */
  readonly added: readonly SignedRecord[]
  readonly refused: readonly { readonly record: SignedRecord; readonly error: TrustError }[]
}

/** A roster without records: nobody is a member. */
export function emptyRoster(mesh: MeshKey): Roster {
  return build(mesh, new Map())
}

/** {@link mergeReport}, its roster alone. Commutative, associative, idempotent, as long as no bound is hit. */
export function mergeRoster(roster: Roster, records: readonly SignedRecord[]): Roster {
  return mergeReport(roster, records).roster
}

/**
 * Adds records. Records whose issuer is not known yet are kept (`rosterOrphans` of them) and count once their chain is complete.
 * Refused with a typed error, never thrown: RECORD_OTHER_MESH, ROSTER_FULL.
 */
export function mergeReport(roster: Roster, incoming: readonly SignedRecord[]): MergeReport {
  const records = new Map(roster.records)
  const refused: { record: SignedRecord; error: TrustError }[] = []
  const fresh: SignedRecord[] = []
  const count = { member: 0, removal: 0 }
  for (const each of records.values()) count[each.kind] += 1
  const most = { member: trustLimits.rosterRecords, removal: trustLimits.rosterRemovals }
  for (const each of incoming) {
    if (records.has(each.signed.hash)) continue
    if (each.signed.record.mesh !== roster.mesh) refused.push({ record: each, error: otherMesh(each, roster) })
    else if (count[each.kind] >= most[each.kind])
      refused.push({ record: each, error: full(`${most[each.kind]} ${each.kind} records`) })
    else {
      records.set(each.signed.hash, each)
      count[each.kind] += 1
      fresh.push(each)
    }
  }
  if (fresh.length === 0) return { roster, added: [], refused }
  const merged = withoutExcessOrphans(build(roster.mesh, records))
  for (const record of fresh) {
    if (!merged.records.has(record.signed.hash))
      refused.push({ record, error: full(`${trustLimits.rosterOrphans} records without a chain`) })
  }
  return { roster: merged, added: fresh.filter(each => merged.records.has(each.signed.hash)), refused }
}

/** Everything, members first: what a joiner and a returning node get. */
export function recordsOf(roster: Roster): readonly SignedRecord[] {
  return [...roster.records.values()].toSorted((a, b) =>
    a.kind === b.kind ? order(a.signed.hash, b.signed.hash) : order(a.kind, b.kind),
  )
}

/** Every member with the record that counts. */
export function membersOf(roster: Roster): ReadonlyMap<NodeId, MemberRecord> {
  return new Map([...roster.judgement.members].map(([id, signed]) => [id, signed.record]))
}

/** The record that counts for `id`, or undefined where it is no member. */
export function memberOf(roster: Roster, id: NodeId): MemberRecord | undefined {
  return roster.judgement.members.get(id)?.record
}

export function isMember(roster: Roster, id: NodeId): boolean {
  return roster.judgement.members.has(id)
}

/** Whether `id` was removed and not admitted again. */
export function isRemoved(roster: Roster, id: NodeId): boolean {
  return roster.judgement.removedUpTo.has(id) && !isMember(roster, id)
}

/** Whether `id` may admit and remove. */
export function mayAdmit(roster: Roster, id: NodeId): boolean {
  return roster.judgement.authority.has(id) && isMember(roster, id)
}

/** For the hello: differs → exchange `recordsOf`. 64 hex digits. */
export function digest(roster: Roster): string {
  return roster.digest
}

/** The counter of the next record about `subject`: above every record and every removal known of it. */
export function nextCounter(roster: Roster, subject: NodeId): number {
  const known = [...roster.records.values()]
    .filter(each => each.signed.record.subject === subject)
    .map(each => each.signed.record.counter)
  return Math.max(0, ...known) + 1
}

/** The newest record known of `subject`, whether it counts or not. */
export function lastRecordOf(roster: Roster, subject: NodeId): SignedMemberRecord | undefined {
  const all = [...roster.records.values()].flatMap(each =>
    each.kind === 'member' && each.signed.record.subject === subject ? [each.signed] : [],
  )
  const known = all.filter(signed => !roster.judgement.orphans.has(signed.hash))
  return known.reduce<SignedMemberRecord | undefined>(
    (best, each) => (best === undefined || isNewer(each, best) ? each : best),
    undefined,
  )
}

/** A record for the store and the wire. */
export function wireOf(record: SignedRecord): { readonly kind: SignedRecord['kind']; readonly bytes: Uint8Array } {
  return { kind: record.kind, bytes: toWire(record.signed) }
}

/**
 * The way back from {@link wireOf}; checks everything but the chain.
 * @throws {TrustError} as `readMemberRecord` and `readRemovalRecord`
 */
export function readRecord({ kind, bytes }: { readonly kind: SignedRecord['kind']; readonly bytes: Uint8Array }): SignedRecord {
  return kind === 'member' ? { kind, signed: readMemberRecord(bytes) } : { kind, signed: readRemovalRecord(bytes) }
}

function build(mesh: MeshKey, records: ReadonlyMap<string, SignedRecord>): Roster {
  const all = [...records.values()]
  const judgement = judge({
    members: all.flatMap(each => (each.kind === 'member' ? [each.signed] : [])),
    removals: all.flatMap(each => (each.kind === 'removal' ? [each.signed] : [])),
  })
  const hash = createHash('sha256')
  for (const each of [...records.keys()].toSorted(order)) if (!judgement.orphans.has(each)) hash.update(each)
  return { mesh, meshId: meshIdOf(mesh), records, judgement, digest: hash.digest('hex') }
}

/** Which orphans stay is decided by their hashes, not by who came first. */
function withoutExcessOrphans(roster: Roster): Roster {
  const { orphans } = roster.judgement
  if (orphans.size <= trustLimits.rosterOrphans) return roster
  const excess = new Set([...orphans].toSorted(order).slice(trustLimits.rosterOrphans))
  return build(roster.mesh, new Map([...roster.records].filter(([hash]) => !excess.has(hash))))
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function otherMesh(record: SignedRecord, roster: Roster): TrustError {
  const what = `a ${record.kind} record of mesh ${meshIdOf(record.signed.record.mesh)} came to mesh ${roster.meshId}`
  return new TrustError('RECORD_OTHER_MESH', {
    what,
    hint: 'nothing to do: it was ignored; `shoal status` on both nodes names their meshes',
  })
}

function full(what: string): TrustError {
  return new TrustError('ROSTER_FULL', {
    what: `the roster already holds ${what}`,
    hint: 'remove members that are gone, or found a second mesh',
  })
}
