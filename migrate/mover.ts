// The one path of every move: `shoal move` and the control loop ask here, streams of peers arrive here, a starting daemon recovers here.
// Built by daemon/compose.ts from the ports and a checkpoint driver; the protocol is docs/protocols/move.md.

import { Arrivals } from './arrivals.ts'
import type { CheckpointDriver } from './checkpoint/driver.ts'
import { Departures } from './departures.ts'
import type { MoveRequest } from './departures.ts'
import { MoveError } from './errors.ts'
import { isSettled, recover } from './journal.ts'
import { LIMITS } from './limits.ts'
import { moveLedger } from './move-ledger.ts'
import type { MoveEvent, MoveLedger } from './move-ledger.ts'
import type { MoveRecord } from './move-record.ts'
import type { MoverPorts, MoveStream } from './ports.ts'
import { within } from './within.ts'
import type { NodeId, ServiceId } from '../placement/view.ts'

export interface Mover {
  /**
   * Goes on with what the last daemon left, on both sides. Call it once, after the mesh can be reached and before any container is started
   * or thawed. Resolves when every move has ended or waits for a target that does not answer.
   */
  recover(): Promise<void>
  /**
   * See {@link Departures.move}: resolves at the end of the move, or when it is unresolved and goes on asking. `signal` calls the move off,
   * as long as it was not handed over.
   */
  move(request: MoveRequest, signal: AbortSignal): Promise<MoveRecord>
  /** Serves one stream of {@link MOVE_PROTOCOL}. Never rejects. */
  handle(stream: MoveStream): Promise<void>
  list(): readonly MoveRecord[]
  get(id: string): MoveRecord | undefined
  /** Whether a move holds the service, coming or going. */
  busy(service: ServiceId): boolean
  /** Moves under way, both directions, unresolved ones too. */
  running(): number
  /** For the load sampler: moves that use this node's CPU and memory now, and how many of either direction have begun since start. */
  activity(): { readonly running: number; readonly begun: number }
  onEvent(listener: (event: MoveEvent) => void): () => void
  /** Target: what the source measured of a move that arrived here. Of a move this node took no part in, nothing is kept. */
  learn(told: MoveRecord): Promise<void>
  /** Undoes what may still be undone, then lets go; the rest is finished by the next `recover`. */
  stop(): Promise<void>
}

export interface MoverExtras {
  /** A target's fresh load, from its answer to an offer. */
  readonly onPeerLoad?: (peer: NodeId, load: unknown) => void
}

/** Builds the mover. Refuses moves and offers until `recover` has read the journal. */
export function createMover(ports: MoverPorts, driver: CheckpointDriver, extras: MoverExtras = {}): Mover {
  const ledger = moveLedger(ports.records)
  const halt = new AbortController()
  const parts = { ports, driver, ledger, halt: halt.signal }
  const departures = new Departures({ ...parts, onPeerLoad: extras.onPeerLoad ?? (() => undefined) })
  const arrivals = new Arrivals(parts)
  const ready = Promise.withResolvers<void>()

  async function recoverAll(): Promise<void> {
    await ledger.load()
    const left = recover(await ports.journal.all())
    await closeStale(
      ledger,
      left.map(recovery => recovery.move),
    )
    const work = left.map(async recovery => {
      if (recovery.side === 'target') return arrivals.recover(recovery)
      if (isSettled(recovery)) return ports.journal.drop(recovery.move)
      return departures.recover(recovery)
    })
    // Questions of peers may be answered meanwhile: each goes to its own move.
    ready.resolve()
    await Promise.all(work)
  }

  const untilReady = (): Promise<void> =>
    within(ready.promise, {
      clock: ports.clock,
      ms: LIMITS.offerMs,
      signal: halt.signal,
      late: () => new MoveError('MOVE_BUSY', { what: 'this node is still taking up its moves', hint: 'try again in a moment' }),
    })

  return {
    recover: recoverAll,
    move: async (request, signal) => {
      await untilReady()
      return departures.move(request, signal)
    },
    handle: async stream => {
      try {
        await untilReady()
      } catch (error) {
        stream.abort(error instanceof Error ? error : new Error(String(error)))
        return
      }
      await arrivals.handle(stream)
    },
    list: () => ledger.list(),
    get: id => ledger.get(id),
    busy: service => departures.busy(service) || arrivals.busy(service),
    running: () => departures.running + arrivals.running,
    activity: () => ({
      running: departures.running - departures.asking + arrivals.running,
      begun: departures.begun + arrivals.begun,
    }),
    onEvent: listener => ledger.onEvent(listener),
    learn: told => ledger.learn(told),
    stop: async () => {
      ready.promise.catch(() => undefined)
      const why = {
        code: 'MOVE_CANCELLED',
        what: 'the daemon of this node is stopping',
        hint: 'the service runs on at the source',
      }
      await Promise.all([departures.callOff(why), arrivals.callOff(why)])
      halt.abort(new MoveError('MOVE_RESTARTED', { what: 'the daemon of this node is stopping', hint: 'the next start goes on' }))
    },
  }
}

/** A record that says running without a journal entry never froze anything. */
async function closeStale(ledger: MoveLedger, journaled: readonly string[]): Promise<void> {
  const bases = new Set(journaled.flatMap(move => [move, move.replace(/\.\d+$/, '')]))
  const error = { code: 'MOVE_RESTARTED', what: 'the daemon was restarted during the move', hint: 'move the service again' }
  for (const record of ledger.list()) {
    if (record.outcome === 'running' && !bases.has(record.id))
      await ledger.keep({ ...record, outcome: 'failed', error }, 'restarted')
  }
}
