// Moves: asking for one, one under way or past, and the explanation of where a service would go and why.

import { type Static, Type } from 'typebox'
import { Load, MoveModeBody, Nullable, Reference, ServiceTypeBody } from './quantities.ts'

/** `to` absent: the strategy chooses. `dryRun`: only say what would happen. `detach`: answer when the move has begun. */
export const MoveBody = Type.Object(
  {
    to: Type.Optional(Reference),
    dryRun: Type.Optional(Type.Boolean()),
    detach: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type MoveBody = Static<typeof MoveBody>

const Candidate = Type.Object({
  node: Type.String(),
  nodeId: Type.String(),
  /** 0 is the first choice; candidates of one tier compete with each other only. */
  tier: Type.Integer(),
  score: Type.Number(),
  because: Type.String(),
})

const Rejected = Type.Object({ node: Type.String(), nodeId: Type.String(), code: Type.String(), because: Type.String() })

/** A decision that was made for a service, and what became of it. Kept by the node that made it, until it restarts. */
export const LastDecision = Type.Object({
  /** `undecided`: the move is under way. */
  outcome: Type.Union([Type.Literal('moved'), Type.Literal('stayed'), Type.Literal('undecided')]),
  to: Nullable(Type.String()),
  strategy: Type.String(),
  /** Why anything was decided: the load, a drain, a person. */
  reason: Type.String(),
  tried: Type.Array(Type.Object({ node: Type.String(), accepted: Type.Boolean(), says: Type.String() })),
  /** What went wrong; empty where nothing did. */
  error: Type.String(),
  /** All of it in words, candidate by candidate. */
  text: Type.String(),
})

/** Where a service would go now, why, and why not elsewhere. Nothing was offered to anybody. */
export const ExplainReply = Type.Object({
  service: Type.String(),
  serviceId: Type.String(),
  /** Name of the node it runs on. */
  node: Type.String(),
  strategy: Type.String(),
  mode: Nullable(MoveModeBody),
  need: Load,
  threshold: Load,
  verdict: Type.Object({
    kind: Type.Union([Type.Literal('move'), Type.Literal('stay')]),
    to: Nullable(Type.String()),
    because: Type.String(),
  }),
  candidates: Type.Array(Candidate),
  rejected: Type.Array(Rejected),
  /** The last decision of the control loop or of `move`; null when this node made none. */
  last: Nullable(LastDecision),
})
export type ExplainReply = Static<typeof ExplainReply>

const Outcome = Type.Union([
  Type.Literal('running'),
  Type.Literal('done'),
  Type.Literal('refused'),
  Type.Literal('failed'),
  Type.Literal('unresolved'),
  Type.Literal('lost'),
])
const MoveErrorBody = Type.Object({ code: Type.String(), message: Type.String(), hint: Type.String() })

/** One move as this node's end recorded it. Times in milliseconds; null where not measured (yet). */
export const MoveReply = Type.Object({
  id: Type.String(),
  side: Type.Union([Type.Literal('source'), Type.Literal('target')]),
  service: Type.String(),
  serviceId: Type.String(),
  type: ServiceTypeBody,
  mode: MoveModeBody,
  strategy: Type.String(),
  reason: Type.String(),
  from: Type.String(),
  fromId: Type.String(),
  to: Nullable(Type.String()),
  toId: Nullable(Type.String()),
  outcome: Outcome,
  startedAtMs: Type.Number(),
  downtimeMs: Nullable(Type.Number()),
  errorMs: Nullable(Type.Number()),
  totalMs: Nullable(Type.Number()),
  bytes: Type.Object({ image: Type.Number(), layer: Type.Number(), checkpoint: Type.Number(), total: Type.Number() }),
  phases: Type.Array(Type.Object({ name: Type.String(), ms: Type.Number() })),
  refusals: Type.Array(Type.Object({ ...MoveErrorBody.properties, node: Type.String(), nodeId: Type.String() })),
  error: Nullable(MoveErrorBody),
})
export type MoveReply = Static<typeof MoveReply>

export const MoveList = Type.Object({ moves: Type.Array(MoveReply) })
