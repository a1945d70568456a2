// A clock for tests that stands until it is moved.

import type { Clock } from '../../placement/clock.ts'
import type { Millis } from '../../placement/view.ts'

export interface VirtualClock extends Clock {
  /** Moves time on and runs what falls due, in order. */
  advance(ms: Millis): void
}

export function virtualClock(): VirtualClock {
  let now = 0
  const due: { readonly at: Millis; readonly run: () => void }[] = []
  return {
    now: () => now,
    wallNow: () => 1_700_000_000_000 + now,
    after(ms, run) {
      const entry = { at: now + ms, run }
      due.push(entry)
      return () => {
        const at = due.indexOf(entry)
        if (at >= 0) due.splice(at, 1)
      }
    },
    advance(ms) {
      const until = now + ms
      for (;;) {
        const next = due.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        due.splice(due.indexOf(next), 1)
        now = Math.max(now, next.at)
        next.run()
      }
      now = until
    },
  }
}
