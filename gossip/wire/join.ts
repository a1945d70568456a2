// The pairing protocol (/shoal/join/1), the only one a stranger may speak. One question and one answer per stream. Spec: docs/protocols/mesh.md.
// hello ↔ hello · ask → admitted | refused · admit (a member tells a waiting node that it was let in) → taken | refused

import type { Static } from 'typebox'
import Type from 'typebox'
import { LIMITS } from '../limits.ts'
import { codec } from './codec.ts'

const MeshId = Type.String({ minLength: 1, maxLength: 64 })
const Name = Type.String({ maxLength: 256 })
const RoleWire = Type.Union([Type.Literal('edge'), Type.Literal('cloud'), Type.Literal('client')])
const Addresses = Type.Array(Type.String({ maxLength: 256 }), { maxItems: LIMITS.addressesPerPeerMax })

/** A member or removal record as it was signed: base64 of its wire form. */
export const SignedRecordWire = Type.Object({
  kind: Type.Union([Type.Literal('member'), Type.Literal('removal')]),
  bytes: Type.String({ maxLength: 24 << 10 }),
})
export type SignedRecordWire = Static<typeof SignedRecordWire>

const HelloWire = Type.Object({
  v: Type.Literal(1),
  t: Type.Literal('hello'),
  name: Name,
  role: RoleWire,
  /** Random per start: two live instances of one identity are a cloned disk. */
  instance: Type.String({ minLength: 8, maxLength: 64 }),
  addresses: Addresses,
  /** What gossip/founding.ts says of itself. */
  fresh: Type.Boolean(),
  meshId: Type.Union([MeshId, Type.Null()]),
  meshSize: Type.Integer({ minimum: 0, maximum: 1e6 }),
  loneAndFresh: Type.Boolean(),
  admits: Type.Boolean(),
  /** Seconds this node's join window stays open, 0 when closed. */
  windowOpenS: Type.Integer({ minimum: 0, maximum: 10 * 365 * 86_400 }),
  /** The own member record and those that lead to the mesh key. */
  chain: Type.Array(SignedRecordWire, { maxItems: 40 }),
})

const AskWire = Type.Object({
  v: Type.Literal(1),
  t: Type.Literal('ask'),
  meshId: MeshId,
  name: Name,
  role: RoleWire,
  addresses: Addresses,
  /** Secret of a token, base64url. */
  token: Type.Optional(Type.String({ maxLength: 64 })),
})

const AdmittedFields = {
  v: Type.Literal(1),
  meshId: MeshId,
  /** Public key of the mesh, base64url. */
  mesh: Type.String({ maxLength: 64 }),
  /** The joiner's record first, then those that lead to the mesh key, then as much of the roster as fits. */
  records: Type.Array(SignedRecordWire, { maxItems: 4096 }),
}
const AdmittedWire = Type.Object({ ...AdmittedFields, t: Type.Literal('admitted') })
const AdmitWire = Type.Object({ ...AdmittedFields, t: Type.Literal('admit') })

const RefusedWire = Type.Object({
  v: Type.Literal(1),
  t: Type.Literal('refused'),
  code: Type.String({ maxLength: 64 }),
  what: Type.String({ maxLength: 2048 }),
  hint: Type.String({ maxLength: 2048 }),
})
const TakenWire = Type.Object({ v: Type.Literal(1), t: Type.Literal('taken') })

export type HelloMessage = Static<typeof HelloWire>
export type AskMessage = Static<typeof AskWire>
export type AdmittedMessage = Static<typeof AdmittedWire>
export type AdmitMessage = Static<typeof AdmitWire>
export type RefusedMessage = Static<typeof RefusedWire>

export const joinQuestion = codec({
  name: 'pairing message',
  version: 1,
  bytesMax: LIMITS.joinFrameBytesMax,
  schema: Type.Union([HelloWire, AskWire, AdmitWire]),
})
export type JoinQuestion = HelloMessage | AskMessage | AdmitMessage

export const joinAnswer = codec({
  name: 'answer of the pairing protocol',
  version: 1,
  bytesMax: LIMITS.joinFrameBytesMax,
  schema: Type.Union([HelloWire, AdmittedWire, RefusedWire, TakenWire]),
})
export type JoinAnswer = Static<typeof HelloWire> | AdmittedMessage | RefusedMessage | Static<typeof TakenWire>
