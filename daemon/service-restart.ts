// A program ended: is it started again, when, and what is said of it if not? Pure. Called by services.ts; the policy is the service's own,
// the engine's is always `no`, because an engine that restarts by itself would revive a copy that has moved.

import type { Millis, RestartPolicy } from '../placement/view.ts'
import { RESTART_FIRST_MS, RESTART_HEALTHY_MS, RESTART_LONGEST_MS } from './service-bounds.ts'

export interface Exit {
  readonly policy: RestartPolicy
  /** Null when the engine did not say. */
  readonly exitCode: number | null
  readonly oomKilled: boolean
  /** How long this run lasted, ms; null when not known (it ended while no daemon looked). */
  readonly ranMs: Millis | null
  /** Restarts in a row that did not last. */
  readonly streak: number
}

export type AfterExit =
  | { readonly kind: 'restart'; readonly afterMs: Millis; readonly streak: number; readonly reason: string }
  | { readonly kind: 'stay'; readonly reason: string }

/** In words: `exit code 137, out of memory`. */
export function exitInWords(exit: Pick<Exit, 'exitCode' | 'oomKilled'>): string {
  const code = exit.exitCode === null ? 'ended, exit code unknown' : `exit code ${exit.exitCode}`
  return exit.oomKilled ? `${code}, out of memory` : code
}

/** Pause before the restart that follows `streak` restarts which did not last. */
export function restartPauseMs(streak: number): Millis {
  // 2 ** 10 × 100 ms is beyond the longest pause already; the exponent is capped so that it cannot overflow.
  return Math.min(RESTART_LONGEST_MS, RESTART_FIRST_MS * 2 ** Math.min(streak, 10))
}

/** What follows an exit nobody asked for. */
export function afterExit(exit: Exit): AfterExit {
  const words = exitInWords(exit)
  const again =
    exit.policy === 'always' || exit.policy === 'unless-stopped' || (exit.policy === 'on-failure' && exit.exitCode !== 0)
  if (!again) return { kind: 'stay', reason: words }
  const streak = exit.ranMs !== null && exit.ranMs >= RESTART_HEALTHY_MS ? 0 : exit.streak
  const afterMs = restartPauseMs(streak)
  return { kind: 'restart', afterMs, streak: streak + 1, reason: `${words}, starts again in ${afterMs} ms` }
}
