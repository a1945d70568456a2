// The signed statement that a peer belongs to a mesh. Written by whoever admits (founder, window, approval, token), read by every
// node that hears it, judged by gossip/roster.ts. Spec: docs/protocols/trust.md.

import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { MESH, type MeshKey, type Signer } from '../signing.ts'
import { trustLimits, trustTimes } from '../trust-limits.ts'
import { open, seal, type RecordKind, type Signed } from './signed.ts'
import type { Millis, NodeId, Role } from '../../placement/view.ts'

const Counter = Type.Integer({ minimum: 1, maximum: trustLimits.counterMax })
const PeerId = Type.String({ pattern: '^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$' })
/** Wall time in milliseconds, year 2286 at the latest. */
const Moment = Type.Integer({ minimum: -1e13, maximum: 1e13 })

const schema = Type.Object({
  v: Type.Literal(1),
  mesh: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  subject: PeerId,
  name: Type.String({ maxLength: trustLimits.nameChars }),
  role: Type.Union([Type.Literal('edge'), Type.Literal('cloud'), Type.Literal('client')]),
  rights: Type.Object({ admit: Type.Boolean(), host: Type.Boolean() }),
  via: Type.Union([Type.Literal('founder'), Type.Literal('window'), Type.Literal('approval'), Type.Literal('token')]),
  counter: Counter,
  notBefore: Moment,
  notAfter: Moment,
  issuer: Type.Union([PeerId, Type.Literal(MESH)]),
  issuerCounter: Counter,
  serial: Type.String({ pattern: '^[0-9a-f]{32}$' }),
})

/**
 * - `rights.admit` may admit and remove others; `rights.host` may run and place services of the mesh.
 * - `counter`: of two records about one subject the higher counts; after a removal only a higher one than the removal's.
 * - `notBefore`, `notAfter`: wall time, ms since 1970. They only ever warn.
 * - `issuer`: peer id, or `mesh` for the mesh's own key; `issuerCounter`: `counter` of the issuer's own record when it signed (1 for the mesh).
 */
export type MemberRecord = Static<typeof schema>
export type SignedMemberRecord = Signed<MemberRecord>
export type Via = MemberRecord['via']
export type Rights = MemberRecord['rights']

export const memberRecordKind: RecordKind<typeof schema> = {
  name: 'member record',
  domain: 'shoal-member-record/1',
  version: 1,
  maxBytes: trustLimits.memberRecordBytes,
  check: Compile(schema),
  signer: ({ issuer, mesh }) => ({ signer: issuer, mesh }),
}

/** What the issuer decides; the rest of a record follows from it. */
export interface Admission {
  readonly mesh: MeshKey
  readonly subject: NodeId
  readonly name: string
  readonly role: Role
  readonly via: Via
  /** Absent: what the way in gives ({@link rightsOf}). */
  readonly rights?: Rights
  /** Higher than every record and removal known of the subject: `nextCounter` of gossip/roster.ts. */
  readonly counter: number
  /** `counter` of the issuer's own record; 1 when the mesh key signs. */
  readonly issuerCounter: number
  readonly by: Signer
  /** Wall time, ms since 1970. */
  readonly wallNow: Millis
  /** 16 random bytes as 32 hex digits. */
  readonly serial: string
}

/**
 * Rights by the way in: whoever the window let in may not admit until a person confirms it (a second record, via `approval`);
 * a client hosts nothing.
 */
export function rightsOf({ via, role }: { readonly via: Via; readonly role: Role }): Rights {
  return { admit: via !== 'window', host: role !== 'client' }
}

/** Writes and signs the record of one admission: a year of life, dated back a day. An over-long name is cut. */
export function signMemberRecord({ by, wallNow, name, ...rest }: Admission): SignedMemberRecord {
  const record: MemberRecord = {
    v: 1,
    ...rest,
    name: cutName(name),
    rights: rest.rights ?? rightsOf(rest),
    notBefore: Math.round(wallNow) - trustTimes.backdateMs,
    notAfter: Math.round(wallNow) + trustTimes.recordLifeMs,
    issuer: by.id,
  }
  return seal(memberRecordKind.domain, record, by)
}

/**
 * Reads a member record from the wire and checks its signature; unknown fields are ignored.
 * @throws {TrustError} RECORD_TOO_LARGE, RECORD_MALFORMED, RECORD_VERSION, RECORD_SIGNATURE, PEER_ID_INVALID
 */
export function readMemberRecord(wire: Uint8Array): SignedMemberRecord {
  return open(memberRecordKind, wire)
}

/** Whether a person should be told: over its time, or soon. Never a reason to refuse. */
export function expiryOf(record: MemberRecord, wallNow: Millis): 'good' | 'soon' | 'over' {
  if (wallNow >= record.notAfter) return 'over'
  return wallNow >= record.notAfter - trustTimes.warnBeforeMs ? 'soon' : 'good'
}

function cutName(name: string): string {
  return Array.from(name.toWellFormed()).slice(0, trustLimits.nameChars).join('')
}
