// The one form in which the API says no: a stable code, what happened, what to do. Every route answers errors with it.

import { type Static, Type } from 'typebox'

/** `code` is listed in docs/errors.md; `message` has the figures; `hint` is the next step, empty when there is none. */
export const ErrorBody = Type.Object({ code: Type.String(), message: Type.String(), hint: Type.String() })
export type ErrorBody = Static<typeof ErrorBody>
