// How is one service's copy kept as its record says? The lower half of the service keeper (services.ts is the upper one, for people's actions):
// it knows which container is whose, looks at one and takes the step that follows, restarts by the policy Shoal keeps, sets a copy aside that a
// newer epoch has overtaken, and writes states into the registry. What to do is decided in service-copies.ts.

import type { ProfileBook, ServiceRegistry } from '../gossip/mesh.ts'
import type { Clock } from '../placement/clock.ts'
import { invariant } from '../placement/shoal-error.ts'
import type { Capacity, NodeId, Role, ServiceId, ServiceRecord, ServiceSpec, ServiceState } from '../placement/view.ts'
import { containerPlan } from './container-plan.ts'
import type { ContainerSummary, Engine, Limits } from './engine.ts'
import { errorWords } from './error-words.ts'
import { PARKED_MAX } from './service-bounds.ts'
import { nextStep, type Standing, standingOf } from './service-copies.ts'
import { ServiceError } from './service-errors.ts'
import { sameLimits, serviceLimits } from './service-limits.ts'
import { afterExit } from './service-restart.ts'
import { Turns } from './service-turns.ts'

/** Something a person may want to know of a service. Nothing acts on it. */
export interface ServiceNote {
  readonly kind: 'service-started' | 'service-ended' | 'service-removed' | 'service-parked' | 'service-trouble' | 'service-limits'
  /** Null: not about one of them. */
  readonly service: ServiceId | null
  readonly says: string
}

export interface ServicesParts {
  readonly self: NodeId
  readonly role: Role
  readonly engine: Engine
  readonly registry: ServiceRegistry
  readonly profiles: Pick<ProfileBook, 'list'>
  /** What this node has: percent profiles are resolved against it. */
  readonly capacity: () => Capacity
  /** Id of the mesh, for the containers' marks; empty while this node belongs to none. */
  readonly mesh: () => string
  readonly clock: Clock
  readonly newId: () => ServiceId
  readonly tell: (note: ServiceNote) => void
  /** Where a registry can be reached: brings an image this node has not got. Absent: it must be here. */
  readonly fetchImage?: (reference: string, signal: AbortSignal) => Promise<void>
}

/** A copy kept aside because a newer epoch lives elsewhere: paused, never removed by itself. */
export interface ParkedCopy {
  readonly service: ServiceId
  readonly name: string
  readonly containerId: string
  /** The node that has the newer epoch. */
  readonly newerAt: NodeId
}

/** What the keeper remembers of one service beside its record. */
export interface Kept {
  containerId: string | undefined
  /** Restarts in a row that did not last. */
  streak: number
  cancelRestart: (() => void) | undefined
  /** Limits last applied; undefined: not known. */
  limits: Limits | undefined
  /** The move that holds it. */
  move: string | undefined
  lookQueued: boolean
  /** The last trouble told: the same is not told again and again. */
  toldTrouble: string
}

const fresh = (): Kept => ({
  containerId: undefined,
  streak: 0,
  cancelRestart: undefined,
  limits: undefined,
  move: undefined,
  lookQueued: false,
  toldTrouble: '',
})

/** See the head of this file. Every method but `look`, `yieldTo` and the readers is called in the service's own turn. */
export class ServiceKeeper {
  readonly parts: ServicesParts
  readonly turns = new Turns()
  readonly kept = new Map<ServiceId, Kept>()
  readonly #parked = new Map<string, ParkedCopy>()
  readonly #life = new AbortController()

  constructor(parts: ServicesParts) {
    this.parts = parts
  }

  /** Ends with the keeper. */
  get life(): AbortSignal {
    return this.#life.signal
  }

  /** Ends all waiting. No container is touched: services run on without the daemon. */
  async stop(): Promise<void> {
    this.#life.abort()
    for (const kept of this.kept.values()) kept.cancelRestart?.()
    await this.turns.idle()
  }

  parked(): readonly ParkedCopy[] {
    return [...this.#parked.values()]
  }

  /** The entry of a service of ours, made when it is missing. */
  entry(id: ServiceId): Kept {
    const kept = this.kept.get(id) ?? fresh()
    this.kept.set(id, kept)
    return kept
  }

  /** Something about this container may have changed: looks at it in its turn. Looks that wait already are enough. */
  async look(id: ServiceId): Promise<void> {
    const kept = this.kept.get(id)
    if (kept === undefined || kept.lookQueued) return
    kept.lookQueued = true
    try {
      await this.turns.take(id, () => {
        kept.lookQueued = false
        return this.settle(id, false)
      })
    } catch (error) {
      // The line was full: the next look must not think that this one still waits in it.
      kept.lookQueued = false
      throw error
    }
  }

  /** The registry knows a newer epoch elsewhere: our copy is paused and kept aside. A copy under a move is the mover's. */
  async yieldTo(newer: ServiceRecord): Promise<void> {
    await this.turns.take(newer.id, async () => {
      const kept = this.kept.get(newer.id)
      if (kept === undefined || kept.move !== undefined || newer.owner === this.parts.self) return
      this.forgetRestart(kept)
      this.kept.delete(newer.id)
      if (kept.containerId !== undefined) await this.park(kept.containerId, newer, this.life)
    })
  }

  /** Limits by the profile in force now. @throws PlacementError PROFILE_REFUSED */
  limitsOf(spec: ServiceSpec): Limits {
    return serviceLimits(spec, this.parts.profiles.list(), this.parts.capacity())
  }

  /** Writes the state into the registry; the same state and reason again is not written. */
  async say(id: ServiceId, state: ServiceState, reason: string): Promise<void> {
    const record = this.record(id)
    if (record.state === state && record.reason === reason) return
    await this.parts.registry.put({ ...record, state, reason, counter: record.counter + 1 })
  }

  /** The record of a service this node owns. @throws ServiceError SERVICE_NOT_HERE, SERVICE_NOT_FOUND */
  record(id: ServiceId): ServiceRecord {
    const record = this.parts.registry.get(id)
    if (record === undefined || record.deleted) {
      throw new ServiceError('SERVICE_NOT_FOUND', { what: `no service has the id ${id}`, hint: '`shoal ls` lists all services' })
    }
    if (record.owner !== this.parts.self) {
      throw new ServiceError('SERVICE_NOT_HERE', {
        what: `${record.spec.name} has moved away from this node`,
        hint: 'try again: the command finds its new node',
      })
    }
    return record
  }

  /** What a container on the engine is to this node. */
  standing(container: ContainerSummary): Standing {
    const { registry, self, mesh } = this.parts
    const record = container.marks === undefined ? undefined : registry.get(container.marks.service)
    return standingOf(container, record, self, mesh())
  }

  /** Pauses a copy that a newer epoch has overtaken and remembers it. */
  async park(containerId: string, newer: ServiceRecord, signal: AbortSignal): Promise<void> {
    const there = await this.parts.engine.inspect(containerId, signal)
    if (there === undefined) return
    if (there.state === 'running') await this.parts.engine.pause(containerId, signal)
    const { id: service, owner: newerAt, epoch } = newer
    const name = newer.spec.name
    if (this.#parked.size < PARKED_MAX) this.#parked.set(containerId, { service, name, containerId, newerAt })
    const says = `the copy of ${name} here was kept aside (paused): epoch ${epoch} of it lives on ${newerAt}`
    this.parts.tell({ kind: 'service-parked', service, says })
  }

  /** Creates the container of a service; what the engine answered is remembered. */
  async create(record: ServiceRecord, limits: Limits, signal: AbortSignal): Promise<void> {
    const { engine, mesh } = this.parts
    const kept = this.entry(record.id)
    // Of the one before, if there was any, nothing is left: the engine has no such container.
    kept.containerId = await engine.create(containerPlan({ record, mesh: mesh(), limits, epoch: record.epoch }), signal)
    kept.limits = limits
  }

  /** Starts the container and says so. */
  async launch(id: ServiceId, signal: AbortSignal): Promise<void> {
    const kept = this.kept.get(id)
    invariant(kept?.containerId !== undefined, `service ${id} is launched without a container`)
    await this.parts.engine.start(kept.containerId, signal)
    kept.toldTrouble = ''
    await this.say(id, 'running', '')
  }

  /** The service is gone for good: only its tombstone is left. */
  async bury(id: ServiceId): Promise<void> {
    const record = this.record(id)
    this.kept.delete(id)
    await this.parts.registry.put({ ...record, deleted: true, state: 'stopped', reason: 'removed', counter: record.counter + 1 })
  }

  /** Looks at the container and takes the one step that follows. */
  async settle(id: ServiceId, booting: boolean): Promise<void> {
    const { registry, engine, self, clock } = this.parts
    const kept = this.kept.get(id)
    const record = registry.get(id)
    if (kept === undefined || kept.move !== undefined || record === undefined || record.owner !== self || this.life.aborted)
      return
    const container = kept.containerId === undefined ? undefined : await engine.inspect(kept.containerId, this.life)
    const restartPending = kept.cancelRestart !== undefined
    const nowMs = clock.wallNow()
    const step = nextStep({ record, container, streak: kept.streak, restartPending, booting, nowMs })
    switch (step.do) {
      case 'nothing':
        return
      case 'say':
        await this.say(id, step.state, step.reason)
        this.parts.tell({
          kind: step.state === 'running' ? 'service-started' : 'service-ended',
          service: id,
          says: `${record.spec.name}: ${step.reason === '' ? step.state : step.reason}`,
        })
        return
      case 'start-later':
        return this.#startLater(id, kept, step)
      case 'create':
      case 'start':
        return this.#startNow(id)
    }
  }

  async #startLater(
    id: ServiceId,
    kept: Kept,
    step: { readonly afterMs: number; readonly streak: number; readonly reason: string },
  ): Promise<void> {
    kept.streak = step.streak
    await this.say(id, 'starting', step.reason)
    this.parts.tell({ kind: 'service-ended', service: id, says: `${this.record(id).spec.name}: ${step.reason}` })
    kept.cancelRestart = this.parts.clock.after(step.afterMs, () => {
      kept.cancelRestart = undefined
      this.turns.take(id, () => this.#startNow(id)).catch((error: unknown) => this.trouble(id, error))
    })
  }

  /** Starts what should run. A start that fails counts as an exit: the policy says whether it is tried again. */
  async #startNow(id: ServiceId): Promise<void> {
    const kept = this.kept.get(id)
    if (kept === undefined || kept.move !== undefined || this.life.aborted) return
    const record = this.record(id)
    try {
      const there = kept.containerId === undefined ? undefined : await this.parts.engine.inspect(kept.containerId, this.life)
      if (there === undefined) await this.create(record, this.limitsOf(record.spec), this.life)
      await this.launch(id, this.life)
      this.parts.tell({ kind: 'service-started', service: id, says: `${record.spec.name} runs` })
    } catch (error) {
      if (this.life.aborted) return
      const next = afterExit({ policy: record.spec.restart, exitCode: null, oomKilled: false, ranMs: null, streak: kept.streak })
      const why = errorWords(error)
      if (next.kind === 'stay') await this.say(id, 'failed', why)
      else await this.#startLater(id, kept, { ...next, reason: `${why}; tried again in ${next.afterMs} ms` })
    }
  }

  /** A person acts: what was waiting to restart is not. */
  forgetRestart(kept: Kept): void {
    kept.cancelRestart?.()
    kept.cancelRestart = undefined
    kept.streak = 0
  }

  /** Sets what the profile in force asks for where the container has something else. */
  async applyLimits(id: ServiceId): Promise<void> {
    const { engine, registry, self } = this.parts
    const kept = this.kept.get(id)
    const record = registry.get(id)
    if (kept?.containerId === undefined || kept.move !== undefined || record?.owner !== self || record.state !== 'running') return
    const wanted = this.limitsOf(record.spec)
    kept.limits ??= (await engine.inspect(kept.containerId, this.life))?.limits
    if (kept.limits === undefined || sameLimits(kept.limits, wanted)) return
    // Remembered before it is tried: what the engine refuses is tried once, not every second.
    kept.limits = wanted
    await engine.setLimits(kept.containerId, wanted, this.life)
    this.parts.tell({ kind: 'service-limits', service: id, says: `${record.spec.name}: the limits of its profile are set` })
  }

  /** Told, not thrown: nobody waits for an answer. */
  trouble(id: ServiceId | null, error: unknown): void {
    const says = errorWords(error)
    const kept = id === null ? undefined : this.kept.get(id)
    if (this.life.aborted || kept?.toldTrouble === says) return
    if (kept !== undefined) kept.toldTrouble = says
    this.parts.tell({ kind: 'service-trouble', service: id, says })
  }
}
