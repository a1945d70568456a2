// A record with its writer and his signature: what travels for services, profiles and load reports. The body is signed as the very
// text that travels, so nothing has to be encoded the same way twice. A kind's name is signed with it: no record passes for another.

import Type from 'typebox'
import type { NodeId } from '../../placement/view.ts'
import { signedBytes } from '../canonical.ts'
import { MeshError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { isSignedBy } from '../signing.ts'
import type { Signer } from '../signing.ts'
import { PeerIdWire } from './peer-id.ts'

export type SealedKind = 'load-report' | 'service-record' | 'profile-record'

export const SealedSchema = Type.Object({
  /** Peer id of the writer. */
  by: PeerIdWire,
  /** The record: JSON text of its own codec. */
  body: Type.String({ maxLength: LIMITS.recordBytesMax }),
  /** Ed25519 signature, base64url. */
  sig: Type.String({ maxLength: 128 }),
})

export interface Sealed {
  readonly by: NodeId
  readonly body: string
  readonly sig: string
}

const domainOf = (kind: SealedKind): string => `shoal/${kind}/1`

/** Signs `body` as a record of `kind`. */
export function seal(kind: SealedKind, body: string, signer: Signer): Sealed {
  return { by: signer.id, body, sig: Buffer.from(signer.sign(signedBytes(domainOf(kind), body))).toString('base64url') }
}

/** @throws MESH_BAD_SIGNATURE unless `sealed` is signed by the one it names. */
export function checkSeal(kind: SealedKind, sealed: Sealed): void {
  if (isGenuine(kind, sealed)) return
  throw new MeshError('MESH_BAD_SIGNATURE', {
    what: `a ${kind} that names ${sealed.by.slice(-8)} as its writer is not signed by it`,
    hint: 'the node that sent it is broken or hostile: remove it from the mesh if it goes on',
  })
}

function isGenuine(kind: SealedKind, { by, body, sig }: Sealed): boolean {
  const bytes = signedBytes(domainOf(kind), body)
  try {
    return isSignedBy({ signer: by, mesh: '', bytes, signature: Buffer.from(sig, 'base64url') })
  } catch {
    return false // no Ed25519 peer id: nothing it names can be checked, so nothing is believed
  }
}
