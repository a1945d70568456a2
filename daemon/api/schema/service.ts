// What the API says of a service, and what it takes to run one.

import { type Static, Type } from 'typebox'
import { Nullable, ProfileBody, Reference, ServiceTypeBody } from './quantities.ts'

export const RestartBody = Type.Union([
  Type.Literal('no'),
  Type.Literal('on-failure'),
  Type.Literal('always'),
  Type.Literal('unless-stopped'),
])

export const ServiceStateBody = Type.Union([
  Type.Literal('starting'),
  Type.Literal('running'),
  Type.Literal('moving'),
  Type.Literal('stopped'),
  Type.Literal('exited'),
  Type.Literal('failed'),
  Type.Literal('parked'),
])

/** Measured use on its node; null until the first sample of its owner has arrived. */
export const UseBody = Type.Object({
  cpuCores: Type.Number(),
  ramBytes: Type.Number(),
  cpuPct: Type.Number(),
  ramPct: Type.Number(),
})

/** The profile in force and where it was set: with the service, by its name, or by its image. */
export const ProfileInForce = Type.Object({
  cpu: Nullable(Type.String()),
  ram: Nullable(Type.String()),
  gpu: Nullable(Type.String()),
  from: Type.Union([Type.Literal('service'), Type.Literal('name'), Type.Literal('image')]),
})

/** One service as the whole mesh knows it. `node` is the owner's name, `nodeId` its peer id. */
export const ServiceReply = Type.Object({
  id: Type.String(),
  name: Type.String(),
  type: ServiceTypeBody,
  node: Type.String(),
  nodeId: Type.String(),
  state: ServiceStateBody,
  reason: Type.String(),
  epoch: Type.Integer(),
  image: Type.String(),
  profile: Nullable(ProfileInForce),
  use: Nullable(UseBody),
})
export type ServiceReply = Static<typeof ServiceReply>

export const ServiceList = Type.Object({ services: Type.Array(ServiceReply) })

/** `inspect`: the row of `ls`, and the whole spec. */
export const ServiceDetail = Type.Object({
  ...ServiceReply.properties,
  args: Type.Array(Type.String()),
  env: Type.Array(Type.String()),
  restart: RestartBody,
  tty: Type.Boolean(),
})
export type ServiceDetail = Static<typeof ServiceDetail>

/** A name as Docker takes it, short enough for a container's `shoal-NAME-EPOCH`. */
export const ServiceName = Type.String({ minLength: 1, maxLength: 63, pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]*$' })
const ImageName = Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$' })
const EnvEntry = Type.String({ minLength: 1, maxLength: 16_384, pattern: '^[^=]+=' })

/** A service as it is asked for. `name` is drawn when absent; `type` is `stateful` when absent: losing memory must be asked for. */
export const RunBody = Type.Object(
  {
    name: Type.Optional(ServiceName),
    type: Type.Optional(ServiceTypeBody),
    image: ImageName,
    args: Type.Optional(Type.Array(Type.String({ maxLength: 16_384 }), { maxItems: 256 })),
    env: Type.Optional(Type.Array(EnvEntry, { maxItems: 256 })),
    restart: Type.Optional(RestartBody),
    tty: Type.Optional(Type.Boolean()),
    profile: Type.Optional(Type.Object(ProfileBody.properties, { additionalProperties: false })),
    /** Where it starts; the node asked when absent. */
    node: Type.Optional(Reference),
  },
  { additionalProperties: false },
)
export type RunBody = Static<typeof RunBody>

/** `timeoutS`: seconds between SIGTERM and SIGKILL. */
export const StopBody = Type.Object(
  { timeoutS: Type.Optional(Type.Integer({ minimum: 0, maximum: 500 })) },
  { additionalProperties: false },
)

/** `since` and `until` in Unix milliseconds of the owner's clock. */
export const LogQuery = Type.Object(
  {
    follow: Type.Optional(Type.Boolean()),
    sinceMs: Type.Optional(Type.Integer({ minimum: 0 })),
    tail: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  },
  { additionalProperties: false },
)
export type LogQuery = Static<typeof LogQuery>

/** One line of a service's log (NDJSON). `atMs` is the owner engine's time of the line. */
export const LogLine = Type.Object({
  atMs: Type.Number(),
  stream: Type.Union([Type.Literal('stdout'), Type.Literal('stderr')]),
  line: Type.String(),
  /** Name of the node it ran on. */
  node: Type.String(),
})
export type LogLine = Static<typeof LogLine>
