// With which exit status does the CLI end? One table, from the API's status (api/error-reply.ts) or the error itself. Stable: scripts rely on it.

import { CommanderError } from 'commander'
import { ShoalError } from '../../placement/shoal-error.ts'
import { ApiReplyError } from './client.ts'

/** 0 done · 1 failed · 2 usage · 3 not found · 4 refused · 5 not authorised · 6 daemon unreachable · 7 timed out, still running · 8 conflict · 130 interrupted. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  notAuthorised: 5,
  unreachable: 6,
  timedOut: 7,
  conflict: 8,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const byStatus: Readonly<Record<number, ExitCode>> = {
  400: EXIT.usage,
  401: EXIT.notAuthorised,
  403: EXIT.notAuthorised,
  404: EXIT.notFound,
  409: EXIT.conflict,
  413: EXIT.usage,
  422: EXIT.refused,
  504: EXIT.timedOut,
}

const byCode: Readonly<Record<string, ExitCode>> = {
  DAEMON_UNREACHABLE: EXIT.unreachable,
  USAGE: EXIT.usage,
  TIMED_OUT: EXIT.timedOut,
  PROFILE_REFUSED: EXIT.usage,
}

/** The status for whatever was thrown. */
export function exitCodeFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  if (error instanceof ApiReplyError) return byStatus[error.status] ?? EXIT.failed
  if (error instanceof ShoalError) return byCode[error.code] ?? (error.code.startsWith('CONFIG_') ? EXIT.usage : EXIT.failed)
  return EXIT.failed
}
