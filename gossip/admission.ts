// Writing to the roster: the founder's record, an admission, a removal and vouching anew for those whom a removal would cost their place.
// Called by gossip/open-mesh.ts when the founding reducer says `found` or `grant`, and when a person approves or removes.

import { MESH, type MeshSigner, type Signer } from './signing.ts'
import { isMember, isRemoved, lastRecordOf, mergeRoster, nextCounter, type Roster } from './roster.ts'
import { TrustError } from './trust-errors.ts'
import { trustLimits } from './trust-limits.ts'
import { signMemberRecord, type Admission, type SignedMemberRecord, type Via } from './wire/member-record.ts'
import { signRemovalRecord, type SignedRemovalRecord } from './wire/removal-record.ts'
import type { Millis, NodeId, Role } from '../placement/view.ts'

/** Who is admitted, how, by whom. */
export interface AdmitRequest {
  readonly by: Signer
  readonly subject: NodeId
  readonly name: string
  readonly role: Role
  readonly via: Exclude<Via, 'founder'>
  /** Wall time, ms since 1970. */
  readonly wallNow: Millis
  /** 16 random bytes as 32 hex digits. */
  readonly serial: string
}

/** The first record of a mesh: its key vouches for the founder, who may admit. */
export function foundingRecord({
  mesh,
  ...rest
}: Omit<AdmitRequest, 'by' | 'via'> & { readonly mesh: MeshSigner }): SignedMemberRecord {
  return signMemberRecord({ ...rest, mesh: mesh.mesh, via: 'founder', counter: 1, issuerCounter: 1, by: mesh })
}

/**
 * Admits `subject`. Asked again, it answers with the record there is, unless the new one gives more (a person confirms whom the window
 * let in, or changes its role).
 * @throws {TrustError} NOT_ADMITTING; REMOVED when the window would bring back a removed peer (approval and token may)
 */
export function admit(roster: Roster, { by, ...request }: AdmitRequest): SignedMemberRecord {
  const issuerCounter = authorityOf(roster, by)
  const known = roster.judgement.members.get(request.subject)
  if (known !== undefined) {
    const { rights, role } = known.record
    if (request.via === 'window' || (rights.admit && role === request.role)) return known
  }
  if (request.via === 'window' && isRemoved(roster, request.subject)) {
    const hint = 'a person brings it back: `shoal approve` on a member that may admit'
    throw new TrustError('REMOVED', { what: `${request.subject} was removed from mesh ${roster.meshId}`, hint })
  }
  return signMemberRecord({ ...request, mesh: roster.mesh, counter: counterFor(roster, request.subject), issuerCounter, by })
}

/**
 * A removal of `subject`, and who would lose its place by it: members whose only chain leads through the subject. `revouch` keeps
 * those a person wants to keep. The signer's own chain is kept by the removal itself. A member may remove itself (leaving for good).
 * @throws {TrustError} NOT_ADMITTING, NOT_A_MEMBER
 */
export function planRemoval(
  roster: Roster,
  { by, subject, reason }: { readonly by: Signer; readonly subject: NodeId; readonly reason: string },
): { readonly removal: SignedRemovalRecord; readonly lost: readonly NodeId[] } {
  if (by.id !== subject) authorityOf(roster, by)
  if (!isMember(roster, subject)) {
    throw new TrustError('NOT_A_MEMBER', {
      what: `${subject} is no member of mesh ${roster.meshId}`,
      hint: '`shoal node ls` lists the members',
    })
  }
  const counter = Math.min(nextCounter(roster, subject), trustLimits.counterMax)
  const write = (keeps: readonly string[]) => signRemovalRecord({ mesh: roster.mesh, subject, counter, reason, keeps, by })
  const after = (removal: SignedRemovalRecord) => mergeRoster(roster, [{ kind: 'removal', signed: removal }])
  let removal = write([])
  if (by.id !== MESH && by.id !== subject && !after(removal).judgement.authority.has(by.id))
    removal = write(linksThrough(roster, subject, by.id))
  const left = after(removal)
  const lost = [...roster.judgement.members.keys()].filter(id => id !== subject && !isMember(left, id))
  return { removal, lost: lost.toSorted() }
}

/**
 * New records, signed by `by`, for peers that lost their chain; name, role, rights and way in stay as they were.
 * @throws {TrustError} NOT_ADMITTING, NOT_A_MEMBER for a peer never heard of, REMOVED for one that was removed itself
 */
export function revouch(
  roster: Roster,
  { by, subjects, wallNow, newSerial }: { by: Signer; subjects: readonly NodeId[]; wallNow: Millis; newSerial: () => string },
): readonly SignedMemberRecord[] {
  const issuerCounter = authorityOf(roster, by)
  return subjects.map(subject => {
    const last = lastRecordOf(roster, subject)
    const hint = 'admit it again: `shoal approve`'
    if (last === undefined)
      throw new TrustError('NOT_A_MEMBER', { what: `${subject} was never a member of mesh ${roster.meshId}`, hint })
    if (last.record.counter <= (roster.judgement.removedUpTo.get(subject) ?? 0)) {
      throw new TrustError('REMOVED', { what: `${subject} was removed from mesh ${roster.meshId}`, hint })
    }
    const { name, role, rights, via } = last.record
    const again: Admission = {
      mesh: roster.mesh,
      subject,
      name,
      role,
      rights,
      via: via === 'founder' ? 'approval' : via,
      counter: counterFor(roster, subject),
      issuerCounter,
      by,
      wallNow,
      serial: newSerial(),
    }
    return signMemberRecord(again)
  })
}

/** Hashes of the records signed by `subject` that lead to `remover`: its own, or those of the members who led to it. */
function linksThrough(roster: Roster, subject: NodeId, remover: NodeId): readonly string[] {
  const keeps: string[] = []
  const seen = new Set<NodeId>()
  let next: NodeId[] = [remover]
  while (next.length > 0 && keeps.length < trustLimits.removalKeeps) {
    const found = next.flatMap(id => recordsAbout(roster, id).filter(signed => !roster.judgement.orphans.has(signed.hash)))
    for (const id of next) seen.add(id)
    keeps.push(...found.filter(signed => signed.record.issuer === subject).map(signed => signed.hash))
    next = [...new Set(found.map(signed => signed.record.issuer))].filter(id => id !== MESH && id !== subject && !seen.has(id))
  }
  return keeps.slice(0, trustLimits.removalKeeps)
}

function recordsAbout(roster: Roster, subject: NodeId): readonly SignedMemberRecord[] {
  const voided = roster.judgement.removedUpTo.get(subject) ?? 0
  return [...roster.records.values()]
    .flatMap(each => (each.kind === 'member' && each.signed.record.subject === subject ? [each.signed] : []))
    .filter(signed => signed.record.counter > voided && (signed.record.rights.admit || signed.record.issuer === MESH))
    .toSorted((a, b) => b.record.counter - a.record.counter)
}

/** The counter under which `by` signs. */
function authorityOf(roster: Roster, by: Signer): number {
  const counter = by.id === MESH ? 1 : roster.judgement.authority.get(by.id)
  if (counter !== undefined && (by.id === MESH || isMember(roster, by.id))) return counter
  const hint =
    'do it on a member that may (`shoal node inspect` shows it), or let a person confirm this one there: `shoal approve`'
  throw new TrustError('NOT_ADMITTING', { what: `${by.id} has no right to admit or remove in mesh ${roster.meshId}`, hint })
}

function counterFor(roster: Roster, subject: NodeId): number {
  const counter = nextCounter(roster, subject)
  if (counter <= trustLimits.counterMax) return counter
  throw new TrustError('REMOVED', {
    what: `the counters of ${subject} are used up`,
    hint: 'give that node a new identity: move the file `identity` of its data directory away',
  })
}
