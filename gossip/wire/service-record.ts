// A service's record on the wire and in the store. Signed by its writer (wire/sealed.ts), who is always its owner.

import Type from 'typebox'
import type { ServiceRecord } from '../../placement/view.ts'
import { LIMITS } from '../limits.ts'
import { codec } from './codec.ts'
import { ProfileSchema, profileOf } from './profile-record.ts'

const Name = Type.String({ minLength: 1, maxLength: 256 })
const Counter = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER - 1 })

const ServiceRecordWire = Type.Object({
  v: Type.Literal(1),
  id: Name,
  spec: Type.Object({
    name: Name,
    type: Type.Union([Type.Literal('stateful'), Type.Literal('stateless')]),
    image: Type.String({ minLength: 1, maxLength: 512 }),
    args: Type.Array(Type.String(), { maxItems: 1024 }),
    env: Type.Array(Type.String(), { maxItems: 1024 }),
    restart: Type.Union([Type.Literal('no'), Type.Literal('on-failure'), Type.Literal('always'), Type.Literal('unless-stopped')]),
    tty: Type.Boolean(),
    profile: Type.Optional(ProfileSchema),
  }),
  owner: Name,
  epoch: Counter,
  counter: Counter,
  state: Type.Union([
    Type.Literal('starting'),
    Type.Literal('running'),
    Type.Literal('moving'),
    Type.Literal('stopped'),
    Type.Literal('exited'),
    Type.Literal('failed'),
    Type.Literal('parked'),
  ]),
  reason: Type.String({ maxLength: 2048 }),
  deleted: Type.Boolean(),
})

const recordCodec = codec({ name: 'service record', version: 1, bytesMax: LIMITS.recordBytesMax, schema: ServiceRecordWire })

/** JSON text of a record. @throws MESH_BAD_MESSAGE, MESH_MESSAGE_TOO_LARGE */
export function serviceToWire(record: ServiceRecord): string {
  const { spec } = record
  return recordCodec.encode({
    v: 1,
    id: record.id,
    spec: { ...spec, args: [...spec.args], env: [...spec.env], ...(spec.profile && { profile: profileOf(spec.profile) }) },
    owner: record.owner,
    epoch: record.epoch,
    counter: record.counter,
    state: record.state,
    reason: record.reason.slice(0, 2048),
    deleted: record.deleted,
  })
}

/** @throws MESH_BAD_MESSAGE, MESH_MESSAGE_TOO_LARGE, MESH_VERSION_UNKNOWN */
export function serviceFromWire(text: string): ServiceRecord {
  const { id, spec, owner, epoch, counter, state, reason, deleted } = recordCodec.decode(text)
  const { name, type, image, args, env, restart, tty, profile } = spec
  return {
    id,
    spec: { name, type, image, args, env, restart, tty, ...(profile && { profile: profileOf(profile) }) },
    owner,
    epoch,
    counter,
    state,
    reason,
    deleted,
  }
}
