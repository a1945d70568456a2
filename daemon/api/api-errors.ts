// Which errors are the API's own, and the CLI's when it speaks to the API? One table of codes, part of the daemon's (errors.ts).

import { ShoalError } from '../../placement/shoal-error.ts'

/** Code → what it means in general; the error itself says what happened this time. */
export const API_ERRORS = {
  API_REQUEST_INVALID: 'a request to the API does not have the form its schema asks for',
  API_BODY_TOO_LARGE: 'a request to the API is larger than any may be',
  API_NO_SUCH_ROUTE: 'the API has nothing at that path',
  API_HOST_REFUSED: 'a request named a host that this node is not (DNS rebinding)',
  API_ORIGIN_REFUSED: 'a page of another site sent a request to the API',
  API_TOKEN_REQUIRED: 'the API asks for a token that was not given',
  SELF_REMOVAL_REFUSED: 'a node takes itself out of its mesh only when forced',
  API_PORT_TAKEN: 'the address of the API cannot be listened on',
  API_SOCKET_TAKEN: 'another daemon answers on the socket of the CLI',
  API_TOO_MANY_LISTENERS: 'more follow events or logs than the API serves at once',
  API_ANSWER_INVALID: 'the daemon answered what this CLI does not understand',
  DAEMON_UNREACHABLE: 'no daemon answers where the CLI asked',
  TIMED_OUT: 'it did not end in time and may still go on',
  USAGE: 'the command line cannot be understood',
  INTERNAL: 'an error of Shoal itself, with its cause in the log',
} as const satisfies Readonly<Record<string, string>>

export type ApiErrorCode = keyof typeof API_ERRORS

/** A request that cannot be served, or a CLI that cannot reach its daemon. */
export class ApiError extends ShoalError<ApiErrorCode> {}
