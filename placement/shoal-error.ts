// The one form of error in Shoal: a code, what happened, what to do. Each room has its own table of codes in `<room>/errors.ts`.
// It lives here because `placement/` is the innermost room: every other may import from it.

/** What an error says: `what` with its figures, a `hint` with the next step, and the `cause` where another error lies below. */
export interface ErrorDetail {
  readonly what: string
  readonly hint: string
  readonly cause?: unknown
}

/**
 * Base class of all errors a user may see. `code` is stable and listed in docs/errors.md; `message` is `what`; `hint` is the next step.
 */
export class ShoalError<Code extends string = string> extends Error {
  readonly code: Code
  readonly hint: string

  constructor(code: Code, detail: ErrorDetail) {
    super(detail.what, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = new.target.name
    this.code = code
    this.hint = detail.hint
  }
}

/** A broken invariant is a bug of ours, never bad input: the move or the service concerned is fenced, nothing limps on. */
export class InvariantError extends ShoalError<'INVARIANT_BROKEN'> {
  constructor(what: string) {
    super('INVARIANT_BROKEN', { what, hint: 'this is a bug in Shoal: please report it with the log of this node' })
  }
}

/** Throws {@link InvariantError} with `says` unless `holds`; left on in production. */
export function invariant(holds: boolean, says: string): asserts holds {
  if (!holds) throw new InvariantError(says)
}
