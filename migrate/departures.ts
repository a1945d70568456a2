// Moves leaving this node: candidates in order, a bounded number at once, none of a service twice, every one in the ledger. The mover's
// source half; `shoal move` and the control loop both come through here.

import type { CheckpointDriver } from './checkpoint/driver.ts'
import { MoveError, described } from './errors.ts'
import type { MoveFacts, Recovery } from './journal.ts'
import { LIMITS } from './limits.ts'
import { modePlan } from './modes/mode-table.ts'
import type { ModePlan } from './modes/mode.ts'
import type { MoveLedger } from './move-ledger.ts'
import type { MoveRecord } from './move-record.ts'
import { tickets } from './move-tickets.ts'
import { outgoingRecord, startOutgoing } from './outgoing.ts'
import type { Outgoing } from './outgoing.ts'
import type { MoverPorts, OwnedService } from './ports.ts'
import type { Failure, SourceState } from './source-machine.ts'
import type { MoveMode, NodeId, ServiceId } from '../placement/view.ts'

export interface MoveRequest {
  readonly service: ServiceId
  /** Targets to try, best first. */
  readonly candidates: readonly NodeId[]
  readonly mode: MoveMode
  /** The strategy that ranked them, or `by-hand`. */
  readonly strategy: string
  readonly reason: string
}

/** One request and what it begins with. */
interface Trial {
  readonly request: MoveRequest
  readonly owned: OwnedService
  readonly plan: ModePlan
  readonly startedMs: number
  readonly signal: AbortSignal
}

export interface DeparturesParts {
  readonly ports: MoverPorts
  readonly driver: CheckpointDriver
  readonly ledger: MoveLedger
  readonly halt: AbortSignal
  /** A target answered an offer: its fresh load replaces what the view says of it. */
  readonly onPeerLoad: (peer: NodeId, load: unknown) => void
}

const words: Readonly<Record<SourceState['at'], string>> = {
  idle: 'begins',
  checking: 'looks for obstacles',
  offering: 'offers',
  preparing: 'prepares the target',
  rechecking: 'waits for its turn to freeze',
  freezing: 'is frozen and carried over',
  'handed-over': 'is handed over: the target decides',
  asking: 'asks the target for the outcome',
  releasing: 'runs on the target; the copy here is removed',
  thawing: 'is undone: the service runs on here',
  withdrawing: 'is withdrawn',
  'writing-off': 'is lost: the target does not have it and the copy here does not run',
  ended: 'is over',
}

export class Departures {
  readonly #parts: DeparturesParts
  readonly #tickets = tickets(LIMITS.outgoing)
  readonly #freezeLane = tickets(1)
  readonly #live = new Map<ServiceId, Outgoing | undefined>()
  /** Services whose move only waits for the word of a target that does not answer. */
  readonly #unresolved = new Set<ServiceId>()
  #begun = 0

  constructor(parts: DeparturesParts) {
    this.#parts = parts
  }

  busy(service: ServiceId): boolean {
    return this.#live.has(service)
  }
  get running(): number {
    return this.#live.size
  }
  /** Those among the running that do nothing but ask, now and then. */
  get asking(): number {
    return this.#unresolved.size
  }
  /** How many have begun since the start of the daemon. */
  get begun(): number {
    return this.#begun
  }

  /** Calls off what may still be called off; answers when those have undone themselves. */
  async callOff(why: Failure): Promise<void> {
    const ending = [...this.#live.values()].flatMap(outgoing => (outgoing?.run.cancel(why) ? [outgoing.run.ended] : []))
    await Promise.allSettled(ending)
  }

  /**
   * Moves a service to the first candidate that takes it. Resolves with the record, however it went; rejects with a `MoveError` when there
   * was nothing to try (not owned, busy, mode unknown, no candidate). Once the move is `unresolved` it resolves too, and the place is free for
   * another service: the target may be away for days. The attempt goes on asking, and its record is kept at its end.
   */
  async move(request: MoveRequest, signal: AbortSignal): Promise<MoveRecord> {
    const { ports } = this.#parts
    const plan = planOf(request.mode)
    const owned = this.#admit(request)
    this.#live.set(request.service, undefined)
    const startedMs = ports.clock.now()
    const waits = Promise.withResolvers<MoveRecord>()
    let back = (): void => undefined
    const attempts = async (): Promise<MoveRecord> => {
      try {
        back = await this.#tickets.take(AbortSignal.any([signal, this.#parts.halt]))
        this.#begun += 1
        return await this.#tryAll({ request, owned, plan, startedMs, signal }, record => {
          back()
          waits.resolve(record)
        })
      } finally {
        back()
        this.#live.delete(request.service)
      }
    }
    const over = attempts()
    const first = await Promise.race([waits.promise, over])
    // Nobody waits for the rest of an unresolved move.
    if (first.outcome === 'unresolved') over.catch((error: unknown) => this.#broke(first, error))
    return first
  }

  /** An attempt that nobody waits for ended by an error: told, unless the daemon stops, for then the next one goes on. */
  #broke(record: MoveRecord, error: unknown): void {
    const { halt, ledger } = this.#parts
    if (halt.aborted) return
    const failure = described(error, 'MOVE_ENGINE_FAILED')
    ledger.show(ledger.get(record.id) ?? record, `move of ${record.name} could not be closed: ${failure.code}: ${failure.what}`)
  }

  #admit(request: MoveRequest): OwnedService {
    const owned = this.#parts.ports.services.owned(request.service)
    if (owned === undefined) {
      throw new MoveError('MOVE_NOT_OWNED', {
        what: `this node does not own service ${request.service}`,
        hint: 'ask its owner: `shoal ls`',
      })
    }
    const { name } = owned.record.spec
    if (this.#live.has(request.service)) {
      throw new MoveError('MOVE_BUSY', { what: `${name} is being moved already`, hint: 'wait for it: `shoal moves ls`' })
    }
    if (request.candidates.length === 0) {
      throw new MoveError('MOVE_NO_CANDIDATE', { what: `no node to move ${name} to`, hint: '`shoal explain` says why none fits' })
    }
    return owned
  }

  async #tryAll(
    { request, owned, plan, startedMs, signal }: Trial,
    onUnresolved: (record: MoveRecord) => void,
  ): Promise<MoveRecord> {
    const { ports, ledger } = this.#parts
    const id = ports.newId()
    let record = freshRecord(id, request, owned, { from: ports.self, wallMs: ports.clock.wallNow() })
    const candidates = [...new Set(request.candidates)].filter(peer => peer !== ports.self).slice(0, LIMITS.candidates)
    for (const [index, to] of candidates.entries()) {
      const facts: MoveFacts = { service: owned.record, mode: request.mode, from: ports.self, to, containerId: owned.containerId }
      const state = await this.#attempt(
        {
          move: index === 0 ? id : `${id}.${index + 1}`,
          facts,
          plan,
          signal,
          strategy: request.strategy,
          reason: request.reason,
        },
        change => {
          record = change({ ...record, to })
          if (record.outcome === 'unresolved') onUnresolved(record)
          return record
        },
      )
      if (state.at !== 'ended' || state.how !== 'refused') break
      const refusal = state.because ?? described(undefined, 'MOVE_NO_CANDIDATE')
      record = { ...record, refusals: [...record.refusals, { ...refusal, node: to }] }
      if (signal.aborted) break
    }
    if (candidates.length === 0) {
      record = {
        ...record,
        outcome: 'refused',
        error: { code: 'MOVE_NO_CANDIDATE', what: 'the only candidate is this node', hint: 'name another' },
      }
    }
    record = { ...record, totalMs: Math.round(ports.clock.now() - startedMs) }
    await ledger.keep(record, ending(record))
    return record
  }

  /** One attempt; `update` folds each change into the record. */
  async #attempt(
    attempt: Pick<Parameters<typeof startOutgoing>[0], 'move' | 'facts' | 'plan' | 'strategy' | 'reason' | 'from'> & {
      signal: AbortSignal
    },
    update: (change: (record: MoveRecord) => MoveRecord) => MoveRecord,
  ): Promise<SourceState> {
    const { ports, driver, ledger, halt, onPeerLoad } = this.#parts
    const { signal, ...rest } = attempt
    let toldLoad: unknown = null
    const outgoing = startOutgoing({
      ...rest,
      ports,
      driver,
      halt,
      freezeLane: this.#freezeLane,
      onChange: (state, side) => {
        const record = update(before => outgoingRecord(before, state, side))
        if (record.outcome === 'unresolved') this.#unresolved.add(record.service)
        else this.#unresolved.delete(record.service)
        ledger.show(record, `move of ${record.name} ${words[state.at]}`)
        if (side.measures.peerLoad !== null && side.measures.peerLoad !== toldLoad) {
          toldLoad = side.measures.peerLoad
          onPeerLoad(attempt.facts.to, toldLoad)
        }
      },
    })
    this.#live.set(attempt.facts.service.id, outgoing)
    const cancel = (): void => {
      outgoing.run.cancel({ code: 'MOVE_CANCELLED', what: 'the move was called off', hint: 'the service runs on here' })
    }
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true })
    try {
      const state = await outgoing.run.ended
      update(before => outgoingRecord(before, state, outgoing.side))
      if (state.at === 'ended' && state.how !== 'stuck') await ports.journal.drop(attempt.move)
      return state
    } finally {
      signal.removeEventListener('abort', cancel)
      this.#unresolved.delete(attempt.facts.service.id)
      await outgoing.side.close()
    }
  }

  /** Goes on with a move the last daemon left. Resolves when it has ended, or waits for a target that does not answer. */
  recover(recovery: Extract<Recovery, { side: 'source' }>): Promise<void> {
    const { ports, ledger, halt } = this.#parts
    const { move, facts, step } = recovery
    const request = { service: facts.service.id, candidates: [facts.to], mode: facts.mode, strategy: 'recovered', reason: '' }
    const owned = { record: facts.service, containerId: facts.containerId ?? '' }
    const fresh = freshRecord(move, request, owned, { from: facts.from, wallMs: ports.clock.wallNow() })
    let record: MoveRecord = { ...(ledger.get(baseId(move)) ?? ledger.get(move) ?? fresh), to: facts.to }
    this.#begun += 1
    return new Promise(resolve => {
      const attempt = this.#attempt(
        { move, facts, plan: planOf(facts.mode), strategy: record.strategy, reason: record.reason, from: step, signal: halt },
        change => {
          record = change(record)
          if (record.outcome === 'unresolved') resolve()
          return record
        },
      )
      attempt
        .then(() => {
          record = { ...record, totalMs: Math.round(ports.clock.wallNow() - record.startedAtMs) }
          return ledger.keep(record, ending(record))
        })
        .catch((error: unknown) => this.#broke(record, error))
        .finally(() => {
          this.#live.delete(facts.service.id)
          resolve()
        })
    })
  }
}

const baseId = (move: string): string => move.replace(/\.\d+$/, '')

function planOf(mode: MoveMode): ModePlan {
  const plan = modePlan(mode)
  if (plan !== undefined) return plan
  throw new MoveError('MOVE_MODE_UNAVAILABLE', {
    what: `this version of Shoal does not move by ${mode}`,
    hint: 'use --mode stop-copy',
  })
}

function freshRecord(id: string, request: MoveRequest, owned: OwnedService, at: { from: NodeId; wallMs: number }): MoveRecord {
  return {
    id,
    side: 'source',
    service: request.service,
    name: owned.record.spec.name,
    type: owned.record.spec.type,
    mode: request.mode,
    strategy: request.strategy,
    reason: request.reason,
    from: at.from,
    to: null,
    startedAtMs: at.wallMs,
    phases: [],
    bytes: { image: 0, layer: 0, checkpoint: 0 },
    downtimeMs: null,
    errorMs: null,
    totalMs: null,
    outcome: 'running',
    refusals: [],
    error: null,
  }
}

function ending(record: MoveRecord): string {
  if (record.outcome === 'done')
    return `${record.name} moved to ${record.to ?? 'nowhere'} in ${record.totalMs} ms, down ${record.downtimeMs ?? '?'} ms`
  return `move of ${record.name} ended: ${record.outcome}${record.error === null ? '' : ` (${record.error.code}: ${record.error.what})`}`
}
