// An application profile's record on the wire and in the store. Signed by its writer (wire/sealed.ts).

import Type from 'typebox'
import type { Profile } from '../../placement/view.ts'
import { LIMITS } from '../limits.ts'
import type { ProfileRecord } from '../mesh.ts'
import { codec } from './codec.ts'

const Quota = Type.String({ minLength: 1, maxLength: 32 })

/** A quota per dimension as it was written (`0.5`, `256Mi`, `10%`). */
export const ProfileSchema = Type.Object({ cpu: Type.Optional(Quota), ram: Type.Optional(Quota), gpu: Type.Optional(Quota) })

const ProfileRecordWire = Type.Object({
  v: Type.Literal(1),
  match: Type.String({ minLength: 1, maxLength: 512 }),
  profile: ProfileSchema,
  deleted: Type.Boolean(),
  counter: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER - 1 }),
  writer: Type.String({ minLength: 1, maxLength: 128 }),
})

const recordCodec = codec({ name: 'profile record', version: 1, bytesMax: LIMITS.recordBytesMax, schema: ProfileRecordWire })

/** JSON text of a record. @throws MESH_BAD_MESSAGE, MESH_MESSAGE_TOO_LARGE */
export function profileToWire(record: ProfileRecord): string {
  const { match, profile, deleted, counter, writer } = record
  return recordCodec.encode({ v: 1, match, profile: profileOf(profile), deleted, counter, writer })
}

/** @throws MESH_BAD_MESSAGE, MESH_MESSAGE_TOO_LARGE, MESH_VERSION_UNKNOWN */
export function profileFromWire(text: string): ProfileRecord {
  const { match, profile, deleted, counter, writer } = recordCodec.decode(text)
  return { match, profile: profileOf(profile), deleted, counter, writer }
}

/** Only the known dimensions, absent where not limited. */
export function profileOf(from: Profile): Profile {
  return {
    ...(from.cpu !== undefined && { cpu: from.cpu }),
    ...(from.ram !== undefined && { ram: from.ram }),
    ...(from.gpu !== undefined && { gpu: from.gpu }),
  }
}
