// When did each service move, and from where? Learnt from the registry's epochs, since the history must travel with a service whose owner
// changes: every node watches the same records. Budgets, cooldowns and the guard against ping-pong read it. Pure.

import { BUDGET_WINDOW_MS, MAX_HISTORIES, MAX_REMEMBERED_MOVES, MAX_RETRY_DOUBLINGS } from './limits.ts'
import type { PlacementSettings } from './presets.ts'
import type { Millis, NodeId, ServiceId, ServiceRecord } from './view.ts'

interface ServiceHistory {
  readonly owner: NodeId
  readonly epoch: number
  /** Oldest first, of the last hour. */
  readonly moves: readonly { readonly at: Millis; readonly from: NodeId }[]
  /** Attempts that failed since the last success, and when the last did. */
  readonly failures: number
  readonly failedAt: Millis
}

export type MoveHistory = ReadonlyMap<ServiceId, ServiceHistory>

type Known = Pick<ServiceRecord, 'id' | 'owner' | 'epoch'>

/** The history after a look at the registry: a higher epoch with another owner is a move, noticed `now`. Forgets what is gone. */
export function observe(history: MoveHistory, records: readonly Known[], now: Millis): MoveHistory {
  const next = new Map<ServiceId, ServiceHistory>()
  for (const record of records.slice(0, MAX_HISTORIES)) {
    const before = history.get(record.id)
    const moved = before !== undefined && record.epoch > before.epoch && record.owner !== before.owner
    const recent = (before?.moves ?? []).filter(move => now - move.at < BUDGET_WINDOW_MS)
    const moves = moved ? [...recent, { at: now, from: before.owner }].slice(-MAX_REMEMBERED_MOVES) : recent
    next.set(record.id, {
      owner: record.owner,
      epoch: record.epoch,
      moves,
      failures: moved ? 0 : (before?.failures ?? 0),
      failedAt: before?.failedAt ?? 0,
    })
  }
  return next
}

/** The history after an attempt that moved nothing. */
export function noteFailure(history: MoveHistory, service: ServiceId, now: Millis): MoveHistory {
  const before = history.get(service)
  if (before === undefined) return history
  return new Map(history).set(service, { ...before, failures: before.failures + 1, failedAt: now })
}

type Budget = Pick<PlacementSettings, 'serviceCooldownMs' | 'maxMovesPerServiceHour' | 'retryMs'>

/** Why a service may not move now, and for how long; null when it may. An emergency skips the cooldown, never the budget. */
export function heldBack(
  history: MoveHistory,
  service: ServiceId,
  at: { readonly now: Millis; readonly emergency: boolean; readonly settings: Budget },
): { readonly because: 'cooldown' | 'budget' | 'retry'; readonly forMs: Millis } | null {
  const known = history.get(service)
  if (known === undefined) return null
  const { now, emergency, settings } = at
  const recent = known.moves.filter(move => now - move.at < BUDGET_WINDOW_MS)
  const oldest = recent[recent.length - settings.maxMovesPerServiceHour]
  if (oldest !== undefined) return { because: 'budget', forMs: oldest.at + BUDGET_WINDOW_MS - now }
  if (known.failures > 0) {
    const forMs = known.failedAt + settings.retryMs * 2 ** Math.min(known.failures - 1, MAX_RETRY_DOUBLINGS) - now
    if (forMs > 0) return { because: 'retry', forMs }
  }
  const last = recent.at(-1)
  const rests = last === undefined ? 0 : last.at + settings.serviceCooldownMs - now
  return rests > 0 && !emergency ? { because: 'cooldown', forMs: rests } : null
}

/** Nodes the service has left within `guardMs`. */
export function leftRecently(history: MoveHistory, service: ServiceId, now: Millis, guardMs: Millis): ReadonlySet<NodeId> {
  const moves = history.get(service)?.moves ?? []
  return new Set(moves.filter(move => now - move.at < guardMs).map(move => move.from))
}
