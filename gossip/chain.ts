// Which records count: leads every member record back to the mesh key, and lets removals void what they name. Called by gossip/roster.ts
// after every merge. A pure function of the *set* of records, so the order in which a node heard them cannot matter. Spec: docs/protocols/trust.md.

import { MESH } from './signing.ts'
import { trustLimits } from './trust-limits.ts'
import type { SignedMemberRecord } from './wire/member-record.ts'
import type { SignedRemovalRecord } from './wire/removal-record.ts'
import type { NodeId } from '../placement/view.ts'

/** All a node has heard, signatures checked. */
export interface Evidence {
  readonly members: readonly SignedMemberRecord[]
  readonly removals: readonly SignedRemovalRecord[]
}

export interface Judgement {
  /** The record that counts for each member. */
  readonly members: ReadonlyMap<NodeId, SignedMemberRecord>
  /** Who may admit and remove, and the counter of the record that says so. */
  readonly authority: ReadonlyMap<NodeId, number>
  /** Highest counter voided by a removal, also of peers admitted again since. */
  readonly removedUpTo: ReadonlyMap<NodeId, number>
  /** Hashes of records that lead nowhere yet: their issuer's or signer's own record has not come. */
  readonly orphans: ReadonlySet<string>
}

/** What can be reached from the mesh key. */
interface Reach {
  readonly accepted: ReadonlySet<string>
  readonly authority: ReadonlyMap<NodeId, number>
  /** Links to the mesh key. */
  readonly links: ReadonlyMap<NodeId, number>
}

/**
 * Judges the whole evidence.
 * 1. A removal takes effect when the mesh key, the peer itself, or anyone who was ever led back to the mesh key with the right to admit
 *    signed it; being removed later does not undo it (remove wins).
 * 2. A record counts when its counter is above every removal of its subject and its issuer has the right to admit by a record that counts
 *    and was not removed since it signed; or when a removal of its issuer *keeps* it (see `keptRecords`).
 */
export function judge({ members, removals }: Evidence): Judgement {
  const byIssuer = Map.groupBy(members, signed => signed.record.issuer)
  const ever = reach(byIssuer, { passes: () => true, kept: new Set() })
  const known = new Set(members.filter(signed => ever.accepted.has(signed.hash)).map(signed => signed.record.subject))
  const effective = removals.filter(({ record: { signer, subject } }) => {
    return signer === MESH || ever.authority.has(signer) || (signer === subject && known.has(subject))
  })
  const removedUpTo = new Map<NodeId, number>()
  for (const { record } of effective) {
    removedUpTo.set(record.subject, Math.max(record.counter, removedUpTo.get(record.subject) ?? 0))
  }
  const counting = new Set(effective.map(signed => signed.hash))
  const now = keptRecords({ byIssuer, effective, removedUpTo, ever })
  return {
    members: bestOf(members.filter(signed => now.accepted.has(signed.hash))),
    authority: now.authority,
    removedUpTo,
    orphans: new Set([
      ...members.filter(signed => !ever.accepted.has(signed.hash)).map(signed => signed.hash),
      ...removals.filter(signed => !counting.has(signed.hash)).map(signed => signed.hash),
    ]),
  }
}

/**
 * The reach of today: resolves which records of removed issuers are kept. A removal's `keeps` count when its signer stands today without
 * them; only where nobody stands independently (the founder was removed by one whom it had admitted) the removals of the issuer nearest to
 * the mesh key are believed as they are. So an accomplice, admitted by a removed member afterwards, cannot keep itself.
 */
function keptRecords({ byIssuer, effective, removedUpTo, ever }: KeepInput): Reach {
  const removalsOf = Map.groupBy(effective, signed => signed.record.subject)
  const open = new Set([...removalsOf.keys()].filter(subject => byIssuer.has(subject)))
  const kept = new Set<string>()
  const reachNow = () => reach(byIssuer, { passes: signed => stands(signed, removedUpTo, kept), kept: new Set(kept) })
  const keep = (issuer: NodeId, by: readonly SignedRemovalRecord[]) => {
    open.delete(issuer)
    const named = new Set(by.flatMap(signed => signed.record.keeps))
    for (const { hash } of byIssuer.get(issuer) ?? []) if (named.has(hash) && ever.accepted.has(hash)) kept.add(hash)
  }
  let now = reachNow()
  while (open.size > 0) {
    const trusted = (signed: SignedRemovalRecord) => signed.record.signer === MESH || now.authority.has(signed.record.signer)
    const decided = [...open].filter(issuer => removalsOf.get(issuer)?.some(trusted))
    for (const issuer of decided) keep(issuer, removalsOf.get(issuer)?.filter(trusted) ?? [])
    if (decided.length === 0) {
      const nearest = Math.min(...[...open].map(issuer => ever.links.get(issuer) ?? Infinity))
      for (const issuer of [...open].filter(each => (ever.links.get(each) ?? Infinity) === nearest)) {
        keep(issuer, removalsOf.get(issuer)?.filter(signed => signed.record.signer !== issuer) ?? [])
      }
    }
    now = reachNow()
  }
  return now
}

interface KeepInput {
  readonly byIssuer: ReadonlyMap<string, readonly SignedMemberRecord[]>
  readonly effective: readonly SignedRemovalRecord[]
  readonly removedUpTo: ReadonlyMap<NodeId, number>
  readonly ever: Reach
}

function stands(
  { record, hash }: SignedMemberRecord,
  removedUpTo: ReadonlyMap<NodeId, number>,
  kept: ReadonlySet<string>,
): boolean {
  if (record.counter <= (removedUpTo.get(record.subject) ?? 0)) return false
  return record.issuer === MESH || kept.has(hash) || record.issuerCounter > (removedUpTo.get(record.issuer) ?? 0)
}

/** Walks from the mesh key (and the kept records) along the right to admit, at most `chainLinks` links far. */
function reach(
  byIssuer: ReadonlyMap<string, readonly SignedMemberRecord[]>,
  { passes, kept }: { readonly passes: (signed: SignedMemberRecord) => boolean; readonly kept: ReadonlySet<string> },
): Reach {
  const accepted = new Set<string>()
  const authority = new Map<NodeId, number>()
  const links = new Map<NodeId, number>()
  const keptRecordsNow = kept.size === 0 ? [] : [...byIssuer.values()].flat().filter(signed => kept.has(signed.hash))
  let frontier = [...(byIssuer.get(MESH) ?? []), ...keptRecordsNow].filter(passes)
  for (let link = 1; link <= trustLimits.chainLinks && frontier.length > 0; link += 1) {
    const raised = new Set<NodeId>()
    for (const { record, hash } of frontier) {
      accepted.add(hash)
      if (!admits(record) || record.counter <= (authority.get(record.subject) ?? 0)) continue
      authority.set(record.subject, record.counter)
      if (!links.has(record.subject)) links.set(record.subject, link)
      raised.add(record.subject)
    }
    frontier = [...raised].flatMap(issuer => {
      const upTo = authority.get(issuer) ?? 0
      return (byIssuer.get(issuer) ?? []).filter(({ record, hash }) => record.issuerCounter <= upTo && !accepted.has(hash))
    })
    frontier = frontier.filter(signed => signed.record.via !== 'founder' && passes(signed))
  }
  return { accepted, authority, links }
}

/** Whoever the window let in may not admit, whatever its record says. */
function admits(record: SignedMemberRecord['record']): boolean {
  return record.rights.admit && record.via !== 'window'
}

/** The record with the highest counter of each subject; the larger hash decides a tie. */
function bestOf(records: readonly SignedMemberRecord[]): Map<NodeId, SignedMemberRecord> {
  const best = new Map<NodeId, SignedMemberRecord>()
  for (const signed of records) {
    const known = best.get(signed.record.subject)
    if (known === undefined || isNewer(signed, known)) best.set(signed.record.subject, signed)
  }
  return best
}

/** Whether `a` is the newer of two records about one subject. */
export function isNewer(a: SignedMemberRecord, b: SignedMemberRecord): boolean {
  return a.record.counter !== b.record.counter ? a.record.counter > b.record.counter : a.hash > b.hash
}
