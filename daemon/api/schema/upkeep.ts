// What a node says of its own health and settings, and what it tells as it happens.

import { type Static, Type } from 'typebox'
import { Nullable } from './quantities.ts'

/** One check of `doctor`: what was looked at, what was found, what to do. */
export const CheckBody = Type.Object({
  name: Type.String(),
  level: Type.Union([Type.Literal('ok'), Type.Literal('warning'), Type.Literal('failed')]),
  says: Type.String(),
  hint: Type.String(),
})

export const DoctorReply = Type.Object({ checks: Type.Array(CheckBody) })
export type DoctorReply = Static<typeof DoctorReply>

/** One setting in force and what set it. */
export const SettingBody = Type.Object({ key: Type.String(), value: Type.Unknown(), origin: Type.String() })

export const ConfigReply = Type.Object({ settings: Type.Array(SettingBody) })
export type ConfigReply = Static<typeof ConfigReply>

/** For people: nothing may act on it. `id` grows by one, so that a listener can say where it stopped. */
export const EventBody = Type.Object({
  id: Type.Integer(),
  atMs: Type.Number(),
  kind: Type.String(),
  says: Type.String(),
  node: Nullable(Type.String()),
  service: Nullable(Type.String()),
})
export type EventBody = Static<typeof EventBody>
