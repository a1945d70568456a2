// How many streams does this listener serve? Each holds a connection, so their number is bounded.

import { ApiError } from '../api-errors.ts'
import { STREAMS_MAX } from '../bounds.ts'

export class StreamCount {
  #open = 0

  /** Answers what to call when the stream is over (once is enough, more does no harm). @throws ApiError API_TOO_MANY_LISTENERS */
  enter(): () => void {
    if (this.#open >= STREAMS_MAX) {
      throw new ApiError('API_TOO_MANY_LISTENERS', {
        what: `${STREAMS_MAX} streams are open on this node already`,
        hint: 'close some of the pages and commands that follow events or logs',
      })
    }
    this.#open += 1
    let over = false
    return () => {
      if (!over) this.#open -= 1
      over = true
    }
  }
}
