// What happened on this node lately, for people: the last events in a ring, and everyone who follows them. Told by compose.ts from the mesh, the
// services, the mover and the control loop; followed by GET /api/events. Nothing may act on an event.

import type { Clock } from '../../placement/clock.ts'
import { EVENTS_ALIVE_MS, EVENTS_KEPT, EVENTS_WAITING_MAX } from './bounds.ts'
import type { EventFeed } from './node-actions.ts'
import type { EventBody } from './schema/upkeep.ts'

/** What is told; the feed adds number and time. */
export interface Told {
  readonly kind: string
  readonly says: string
  readonly node?: string | null
  readonly service?: string | null
}

export interface RunningFeed extends EventFeed {
  tell(event: Told): void
}

interface Listener {
  readonly waiting: (EventBody | 'alive')[]
  wake: () => void
}

/** A feed with its own numbering: it begins anew with the daemon. */
export function eventFeed(clock: Clock): RunningFeed {
  const kept: EventBody[] = []
  const listeners = new Set<Listener>()
  let lastId = 0

  return {
    tell({ kind, says, node, service }) {
      lastId += 1
      const event = { id: lastId, atMs: clock.wallNow(), kind, says, node: node ?? null, service: service ?? null }
      kept.push(event)
      if (kept.length > EVENTS_KEPT) kept.shift()
      for (const { waiting, wake } of listeners) {
        waiting.push(event)
        if (waiting.length > EVENTS_WAITING_MAX) waiting.shift()
        wake()
      }
    },

    async *follow(afterId, signal) {
      // A number from before a restart may be higher than any of ours: then all that is kept is new.
      const from = afterId === undefined || afterId > lastId ? (afterId === undefined ? lastId : 0) : afterId
      const waiting: Listener['waiting'] = kept.filter(event => event.id > from).slice(-EVENTS_WAITING_MAX)
      const listener: Listener = { waiting, wake: () => undefined }
      listeners.add(listener)
      signal.addEventListener('abort', () => listener.wake(), { once: true })
      try {
        while (!signal.aborted) {
          const next = listener.waiting.shift()
          if (next === undefined) await something(clock, listener)
          else yield next
        }
      } finally {
        listeners.delete(listener)
      }
    },
  }
}

/** Resolves when there is an event, when a sign of life is due, or when the listener leaves. */
async function something(clock: Clock, listener: Listener): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  listener.wake = resolve
  const cancel = clock.after(EVENTS_ALIVE_MS, () => {
    listener.waiting.push('alive')
    resolve()
  })
  await promise
  cancel()
}
