// Who looks after the services this node owns? `Services`: people's actions (run, start, stop, remove), the watch over the engine's events, and
// limits held to the profiles in force. It never touches a container without Shoal's marks, nor one that a move holds. Built by compose.ts;
// actions reach it through remote-services.ts, the mover through service-book.ts. The lower half is service-keeper.ts.

import type { ServiceId, ServiceRecord, ServiceSpec } from '../placement/view.ts'
import type { ContainerSummary } from './engine.ts'
import { LIMITS_EVERY_MS, SERVICES_PER_NODE_MAX, SPEC_BYTES_MAX, STOP_GRACE_MS } from './service-bounds.ts'
import { ServiceError } from './service-errors.ts'
import { type Kept, type ParkedCopy, ServiceKeeper, type ServiceNote, type ServicesParts } from './service-keeper.ts'

/** All runs take this turn together, so that two of one name cannot both find it free. */
const NAMES = 'names'

/** Life: `load` → (the mover recovers) → `start` → … → `stop`. */
export class Services {
  readonly keeper: ServiceKeeper
  #watching: Promise<void> = Promise.resolve()
  #ends: (() => void)[] = []
  /** While starting: what the engine told of meanwhile, looked at when the start has judged everything. */
  #early: Set<ServiceId> | undefined = new Set()

  constructor(parts: ServicesParts) {
    this.keeper = new ServiceKeeper(parts)
  }

  /** Copies kept aside on this node, for `status` and `doctor`. */
  parked(): readonly ParkedCopy[] {
    return this.keeper.parked()
  }

  /** What this node owns, as the registry has it. */
  list(): readonly ServiceRecord[] {
    const { registry, self } = this.keeper.parts
    return registry.list().filter(record => record.owner === self)
  }

  /** The container of a service this node owns; for sampling and logs. */
  containerOf(id: ServiceId): string | undefined {
    return this.keeper.kept.get(id)?.containerId
  }

  /** Finds the containers of this node's services; touches none. Before the mover recovers, which asks which copy is whose. */
  async load(signal: AbortSignal): Promise<void> {
    const { keeper } = this
    for (const container of await keeper.parts.engine.list(signal)) {
      const id = container.marks?.service
      if (id !== undefined && keeper.standing(container) === 'own') keeper.entry(id).containerId = container.id
    }
    for (const record of this.list()) {
      const kept = keeper.entry(record.id)
      if (record.state === 'moving') kept.move = 'before the restart'
    }
  }

  /**
   * Takes up the work: parks overtaken copies, then adopts, starts or restarts what this node owns, and watches from then on. `busy`: whether
   * the mover still has to do with that service; those are left to it. Hear the mesh's epochs before: a copy overtaken elsewhere must not run on.
   */
  async start(busy: (id: ServiceId) => boolean, signal: AbortSignal): Promise<void> {
    const { keeper } = this
    this.#ends.push(keeper.parts.registry.onChange(record => this.#heard(record)))
    // Watching begins first: what ends while we look is seen twice rather than not at all.
    this.#watching = this.#watch().catch((error: unknown) => keeper.trouble(null, error))
    for (const container of await keeper.parts.engine.list(signal)) {
      await this.#orTold(container.marks?.service ?? null, () => this.#boot(container, busy, signal), signal)
    }
    for (const [id, kept] of keeper.kept) {
      if (busy(id)) continue
      await this.#orTold(id, () => keeper.turns.take(id, () => this.#takeUp(id, kept, signal)), signal)
    }
    const early = this.#early ?? []
    this.#early = undefined
    for (const id of early) this.#look(id)
    this.#holdLimits()
  }

  /** Ends all waiting. No container is touched: services run on without the daemon. */
  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) end()
    await this.keeper.stop()
    await this.#watching
  }

  /**
   * Runs a service here.
   * @throws ServiceError NODE_HOSTS_NOTHING, NODE_IN_NO_MESH, SERVICE_INVALID, SERVICES_FULL, SERVICE_NAME_TAKEN, IMAGE_MISSING; PlacementError; EngineError. Nothing is left then.
   */
  async run(spec: ServiceSpec, caller: AbortSignal): Promise<ServiceRecord> {
    const { keeper } = this
    const signal = this.#until(caller)
    if (keeper.parts.role === 'client') {
      throw new ServiceError('NODE_HOSTS_NOTHING', {
        what: 'this node is a client: it hosts no services',
        hint: 'name another with `--node`; `shoal node ls` lists them',
      })
    }
    if (keeper.parts.mesh() === '') {
      throw new ServiceError('NODE_IN_NO_MESH', {
        what: 'this node belongs to no mesh yet',
        hint: 'wait some seconds; `shoal status` says what it waits for',
      })
    }
    const limits = keeper.limitsOf(spec)
    const bytes = Buffer.byteLength(JSON.stringify(spec))
    if (bytes > SPEC_BYTES_MAX) {
      throw new ServiceError('SERVICE_INVALID', {
        what: `arguments and environment of ${spec.name} take ${bytes} bytes, more than the ${SPEC_BYTES_MAX} a service may`,
        hint: 'put them into a file of the image',
      })
    }
    await this.#needImage(spec.image, signal)
    const record = await keeper.turns.take(NAMES, () => this.#claim(spec))
    return keeper.turns.take(record.id, async () => {
      try {
        await keeper.create(record, limits, signal)
        await keeper.launch(record.id, signal)
      } catch (error) {
        await this.#undo(record.id)
        throw error
      }
      return this.#told(record.id, 'service-started', `${spec.name} runs`)
    })
  }

  /** SIGTERM, then SIGKILL after `graceMs`. Stopped already: nothing to do. */
  stopService(id: ServiceId, graceMs: number | undefined, caller: AbortSignal): Promise<ServiceRecord> {
    return this.#act(id, async (record, kept) => {
      const { keeper } = this
      keeper.forgetRestart(kept)
      if (kept.containerId !== undefined) {
        await keeper.parts.engine.stop(kept.containerId, graceMs ?? STOP_GRACE_MS, this.#until(caller))
      }
      if (record.state === 'stopped') return record
      await keeper.say(id, 'stopped', 'stopped by hand')
      return this.#told(id, 'service-ended', `${record.spec.name} was stopped by hand`)
    })
  }

  /** Starts a stopped, exited or failed service: its container with its files, a new one where that is gone. Running already: nothing to do. */
  startService(id: ServiceId, caller: AbortSignal): Promise<ServiceRecord> {
    return this.#act(id, async (record, kept) => {
      const { keeper } = this
      const signal = this.#until(caller)
      if (record.state === 'running') return record
      keeper.forgetRestart(kept)
      if ((await this.#container(kept, signal)) === undefined) {
        await this.#needImage(record.spec.image, signal)
        await keeper.create(record, keeper.limitsOf(record.spec), signal)
      }
      await keeper.launch(id, signal)
      return this.#told(id, 'service-started', `${record.spec.name} was started by hand`)
    })
  }

  /** Removes the service, its container and what that wrote. @throws ServiceError SERVICE_RUNNING unless `force` */
  removeService(id: ServiceId, how: { readonly force: boolean }, caller: AbortSignal): Promise<void> {
    return this.#act(id, async (record, kept) => {
      const { keeper } = this
      const there = await this.#container(kept, this.#until(caller))
      if (!how.force && (there?.state === 'running' || there?.state === 'paused')) {
        throw new ServiceError('SERVICE_RUNNING', {
          what: `${record.spec.name} is running`,
          hint: `\`shoal stop ${record.spec.name}\` first, or \`shoal rm -f ${record.spec.name}\``,
        })
      }
      keeper.forgetRestart(kept)
      if (there !== undefined) await keeper.parts.engine.remove(there.id, this.#until(caller))
      await keeper.bury(id)
      keeper.parts.tell({ kind: 'service-removed', service: id, says: `${record.spec.name} was removed` })
    })
  }

  /** Compares every service's limits with the profile in force and sets what differs. Called once a second; a test may call it itself. */
  async holdLimits(): Promise<void> {
    const { keeper } = this
    await Promise.all(
      this.list().map(({ id }) =>
        keeper.turns.take(id, () => keeper.applyLimits(id)).catch((error: unknown) => keeper.trouble(id, error)),
      ),
    )
  }

  #holdLimits(): void {
    const { keeper } = this
    const cancel = keeper.parts.clock.after(LIMITS_EVERY_MS, () => {
      this.#ends = this.#ends.filter(end => end !== cancel)
      if (keeper.life.aborted) return
      void this.holdLimits().finally(() => {
        if (!keeper.life.aborted) this.#holdLimits()
      })
    })
    this.#ends.push(cancel)
  }

  /** An action by a person, in its turn; refused while a move holds the service. */
  #act<T>(id: ServiceId, work: (record: ServiceRecord, kept: Kept) => Promise<T>): Promise<T> {
    const { keeper } = this
    return keeper.turns.take(id, () => {
      const record = keeper.record(id)
      const kept = keeper.entry(id)
      if (kept.move !== undefined || record.state === 'moving') {
        throw new ServiceError('SERVICE_MOVING', {
          what: `${record.spec.name} is being moved`,
          hint: 'wait for the move to end: `shoal moves ls`',
        })
      }
      return work(record, kept)
    })
  }

  #container(kept: Kept, signal: AbortSignal): ReturnType<ServicesParts['engine']['inspect']> {
    return kept.containerId === undefined
      ? Promise.resolve(undefined)
      : this.keeper.parts.engine.inspect(kept.containerId, signal)
  }

  /** One service or container that cannot be taken up is told of; the node starts with the others. */
  async #orTold(id: ServiceId | null, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work()
    } catch (error) {
      signal.throwIfAborted()
      this.keeper.trouble(id, error)
    }
  }

  async #takeUp(id: ServiceId, kept: Kept, signal: AbortSignal): Promise<void> {
    const { keeper } = this
    if (kept.move !== undefined) {
      kept.move = undefined
      if ((await this.#container(kept, signal)) === undefined) {
        // Let go by a move that the mover has closed: it lives on the target, whose record has not come here yet.
        await keeper.say(id, 'moving', "waits for its new owner's record")
        return
      }
      await keeper.say(id, 'running', '')
    }
    await keeper.settle(id, true)
  }

  async #boot(container: ContainerSummary, busy: (id: ServiceId) => boolean, signal: AbortSignal): Promise<void> {
    const { keeper } = this
    const id = container.marks?.service
    if (id === undefined || busy(id)) return
    const standing = keeper.standing(container)
    const record = keeper.parts.registry.get(id)
    if (standing === 'leftover') await keeper.parts.engine.remove(container.id, signal)
    if (standing === 'superseded' && record !== undefined) await keeper.park(container.id, record, signal)
  }

  /** The registry changed: where a newer epoch lives elsewhere, ours yields. */
  #heard(record: ServiceRecord): void {
    const { keeper } = this
    if (record.owner === keeper.parts.self || !keeper.kept.has(record.id)) return
    keeper.yieldTo(record).catch((error: unknown) => keeper.trouble(record.id, error))
  }

  async #watch(): Promise<void> {
    const { keeper } = this
    for await (const event of keeper.parts.engine.events(keeper.life)) {
      if (event.kind === 'gap') {
        for (const id of keeper.kept.keys()) this.#look(id)
      } else {
        const id = event.marks?.service
        if (id !== undefined && keeper.kept.get(id)?.containerId === event.containerId) this.#look(id)
      }
    }
  }

  #look(id: ServiceId): void {
    if (this.#early !== undefined) this.#early.add(id)
    else this.keeper.look(id).catch((error: unknown) => this.keeper.trouble(id, error))
  }

  async #needImage(reference: string, signal: AbortSignal): Promise<void> {
    const { engine, fetchImage } = this.keeper.parts
    if ((await engine.image(reference, signal)) !== undefined) return
    await fetchImage?.(reference, signal)
    if (fetchImage !== undefined && (await engine.image(reference, signal)) !== undefined) return
    throw new ServiceError('IMAGE_MISSING', {
      what: `this node has no image ${reference}`,
      hint: `\`docker pull ${reference}\` or \`docker load\` it here, or run the service on a node that has it (\`--node\`)`,
    })
  }

  /** The name is free: the record is written, durable, before there is a container. */
  async #claim(spec: ServiceSpec): Promise<ServiceRecord> {
    const { registry, self, newId } = this.keeper.parts
    if (registry.list().some(record => record.spec.name === spec.name)) {
      throw new ServiceError('SERVICE_NAME_TAKEN', {
        what: `a service of this mesh is called ${spec.name} already`,
        hint: `choose another name, or \`shoal rm ${spec.name}\``,
      })
    }
    if (this.list().length >= SERVICES_PER_NODE_MAX) {
      throw new ServiceError('SERVICES_FULL', {
        what: `this node looks after ${SERVICES_PER_NODE_MAX} services, more it may not`,
        hint: 'run it on another node (`--node`)',
      })
    }
    const first = { owner: self, epoch: 1, counter: 0, state: 'starting', reason: '', deleted: false } as const
    const record: ServiceRecord = { id: newId(), spec, ...first }
    await registry.put(record)
    this.keeper.entry(record.id)
    return record
  }

  /** A run that failed leaves neither container nor record. */
  async #undo(id: ServiceId): Promise<void> {
    const containerId = this.containerOf(id)
    if (containerId !== undefined) await this.keeper.parts.engine.remove(containerId, this.keeper.life)
    await this.keeper.bury(id)
  }

  #told(id: ServiceId, kind: ServiceNote['kind'], says: string): ServiceRecord {
    this.keeper.parts.tell({ kind, service: id, says })
    return this.keeper.record(id)
  }

  #until(caller: AbortSignal): AbortSignal {
    return AbortSignal.any([caller, this.keeper.life])
  }
}
