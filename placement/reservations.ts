// Which capacity has this node promised to moves under way? A promise lives until the node's first own sample taken wholly after commit: freed
// at commit, it makes more nodes red than no admission at all (docs/placement.md). Where samples are smoothed it fades as they learn.
// Pure: every function returns the next list. The same list serves a source for what has left but is still in its smoothed load.

import { MAX_RESERVATIONS, RESERVATION_DUST } from './limits.ts'
import { add, scale, ZERO } from './vec.ts'
import type { Millis, Vec } from './view.ts'

/** One promise. `id` is the move's. */
export interface Reservation {
  readonly id: string
  /** In percent of this node. */
  readonly holds: Vec
  /** Void from then on unless committed: the move never settled it. */
  readonly expiresAt: Millis
  /** When the copy became ours, or null while the move is under way. */
  readonly committedAt: Millis | null
  /** Own samples taken wholly after commit so far. */
  readonly samplesSince: number
}

export type Reservations = readonly Reservation[]

/** Adds or renews a promise. Null when the node holds as many as it may. */
export function reserve(
  list: Reservations,
  promise: { readonly id: string; readonly holds: Vec; readonly expiresAt: Millis },
): Reservations | null {
  const others = list.filter(entry => entry.id !== promise.id)
  if (others.length >= MAX_RESERVATIONS) return null
  return [...others, { ...promise, committedAt: null, samplesSince: 0 }]
}

/** The move committed: the promise stays until the samples have learnt of the load. Repeated: nothing changes. */
export function commit(list: Reservations, id: string, now: Millis): Reservations {
  return list.map(entry => (entry.id === id && entry.committedAt === null ? { ...entry, committedAt: now } : entry))
}

/** The move was dropped: free at once. */
export function release(list: Reservations, id: string): Reservations {
  return list.filter(entry => entry.id !== id)
}

/** Drops the promises that were never settled in time. */
export function expire(list: Reservations, now: Millis): Reservations {
  return list.some(entry => isVoid(entry, now)) ? list.filter(entry => !isVoid(entry, now)) : list
}

const isVoid = (entry: Reservation, now: Millis): boolean => entry.committedAt === null && entry.expiresAt <= now

/**
 * One more own sample, whose window began at `fromMs` (same clock as `commit`). A sample that began before the commit has seen the load only
 * in part and does not count.
 */
export function sampled(list: Reservations, fromMs: Millis, ewmaWeight: number): Reservations {
  if (list.every(entry => entry.committedAt === null)) return list
  return list
    .map(entry =>
      entry.committedAt !== null && entry.committedAt <= fromMs ? { ...entry, samplesSince: entry.samplesSince + 1 } : entry,
    )
    .filter(entry => (1 - ewmaWeight) ** entry.samplesSince > RESERVATION_DUST)
}

/** Sum of what is promised beyond what a load smoothed with this weight shows by now. Weight 1: beyond the newest raw sample. */
export function reserved(list: Reservations, ewmaWeight: number): Vec {
  return list.reduce((sum, entry) => add(sum, scale(entry.holds, (1 - ewmaWeight) ** entry.samplesSince)), ZERO)
}
