// What the store keeps of this node's membership: which mesh it is in, and one signed record per entry. Read and written by membership.ts.

import Type from 'typebox'
import { codec } from './codec.ts'
import { SignedRecordWire } from './join.ts'

/** Under `mesh/self`; absent: this node is in no mesh. */
export const selfEntry = codec({
  name: 'stored membership',
  version: 1,
  bytesMax: 4 << 10,
  schema: Type.Object({ v: Type.Literal(1), mesh: Type.String({ maxLength: 64 }) }),
})

/** Under `trust/<hash>`. */
export const recordEntry = codec({
  name: 'stored trust record',
  version: 1,
  bytesMax: 64 << 10,
  schema: Type.Object({ v: Type.Literal(1), record: SignedRecordWire }),
})
