// One thing at a time per service: actions by people, exits and moves take turns, in the order they came. Used by services.ts only.

import { ServiceError } from './service-errors.ts'
import { TURNS_WAITING_MAX } from './service-bounds.ts'

interface Line {
  last: Promise<unknown>
  waiting: number
}

/** A line per key; different keys do not wait for each other. */
export class Turns {
  readonly #lines = new Map<string, Line>()

  /**
   * Runs `work` when all earlier work of `key` is over, and answers with its result.
   * @throws ServiceError SERVICE_BUSY when the line is full
   */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { last: Promise.resolve(), waiting: 0 }
    if (line.waiting >= TURNS_WAITING_MAX) {
      throw new ServiceError('SERVICE_BUSY', {
        what: `${line.waiting} actions wait for ${key} already`,
        hint: 'wait for them; if they never end, the container engine hangs: see `shoal doctor`',
      })
    }
    this.#lines.set(key, line)
    line.waiting += 1
    const before = line.last
    // The next in line waits for the end of this work, not for its success.
    const mine = before.then(work)
    line.last = mine.then(
      () => undefined,
      () => undefined,
    )
    try {
      return await mine
    } finally {
      line.waiting -= 1
      if (line.waiting === 0) this.#lines.delete(key)
    }
  }

  /** Resolves when nothing is under way or waiting any more. */
  async idle(): Promise<void> {
    while (this.#lines.size > 0) await Promise.all([...this.#lines.values()].map(line => line.last))
  }
}
