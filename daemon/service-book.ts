// What the mover asks of the services: whose copy is here, hold it, keep it, let it go, take it over. Implements migrate's ServiceBook over the
// service keeper; every step takes the service's turn, so that no stop, restart or removal comes in between. Built by compose.ts.

import type { OwnedService, ServiceBook } from '../migrate/ports.ts'
import { invariant } from '../placement/shoal-error.ts'
import type { ServiceId, ServiceRecord } from '../placement/view.ts'
import { ServiceError } from './service-errors.ts'
import type { ServiceKeeper } from './service-keeper.ts'

/** The book of one node. What it writes is durable before it resolves: the registry's `put` is. */
export function serviceBook(keeper: ServiceKeeper): ServiceBook {
  const { registry, self, tell } = keeper.parts

  const owned = (id: ServiceId): OwnedService | undefined => {
    const record = registry.get(id)
    const containerId = keeper.kept.get(id)?.containerId
    if (record === undefined || record.deleted || record.owner !== self || containerId === undefined) return undefined
    return { record, containerId }
  }

  return {
    owned,

    known: id => registry.get(id),

    markMoving: (id, moveId) =>
      keeper.turns.take(id, async () => {
        const record = keeper.record(id)
        const kept = keeper.entry(id)
        if (kept.move !== undefined && kept.move !== moveId) {
          throw new ServiceError('SERVICE_MOVING', {
            what: `${record.spec.name} is being moved already`,
            hint: 'wait for that move to end: `shoal moves ls`',
          })
        }
        keeper.forgetRestart(kept)
        kept.move = moveId
        try {
          await keeper.say(id, 'moving', '')
        } catch (error) {
          kept.move = undefined
          throw error
        }
      }),

    markKept: (id, _moveId, reason) =>
      keeper.turns.take(id, async () => {
        const record = registry.get(id)
        const kept = keeper.kept.get(id)
        if (kept === undefined || record === undefined) return
        kept.move = undefined
        if (record.owner !== self) {
          // The mesh has a newer epoch elsewhere: whatever the move thought, this copy must not run.
          keeper.kept.delete(id)
          if (kept.containerId !== undefined) await keeper.park(kept.containerId, record, keeper.life)
          return
        }
        if (record.deleted) return
        await keeper.say(id, 'running', reason)
        // It may have ended while it was held: then its restart policy has the word.
        await keeper.settle(id, false)
      }),

    letGo: (id, _moveId, to) =>
      keeper.turns.take(id, async () => {
        const kept = keeper.kept.get(id)
        if (kept === undefined) return
        keeper.forgetRestart(kept)
        keeper.kept.delete(id)
        tell({ kind: 'service-ended', service: id, says: `${registry.get(id)?.spec.name ?? id} lives on ${to} now` })
      }),

    takeOver: (record, containerId) => keeper.turns.take(record.id, () => takeOver(keeper, record, containerId)),
  }
}

async function takeOver(keeper: ServiceKeeper, record: ServiceRecord, containerId: string): Promise<void> {
  const { registry, self, tell } = keeper.parts
  invariant(record.owner === self, `service ${record.id} is taken over by ${self} in the name of ${record.owner}`)
  const known = registry.get(record.id)
  if (known !== undefined && overtakes(known, record)) {
    // The copy runs, and in nobody's name: the newer epoch is the service. Booked for that one, it is left alone.
    const booked = known.owner === self && keeper.kept.get(record.id)?.containerId === containerId
    if (!booked) await keeper.park(containerId, known, keeper.life)
    return
  }
  if (known === undefined || known.epoch < record.epoch) await registry.put(record)
  const kept = keeper.entry(record.id)
  keeper.forgetRestart(kept)
  kept.containerId = containerId
  kept.move = undefined
  kept.limits = undefined
  tell({ kind: 'service-started', service: record.id, says: `${record.spec.name} lives here now (epoch ${record.epoch})` })
}

/** Whether what is known leaves nothing to take over: a newer epoch, or this epoch in another's hands. */
function overtakes(known: ServiceRecord, record: ServiceRecord): boolean {
  return known.epoch > record.epoch || (known.epoch === record.epoch && known.owner !== record.owner)
}
