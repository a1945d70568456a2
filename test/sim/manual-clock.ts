// A clock that stands still until a test moves it: timers run in order of their moment, and nothing is waited for.

import type { Clock } from '../../placement/clock.ts'

interface Timer {
  readonly at: number
  readonly run: () => void
}

export class ManualClock implements Clock {
  #now = 0
  #timers: Timer[] = []
  /** Wall time at the start, ms. */
  readonly #wallStart: number

  constructor(wallStart = Date.UTC(2026, 0, 1)) {
    this.#wallStart = wallStart
  }

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return this.#wallStart + this.#now
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  /** Lets `ms` pass; after each timer, what it set going is let run. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      const next = this.#timers.filter(timer => timer.at <= end).toSorted((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#now = next.at
      this.#timers = this.#timers.filter(other => other !== next)
      next.run()
      await idle()
    }
    this.#now = end
    await idle()
  }
}

/** Lets everything that is ready run: promises, and what they set going. No time passes on any clock of ours. */
export async function idle(): Promise<void> {
  for (let turn = 0; turn < 25; turn += 1) await new Promise<void>(resolve => setImmediate(resolve))
}
