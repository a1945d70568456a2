// What members ask each other on the request stream to keep the same records: digests, buckets, pulls; and how load reports travel.
// Asked by anti-entropy.ts and load-exchange.ts. Spec: docs/protocols/mesh.md.

import Type from 'typebox'
import { LIMITS } from '../limits.ts'
import { codec } from './codec.ts'
import { SignedRecordWire } from './join.ts'
import { PeerIdWire } from './peer-id.ts'
import { SealedSchema } from './sealed.ts'

const Digest = Type.String({ maxLength: 64 })
const Key = Type.String({ maxLength: 512 })
const SetName = Type.Union([Type.Literal('service-record'), Type.Literal('profile-record')])
const of = <S extends ReturnType<typeof Type.Object>>(name: string, schema: S) =>
  codec({ name, version: 1, bytesMax: LIMITS.frameBytesMax, schema })

/** One digest per set of records. `mutual`: the asker has just become a member or its timer fired; the answerer asks back if they differ. */
export const digestsAsk = of(
  'digest',
  Type.Object({ v: Type.Literal(1), trust: Digest, services: Digest, profiles: Digest, mutual: Type.Boolean() }),
)
export const digestsAnswer = of('digest', Type.Object({ v: Type.Literal(1), trust: Digest, services: Digest, profiles: Digest }))

/** Member and removal records, all of them, in pages. */
export const trustAsk = of('trust page', Type.Object({ v: Type.Literal(1), from: Type.Integer({ minimum: 0 }) }))
export const trustAnswer = of(
  'trust page',
  Type.Object({
    v: Type.Literal(1),
    records: Type.Array(SignedRecordWire, { maxItems: 1024 }),
    next: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  }),
)

/** The 256 bucket digests of one set, base64 of 8 bytes each. */
export const bucketsAsk = of('buckets', Type.Object({ v: Type.Literal(1), set: SetName }))
export const bucketsAnswer = of('buckets', Type.Object({ v: Type.Literal(1), buckets: Type.String({ maxLength: 4096 }) }))

/** The records of some buckets, in the order of their keys, after `after`. */
export const pullAsk = of(
  'pull',
  Type.Object({
    v: Type.Literal(1),
    set: SetName,
    buckets: Type.Array(Type.Integer({ minimum: 0, maximum: 255 }), { maxItems: 256 }),
    after: Type.Union([Key, Type.Null()]),
  }),
)
export const pullAnswer = of(
  'pull',
  Type.Object({
    v: Type.Literal(1),
    items: Type.Array(SealedSchema, { maxItems: 1024 }),
    next: Type.Union([Key, Type.Null()]),
  }),
)

/** A notice: the sender's own report, just made. */
export const reportNotice = of('load report notice', Type.Object({ v: Type.Literal(1), report: SealedSchema }))

/** What the asker has of whom: incarnation and number. The answer carries what is newer, with how old it is there. */
export const reportsAsk = of(
  'report exchange',
  Type.Object({
    v: Type.Literal(1),
    have: Type.Record(Type.String({ maxLength: 128 }), Type.Tuple([Type.Integer({ minimum: 0 }), Type.Integer({ minimum: 0 })])),
  }),
)
export const reportsAnswer = of(
  'report exchange',
  Type.Object({
    v: Type.Literal(1),
    items: Type.Array(Type.Object({ report: SealedSchema, ageMs: Type.Number({ minimum: 0 }) }), {
      maxItems: LIMITS.reportsPerMessageMax,
    }),
  }),
)

const WaitingWire = Type.Object({
  id: PeerIdWire,
  name: Type.String({ maxLength: 256 }),
  role: Type.Union([Type.Literal('edge'), Type.Literal('cloud'), Type.Literal('client')]),
  addresses: Type.Array(Type.String({ maxLength: 256 }), { maxItems: LIMITS.addressesPerPeerMax }),
})

/** A member without the right to admit passes on who asked it; the answer says admitted, or why not. */
export const sponsorAsk = of(
  'sponsored ask',
  Type.Object({
    v: Type.Literal(1),
    node: WaitingWire,
    heardOnLink: Type.Boolean(),
    token: Type.Optional(Type.String({ maxLength: 64 })),
  }),
)
export const sponsorAnswer = of(
  'sponsored ask',
  Type.Object({ v: Type.Literal(1), records: Type.Array(SignedRecordWire, { maxItems: 64 }) }),
)
