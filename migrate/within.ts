// A deadline and a cancellation for anything that waits, on the clock that was passed in. Used all over this room.

import type { Clock } from '../placement/clock.ts'
import type { Millis } from '../placement/view.ts'

export interface Wait {
  readonly clock: Clock
  readonly ms: Millis
  readonly signal: AbortSignal
  /** Makes the error of a wait that took too long. */
  readonly late: () => Error
}

/**
 * Settles as `work` does, unless `ms` pass (rejects with `late()`) or `signal` fires (rejects with its reason) first. The work itself
 * goes on: give it a signal of its own if it should stop.
 */
export function within<T>(work: Promise<T>, { clock, ms, signal, late }: Wait): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const settle = (then: () => void): void => {
      cancel()
      signal.removeEventListener('abort', aborted)
      then()
    }
    const aborted = (): void => settle(() => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted')))
    const cancel = clock.after(ms, () => settle(() => reject(late())))
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    work.then(
      value => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
    )
  })
}

/** Resolves after `ms`; rejects at once when `signal` fires. */
export function pause(clock: Clock, ms: Millis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      cancel()
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    }
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', aborted)
      resolve()
    })
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
  })
}

/** The n-th pause (from 0) of a growing row: doubles from `first` up to `last`. */
export const backoffMs = (row: { readonly first: Millis; readonly last: Millis }, n: number): Millis =>
  Math.min(row.last, row.first * 2 ** Math.min(n, 30))
