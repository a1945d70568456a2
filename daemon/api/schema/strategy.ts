// The strategy in force on a node, and the profiles of the mesh.

import { type Static, Type } from 'typebox'
import { Load, Nullable, ProfileBody } from './quantities.ts'

/** `exact: false` is two random fitting candidates per tier, `true` the best of all, as the thesis. */
export const StrategyReply = Type.Object({
  name: Type.String(),
  exact: Type.Boolean(),
  threshold: Load,
  intervalMs: Type.Number(),
  available: Type.Array(Type.String()),
  /** What set it: `default`, `preset`, `file`, `env`, `flag`, or `set` (by `shoal strategy set`, kept over restarts). */
  origin: Type.String(),
})
export type StrategyReply = Static<typeof StrategyReply>

export const StrategyBody = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 64 }), exact: Type.Optional(Type.Boolean()) },
  { additionalProperties: false },
)
export type StrategyBody = Static<typeof StrategyBody>

const Match = Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$' })

/** A quota by service name or image, as written; null is "not limited". */
export const ProfileReply = Type.Object({
  match: Type.String(),
  cpu: Nullable(Type.String()),
  ram: Nullable(Type.String()),
  gpu: Nullable(Type.String()),
  /** Count of services it is in force for. */
  usedBy: Type.Integer(),
})
export type ProfileReply = Static<typeof ProfileReply>

export const ProfileList = Type.Object({ profiles: Type.Array(ProfileReply) })

export const ProfilePut = Type.Object(
  { match: Match, profile: Type.Object(ProfileBody.properties, { additionalProperties: false }) },
  { additionalProperties: false },
)

export const ProfileQuery = Type.Object({ match: Match }, { additionalProperties: false })
