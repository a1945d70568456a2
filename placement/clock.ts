// Time as a value that is passed in, so that every wait and every decision runs in a test without waiting.

import type { Millis } from './view.ts'

/** What a room may ask of time. `now` is monotonic; `wallNow` only for what people read. */
export interface Clock {
  now(): Millis
  wallNow(): Millis
  /** Calls back once after `ms`; the returned function cancels. */
  after(ms: Millis, run: () => void): () => void
}
