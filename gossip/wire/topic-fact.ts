// A rare fact on the gossip topic, one per message: a record just written, a node that waits, the join window opened, a leave.
// Published and read by topics.ts. What recurs (load reports, heartbeats) never goes on a topic.

import type { Static } from 'typebox'
import Type from 'typebox'
import { LIMITS } from '../limits.ts'
import { codec } from './codec.ts'
import { SignedRecordWire } from './join.ts'
import { PeerIdWire } from './peer-id.ts'
import { SealedSchema } from './sealed.ts'

const Fact = Type.Union([
  Type.Object({ kind: Type.Literal('trust'), records: Type.Array(SignedRecordWire, { minItems: 1, maxItems: 64 }) }),
  Type.Object({ kind: Type.Literal('service-record'), record: SealedSchema }),
  Type.Object({ kind: Type.Literal('profile-record'), record: SealedSchema }),
  Type.Object({
    kind: Type.Literal('waiting'),
    id: PeerIdWire,
    name: Type.String({ maxLength: 256 }),
    role: Type.Union([Type.Literal('edge'), Type.Literal('cloud'), Type.Literal('client')]),
    addresses: Type.Array(Type.String({ maxLength: 256 }), { maxItems: LIMITS.addressesPerPeerMax }),
  }),
  Type.Object({ kind: Type.Literal('window'), openS: Type.Integer({ minimum: 0, maximum: 10 * 365 * 86_400 }) }),
])
export type Fact = Static<typeof Fact>

export const topicFact = codec({
  name: 'fact',
  version: 1,
  bytesMax: LIMITS.topicMessageBytesMax,
  schema: Type.Object({ v: Type.Literal(1), fact: Fact }),
})
