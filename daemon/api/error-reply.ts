// Which status does an error get, and what is said of it? Codes of all rooms in one table; the CLI turns the status into its exit code
// (cli/exit-code.ts), so that both always agree. A code that stands nowhere is 500: a failure, not a refusal.

import { ShoalError } from '../../placement/shoal-error.ts'
import type { ErrorBody } from './schema/error.ts'

/** 400 cannot be understood · 401, 403 not authorised · 404 not found · 409 conflict · 413 too large · 422 refused · 503 not now · 504 timed out. */
export type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 413 | 422 | 500 | 503 | 504

const statusOf: Readonly<Record<string, ErrorStatus>> = {
  API_REQUEST_INVALID: 400,
  PROFILE_REFUSED: 400,
  STRATEGY_UNKNOWN: 400,
  SERVICE_INVALID: 400,
  SERVICE_AMBIGUOUS: 400,
  NODE_AMBIGUOUS: 400,
  MESH_AMBIGUOUS_NAME: 400,
  API_TOKEN_REQUIRED: 401,
  API_HOST_REFUSED: 403,
  API_ORIGIN_REFUSED: 403,
  MESH_NOT_MEMBER: 403,
  NOT_ADMITTING: 403,
  NOT_A_MEMBER: 403,
  REMOVED: 403,
  WINDOW_FORBIDDEN: 403,
  TOKEN_MALFORMED: 400,
  TOKEN_VERSION: 400,
  TOKEN_TTL: 400,
  WINDOW_DURATION: 400,
  TOKEN_UNKNOWN: 403,
  TOKEN_EXPIRED: 403,
  TOKEN_OTHER_MESH: 403,
  ALREADY_MEMBER: 409,
  NOT_SETTLED: 503,
  WAITING_FOR_APPROVAL: 403,
  API_NO_SUCH_ROUTE: 404,
  SERVICE_NOT_FOUND: 404,
  NODE_NOT_FOUND: 404,
  PROFILE_NOT_FOUND: 404,
  MOVE_NOT_FOUND: 404,
  MESH_UNKNOWN_NODE: 404,
  SERVICE_NAME_TAKEN: 409,
  SERVICE_MOVING: 409,
  SERVICE_RUNNING: 409,
  SERVICE_NOT_RUNNING: 409,
  NO_NODE_FITS: 422,
  NOT_REACHABLE: 422,
  SERVICE_NOT_HERE: 409,
  MESH_RECORD_STALE: 409,
  NAME_TAKEN: 409,
  API_BODY_TOO_LARGE: 413,
  MESH_MESSAGE_TOO_LARGE: 413,
  MOVE_BUSY: 409,
  MOVE_NOT_OWNED: 409,
  MOVE_NOT_MOVABLE: 409,
  MOVE_NO_CANDIDATE: 422,
  MOVE_NO_ROOM: 422,
  MOVE_CPU_DIFFERS: 422,
  MOVE_CRIU_OLDER: 422,
  MOVE_MODE_UNAVAILABLE: 422,
  MOVE_PLATFORM: 422,
  MOVE_LIMIT: 503,
  MOVE_PEER_LOST: 503,
  MOVE_PEER_SILENT: 504,
  IMAGE_MISSING: 422,
  NO_SUCH_IMAGE: 422,
  NODE_HOSTS_NOTHING: 422,
  NODE_LOST: 422,
  SERVICES_FULL: 422,
  RUNTIME_MISSING: 422,
  LIMITS_REFUSED: 422,
  START_FAILED: 422,
  ENGINE_REFUSED: 422,
  DISK_FULL: 422,
  API_TOO_MANY_LISTENERS: 503,
  ENGINE_UNREACHABLE: 503,
  SERVICE_BUSY: 503,
  NODE_IN_NO_MESH: 503,
  MESH_PEER_BUSY: 503,
  MESH_PEER_UNREACHABLE: 503,
  TIMED_OUT: 504,
}

export interface ErrorReply {
  readonly status: ErrorStatus
  readonly body: ErrorBody
}

/** The codes with a status of their own; a test holds them against the rooms' tables. */
export const knownCodes = (): readonly string[] => Object.keys(statusOf)

/** The status for an error's code. Whatever stands in the way of a move (`OBSTACLE_…`) and `…_REFUSED` of any room is a refusal. */
function statusFor(code: string): ErrorStatus {
  const known = statusOf[code]
  if (known !== undefined) return known
  if (code.startsWith('OBSTACLE_') || code.endsWith('_REFUSED')) return 422
  return code.endsWith('_NOT_FOUND') ? 404 : 500
}

/** What the API answers. An error without a code is ours: its text goes to the log, not to the caller. */
export function errorReply(error: unknown): ErrorReply {
  if (error instanceof ShoalError) {
    return { status: statusFor(error.code), body: { code: error.code, message: error.message, hint: error.hint } }
  }
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return {
      status: 504,
      body: {
        code: 'TIMED_OUT',
        message: 'it did not end in time and may still go on',
        hint: 'look again with `shoal ls` or `shoal moves ls`',
      },
    }
  }
  return {
    status: 500,
    body: {
      code: 'INTERNAL',
      message: 'an error of Shoal itself',
      hint: 'its cause stands in the log of this node; please report it',
    },
  }
}
