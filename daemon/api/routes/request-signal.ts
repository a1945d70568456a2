// A signal per request: it fires when the client leaves, or when an action has taken longer than the API waits. Used by the routes.

import type { ServerResponse } from 'node:http'
import { ACTION_MS } from '../bounds.ts'

/** For streams: until the client leaves. */
export function untilGone(response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort(new DOMException('the client left', 'AbortError')))
  return gone.signal
}

/** For actions: until the client leaves or {@link ACTION_MS} have passed. */
export function untilGoneOrLate(response: ServerResponse): AbortSignal {
  return AbortSignal.any([untilGone(response), AbortSignal.timeout(ACTION_MS)])
}
