// The open tokens of this node as its store keeps them; of a token only the hash of its secret. Read and written by reception.ts.

import Type from 'typebox'
import { codec } from './codec.ts'

export const tokenEntries = codec({
  name: 'stored tokens',
  version: 1,
  bytesMax: 64 << 10,
  schema: Type.Object({
    v: Type.Literal(1),
    tokens: Type.Array(
      Type.Object({
        hash: Type.String({ maxLength: 64 }),
        role: Type.Union([Type.Literal('edge'), Type.Literal('cloud'), Type.Literal('client')]),
        expiresAt: Type.Number(),
        usesLeft: Type.Integer({ minimum: 0 }),
      }),
      { maxItems: 256 },
    ),
  }),
})
