// Every error of this room: its code and the sentence docs/errors.md shows for it. Decisions themselves never throw: "stay" is an answer.

import { type ErrorDetail, ShoalError } from './shoal-error.ts'

/** The table of codes. Codes are stable; sentences may change. */
export const placementErrors = {
  PROFILE_REFUSED: 'A profile holds an amount that cannot be read or makes no sense.',
  STRATEGY_UNKNOWN: 'No strategy has this name.',
  VIEW_REFUSED: 'A view given from outside (npm run decide) is not complete or contradicts itself.',
  // A target's no to an offer: answers, not throws; the source shows them with the move.
  ADMIT_ROLE: 'The target is a client and hosts nothing.',
  ADMIT_STATE: 'The target is draining or leaving.',
  ADMIT_CAPABILITY: 'The target cannot restore what the source runs.',
  ADMIT_RED: 'The target is over its threshold by now.',
  ADMIT_NO_ROOM: 'The service does not fit on the target beside its load and its promises.',
  ADMIT_STARTING: 'The target has not measured its own load yet.',
  ADMIT_FULL: 'The target holds as many promises to moves as it may.',
} as const

export type PlacementCode = keyof typeof placementErrors

/** Why a target refuses an offer. */
export type AdmissionCode = Extract<PlacementCode, `ADMIT_${string}`>

/** Bad input to placement: a profile, a strategy's name, a view from outside. */
export class PlacementError extends ShoalError<PlacementCode> {}

/** Shorthand so that call sites read as one sentence. */
export function refused(code: PlacementCode, detail: ErrorDetail): PlacementError {
  return new PlacementError(code, detail)
}
