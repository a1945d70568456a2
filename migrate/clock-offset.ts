// How far apart are the monotonic clocks of two nodes? Estimated by ping-pong on the move's own stream, with the error stated, so that a
// downtime that begins on one node and ends on the other can be told in milliseconds. Pure; the source side of a move calls it.

import type { Millis } from '../placement/view.ts'

/** One ping: when it left and came back on our clock, and what the peer's clock said in between. */
export interface PingSample {
  readonly sentMs: Millis
  readonly peerMs: Millis
  readonly backMs: Millis
}

export interface ClockOffset {
  /** Peer's clock minus ours. */
  readonly offsetMs: Millis
  /** The true offset is within plus or minus this: half the round trip of the best ping. */
  readonly errorMs: Millis
}

/** The estimate of the ping with the shortest way: only half its round trip can be asymmetric. Null without samples. */
export function clockOffset(samples: readonly PingSample[]): ClockOffset | null {
  const best = samples.toSorted((a, b) => a.backMs - a.sentMs - (b.backMs - b.sentMs))[0]
  if (best === undefined) return null
  const halfMs = (best.backMs - best.sentMs) / 2
  return { offsetMs: best.peerMs - (best.sentMs + halfMs), errorMs: halfMs }
}

export interface Stretch {
  /** Our clock when the freeze was asked for, and when it was answered. */
  readonly freezeAskedMs: Millis
  readonly frozenMs: Millis
  /** The peer's clock when the copy ran. */
  readonly ranAtMs: Millis
  readonly offset: ClockOffset
}

/**
 * From the answered freeze here to the first moment there. The program stopped somewhere within the freezing call, so that call's length
 * is part of the error. Rounded to tenths; never below 0, which only an offset worse than its error could give.
 */
export function downtime({ freezeAskedMs, frozenMs, ranAtMs, offset }: Stretch): { downtimeMs: Millis; errorMs: Millis } {
  const tenths = (ms: number): number => Math.round(ms * 10) / 10
  return {
    downtimeMs: Math.max(0, tenths(ranAtMs - offset.offsetMs - frozenMs)),
    errorMs: tenths(offset.errorMs + (frozenMs - freezeAskedMs)),
  }
}
