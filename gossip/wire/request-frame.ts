// What travels on a standing request stream (/shoal/req/1). Whoever opened it asks; the other side answers on the same stream.
// q question → a answer (or x: never mind) · n notice, no answer · h sign of life → k the same number back, when asked for.

import type { Static } from 'typebox'
import Type from 'typebox'

const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const Name = Type.String({ minLength: 1, maxLength: 128 })

/** From the asking side. */
export const AskingFrame = Type.Union([
  Type.Object({ t: Type.Literal('q'), id: Id, name: Name, body: Type.Unknown() }),
  Type.Object({ t: Type.Literal('x'), id: Id }),
  Type.Object({ t: Type.Literal('n'), name: Name, body: Type.Unknown() }),
  Type.Object({ t: Type.Literal('h'), seq: Id, echo: Type.Boolean() }),
])
export type AskingFrame = Static<typeof AskingFrame>

/** From the answering side. */
export const AnsweringFrame = Type.Union([
  Type.Object({ t: Type.Literal('a'), id: Id, ok: Type.Literal(true), body: Type.Unknown() }),
  Type.Object({
    t: Type.Literal('a'),
    id: Id,
    ok: Type.Literal(false),
    code: Type.String({ maxLength: 64 }),
    what: Type.String({ maxLength: 4096 }),
    hint: Type.String({ maxLength: 4096 }),
  }),
  Type.Object({ t: Type.Literal('k'), seq: Id }),
])
export type AnsweringFrame = Static<typeof AnsweringFrame>
