// The signed statement that a peer belongs to a mesh no longer. Written by `shoal node rm`, read by every node, judged by
// gossip/roster.ts, kept for ever. It names the peer by its key, never by a record. Spec: docs/protocols/trust.md.

import { Type, type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { MESH, type MeshKey, type Signer } from '../signing.ts'
import { trustLimits } from '../trust-limits.ts'
import { open, seal, type RecordKind, type Signed } from './signed.ts'
import type { NodeId } from '../../placement/view.ts'

const PeerId = Type.String({ pattern: '^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$' })

const schema = Type.Object({
  v: Type.Literal(1),
  mesh: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
  subject: PeerId,
  counter: Type.Integer({ minimum: 1, maximum: trustLimits.counterMax }),
  reason: Type.String({ maxLength: trustLimits.reasonChars }),
  signer: Type.Union([PeerId, Type.Literal(MESH)]),
  keeps: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { maxItems: trustLimits.removalKeeps }),
})

/**
 * - `counter`: every member record of the subject up to it is void; a higher one admits it again.
 * - `keeps`: hashes (`Signed.hash`) of the only records signed by the subject that stay valid: the remover's own way to the mesh key.
 */
export type RemovalRecord = Static<typeof schema>
export type SignedRemovalRecord = Signed<RemovalRecord>

export const removalRecordKind: RecordKind<typeof schema> = {
  name: 'removal record',
  domain: 'shoal-removal-record/1',
  version: 1,
  maxBytes: trustLimits.removalRecordBytes,
  check: Compile(schema),
  signer: ({ signer, mesh }) => ({ signer, mesh }),
}

/** What the remover decides. `planRemoval` of gossip/roster.ts fills `counter` and `keeps`. */
export interface Removal {
  readonly mesh: MeshKey
  readonly subject: NodeId
  readonly counter: number
  readonly reason: string
  readonly keeps: readonly string[]
  readonly by: Signer
}

/** Writes and signs a removal. An over-long reason is cut. */
export function signRemovalRecord({ by, reason, keeps, ...rest }: Removal): SignedRemovalRecord {
  const line = Array.from(reason.toWellFormed()).slice(0, trustLimits.reasonChars).join('')
  return seal(
    removalRecordKind.domain,
    { v: 1, ...rest, reason: line, keeps: [...keeps], signer: by.id } satisfies RemovalRecord,
    by,
  )
}

/**
 * Reads a removal record from the wire and checks its signature; unknown fields are ignored.
 * @throws {TrustError} RECORD_TOO_LARGE, RECORD_MALFORMED, RECORD_VERSION, RECORD_SIGNATURE, PEER_ID_INVALID
 */
export function readRemovalRecord(wire: Uint8Array): SignedRemovalRecord {
  return open(removalRecordKind, wire)
}
