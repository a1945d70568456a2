// A sealed record as the store keeps it: the same three fields that travel, with the version of this form.

import Type from 'typebox'
import { LIMITS } from '../limits.ts'
import { codec } from './codec.ts'
import { PeerIdWire } from './peer-id.ts'

export const sealedCodec = codec({
  name: 'stored record',
  version: 1,
  bytesMax: 2 * LIMITS.topicMessageBytesMax,
  schema: Type.Object({
    v: Type.Literal(1),
    by: PeerIdWire,
    body: Type.String({ maxLength: LIMITS.recordBytesMax }),
    sig: Type.String({ maxLength: 128 }),
  }),
})
