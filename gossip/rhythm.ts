// Doing something again and again on a clock that is passed in, and knowing how late one is: a stalled event loop must not be taken
// for silent peers.

import type { Clock } from '../placement/clock.ts'
import type { Millis } from '../placement/view.ts'

/** Runs `beat` every `ms`, with how much later than asked it runs. Returns what stops it. */
export function everyBeat(clock: Clock, ms: Millis, beat: (lateMs: Millis) => void): () => void {
  let due = clock.now() + ms
  let stopped = false
  const again = (): (() => void) =>
    clock.after(Math.max(0, due - clock.now()), () => {
      if (stopped) return
      const lateMs = Math.max(0, clock.now() - due)
      due = clock.now() + ms
      cancel = again()
      beat(lateMs)
    })
  let cancel = again()
  return () => {
    stopped = true
    cancel()
  }
}
