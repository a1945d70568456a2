// For tests: a mesh key and named nodes with keys made from fixed seeds, so that records are the same in every run.
// Used by the tests of roster, admission, records and tokens.

import { admit, foundingRecord, type AdmitRequest } from './admission.ts'
import { emptyRoster, mergeRoster, type Roster, type SignedRecord } from './roster.ts'
import { meshSigner, nodeSigner, type MeshSigner, type Signer } from './signing.ts'
import type { SignedMemberRecord } from './wire/member-record.ts'
import type { SignedRemovalRecord } from './wire/removal-record.ts'
import type { NodeId } from '../placement/view.ts'

export const WALL = Date.UTC(2026, 0, 1)

export type CastName = 'founder' | 'anna' | 'bert' | 'cleo' | 'mallory' | 'eve'
type Cast = { readonly [name in CastName]: Signer & { readonly id: NodeId } } & {
  readonly mesh: MeshSigner
  readonly otherMesh: MeshSigner
}

const seed = (byte: number) => new Uint8Array(32).fill(byte)

/** Everyone, with fixed keys. */
export function makeCast(): Cast {
  const [founder, anna, bert] = [nodeSigner(seed(1)), nodeSigner(seed(2)), nodeSigner(seed(3))]
  const [cleo, mallory, eve] = [nodeSigner(seed(4)), nodeSigner(seed(5)), nodeSigner(seed(6))]
  return { founder, anna, bert, cleo, mallory, eve, mesh: meshSigner(seed(100)), otherMesh: meshSigner(seed(101)) }
}

export const member = (signed: SignedMemberRecord): SignedRecord => ({ kind: 'member', signed })
export const removal = (signed: SignedRemovalRecord): SignedRecord => ({ kind: 'removal', signed })

/** A mesh with its founder. */
export function foundedRoster({ mesh, founder }: Cast): Roster {
  const record = foundingRecord({
    mesh,
    subject: founder.id,
    name: 'founder',
    role: 'edge',
    wallNow: WALL,
    serial: '0'.repeat(32),
  })
  return mergeRoster(emptyRoster(mesh.mesh), [member(record)])
}

/** `roster` after `by` has admitted `who`. */
export function admitted(
  roster: Roster,
  by: Signer,
  who: Signer & { readonly id: NodeId },
  via: AdmitRequest['via'] = 'approval',
): Roster {
  return mergeRoster(roster, [
    member(admit(roster, { by, subject: who.id, name: 'node', role: 'edge', via, wallNow: WALL, serial: '1'.repeat(32) })),
  ])
}
