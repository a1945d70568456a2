// What the CLI says when it fails: what happened, and the next step, on standard error.

import { ShoalError } from '../../placement/shoal-error.ts'

/** `shoal: what` and, on a line of its own, the hint. */
export function failureInWords(error: unknown): string {
  const what = error instanceof Error ? error.message : String(error)
  const hint = error instanceof ShoalError && error.hint !== '' ? `\n  ${error.hint}` : ''
  return `shoal: ${what}${hint}`
}
