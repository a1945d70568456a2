// What the API says of a node, of this node's place in the mesh, and of nodes that wait to come in.

import { type Static, Type } from 'typebox'
import { CapacityBody, Load, MoveModeBody, NodeStateBody, Nullable, RoleBody } from './quantities.ts'

const Via = Type.Union([Type.Literal('founder'), Type.Literal('window'), Type.Literal('approval'), Type.Literal('token')])

export const CapabilityBody = Type.Object({
  arch: Type.String(),
  kernel: Type.String(),
  engine: Type.String(),
  criu: Nullable(Type.String()),
  shim: Type.Boolean(),
  modes: Type.Array(MoveModeBody),
})

/** One member. What it has not reported yet is null; `ageMs` is the age of what is known. */
export const NodeReply = Type.Object({
  id: Type.String(),
  name: Type.String(),
  self: Type.Boolean(),
  role: RoleBody,
  state: NodeStateBody,
  via: Via,
  mayAdmit: Type.Boolean(),
  network: Nullable(Type.String()),
  addresses: Type.Array(Type.String()),
  heardByMdns: Type.Boolean(),
  rttMs: Nullable(Type.Number()),
  ageMs: Type.Number(),
  capacity: Nullable(CapacityBody),
  load: Nullable(Load),
  outside: Nullable(Load),
  reserved: Nullable(Load),
  committedRamPct: Nullable(Type.Number()),
  capability: Nullable(CapabilityBody),
  services: Type.Integer(),
})
export type NodeReply = Static<typeof NodeReply>

export const NodeList = Type.Object({ nodes: Type.Array(NodeReply) })

/** Where this node stands. `viewAgeMs` is the age of the oldest report in its view; null when it sees no other node. */
export const StatusReply = Type.Object({
  version: Type.String(),
  node: Type.Object({
    id: Type.String(),
    name: Type.String(),
    role: RoleBody,
    state: Nullable(NodeStateBody),
    load: Nullable(Load),
  }),
  mesh: Type.Object({
    phase: Type.Union([Type.Literal('listening'), Type.Literal('waiting'), Type.Literal('member')]),
    id: Nullable(Type.String()),
    via: Nullable(Via),
    windowOpenS: Type.Number(),
    says: Type.String(),
  }),
  peers: Type.Integer(),
  waiting: Type.Integer(),
  services: Type.Object({ here: Type.Integer(), mesh: Type.Integer() }),
  viewAgeMs: Nullable(Type.Number()),
  /** What a person should know: no shim, a parked copy, a window that never closes. */
  warnings: Type.Array(Type.String()),
})
export type StatusReply = Static<typeof StatusReply>

export const WaitingReply = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: RoleBody,
  addresses: Type.Array(Type.String()),
  sinceMs: Type.Number(),
})
export type WaitingReply = Static<typeof WaitingReply>

export const WaitingList = Type.Object({ waiting: Type.Array(WaitingReply) })

export const ApproveBody = Type.Object({ who: Type.String({ minLength: 1, maxLength: 128 }) }, { additionalProperties: false })

/** `ttlMs` is bounded by a month: an invitation is a key. */
export const InviteBody = Type.Object(
  {
    ttlMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 2_678_400_000 })),
    role: Type.Optional(RoleBody),
  },
  { additionalProperties: false },
)
export const InviteReply = Type.Object({ token: Type.String(), ttlMs: Type.Integer(), role: RoleBody })
export type InviteReply = Static<typeof InviteReply>

export const JoinBody = Type.Object({ token: Type.String({ minLength: 1, maxLength: 4096 }) }, { additionalProperties: false })

export const WindowBody = Type.Object(
  { forMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: 86_400_000 })) },
  { additionalProperties: false },
)
