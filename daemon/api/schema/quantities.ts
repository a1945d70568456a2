// Pieces several replies share: loads in percent, capacities, who is who. Plain JSON mirrors of placement/view.ts, kept apart from it so that
// the API can stay as it is when the inner values change.

import { Type } from 'typebox'

/** `value | null`: the API says null for "not measured", never leaves a field out. */
export const Nullable = <T extends Parameters<typeof Type.Union>[0][number]>(value: T) => Type.Union([value, Type.Null()])

/** Percent of one node's own capacity. */
export const Load = Type.Object({ cpuPct: Type.Number(), ramPct: Type.Number(), gpuPct: Type.Number() })

export const CapacityBody = Type.Object({ cores: Type.Number(), ramBytes: Type.Number(), gpus: Type.Number() })

export const RoleBody = Type.Union([Type.Literal('edge'), Type.Literal('cloud'), Type.Literal('client')])

export const NodeStateBody = Type.Union([
  Type.Literal('green'),
  Type.Literal('red'),
  Type.Literal('draining'),
  Type.Literal('leaving'),
  Type.Literal('lost'),
])

export const ServiceTypeBody = Type.Union([Type.Literal('stateful'), Type.Literal('stateless')])

export const MoveModeBody = Type.Union([
  Type.Literal('stateless'),
  Type.Literal('stop-copy'),
  Type.Literal('pre-copy'),
  Type.Literal('post-copy'),
  Type.Literal('hybrid'),
])

/** A quota as it was written: `0.5` cores, `256Mi`, or `10%` of the host. */
export const Quota = Type.String({ minLength: 1, maxLength: 32 })

export const ProfileBody = Type.Object({
  cpu: Type.Optional(Quota),
  ram: Type.Optional(Quota),
  gpu: Type.Optional(Quota),
})

/** A name, an id or a unique prefix of either. */
export const Reference = Type.String({ minLength: 1, maxLength: 128 })
