// What can go wrong in the lab itself, as opposed to in Shoal. Codes of this room; thrown by the files beside it.

import { ShoalError } from '../../placement/shoal-error.ts'

export type LabErrorCode =
  /** A command on the host or in a node ended with a code it should not have, or did not end in time. */
  | 'LAB_COMMAND_FAILED'
  /** `eventually` saw its deadline pass. */
  | 'LAB_NOT_IN_TIME'
  /** The lab lacks something it was asked for: a node, an image, a free network. */
  | 'LAB_UNAVAILABLE'
  /** A daemon in a node ended by itself. */
  | 'LAB_DAEMON_ENDED'

export class LabError extends ShoalError<LabErrorCode> {}
