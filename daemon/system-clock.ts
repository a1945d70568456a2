// What time is it really? The one clock of a running node; tests pass a virtual one of the same form. Built by compose.ts.

import { performance } from 'node:perf_hooks'
import type { Clock } from '../placement/clock.ts'

/** Monotonic `now`, wall time for people, one-shot timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}
