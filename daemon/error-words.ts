// An error in one sentence for people: what happened, and the next step where there is one. For logs, reasons of a state, and notes.

import { ShoalError } from '../placement/shoal-error.ts'

/** `what; hint` of a ShoalError, else the message of whatever was thrown. */
export function errorWords(error: unknown): string {
  if (error instanceof ShoalError) return error.hint === '' ? error.message : `${error.message}; ${error.hint}`
  return error instanceof Error ? error.message : String(error)
}
