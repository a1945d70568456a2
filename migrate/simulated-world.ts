// Two or more hosts in memory, for the tests of a move: real mover, real channel and messages, simulated engines, disks, clock and links.
// Any port call of a node can be its daemon's last (before or after it took effect), any write can break the link; a dead daemon comes back
// and recovers. The world itself watches what must always hold: never two copies running, and no copy with older memory than one that ran.

import { createMover } from './mover.ts'
import type { MoverPorts, MoveStream } from './ports.ts'
import { SimHost } from './simulated-host.ts'
import type { SimContainer } from './simulated-host.ts'
import { simulatedDriver, simulatedEngine } from './simulated-machine.ts'
import type { SimMachine } from './simulated-machine.ts'
import { streamPair } from './simulated-stream.ts'
import type { Clock } from '../placement/clock.ts'
import type { NodeId, ServiceRecord } from '../placement/view.ts'

/** When a node's daemon dies: at the `at`-th port call of its life number `life` (from 0), before or after that call took effect. */
export interface Crash {
  readonly node: NodeId
  readonly life: number
  readonly at: number
  readonly when: 'before' | 'after'
}

export interface Faults {
  readonly crashes: readonly Crash[]
  /** The n-th chunk written on any stream breaks that stream: the writer sees it at once, the reader after what was under way. */
  readonly breakAtWrite?: number
  /** The engine of this node cannot restore. */
  readonly restoreFails?: NodeId
  readonly refuses?: readonly NodeId[]
  readonly imageMissing?: boolean
  /** This node cannot forget what is in its journal. */
  readonly dropFails?: NodeId
}

const never = (): Promise<never> => new Promise(() => undefined)

export class SimWorld {
  readonly hosts: ReadonlyMap<NodeId, SimHost>
  readonly registry = new Map<string, ServiceRecord>()
  /** Broken promises, as sentences. Empty at the end of a good run. */
  readonly breaches: string[] = []
  /** Told after each deed of a host: a test may step in at any moment. */
  onDeed: ((host: SimHost) => void) | undefined
  readonly #faults: Faults
  readonly #ranUpTo = new Map<string, number>()
  readonly #timers: { atMs: number; run: () => void; host: SimHost | undefined; life: number }[] = []
  readonly #streams: { readonly ends: readonly [SimHost, SimHost]; readonly breakOff: () => void }[] = []
  #nowMs = 0
  #writes = 0
  #ids = 0

  constructor(ids: readonly NodeId[], faults: Faults = { crashes: [] }) {
    this.hosts = new Map(ids.map(id => [id, new SimHost(id)]))
    this.#faults = faults
  }

  host(id: NodeId): SimHost {
    const host = this.hosts.get(id)
    if (host === undefined) throw new Error(`no host ${id}`)
    return host
  }
  get writes(): number {
    return this.#writes
  }

  /** A running container that is the service's only copy. */
  place(service: ServiceRecord, memory: number): SimContainer {
    const host = this.host(service.owner)
    const container: SimContainer = {
      ...{ id: `c-${++this.#ids}`, service, move: undefined, state: 'running', memory },
      ...{ layer: 'layer of the source', cut: false, armed: undefined },
    }
    host.containers.set(container.id, container)
    host.owned.set(service.id, container.id)
    for (const each of this.hosts.values()) {
      if (each === host || this.#faults.imageMissing !== true) each.images.add(service.spec.image)
    }
    this.registry.set(service.id, service)
    return container
  }

  /** Starts a daemon on the host; it recovers by itself. */
  start(host: SimHost): void {
    host.life += 1
    host.calls = 0
    host.alive = true
    // Promises of capacity live in the daemon's memory.
    host.reserved.clear()
    host.mover = createMover(this.#ports(host, host.life), simulatedDriver(this.#machine(host, host.life)))
    host.mover.recover().catch((error: unknown) => this.breaches.push(`recovery failed: ${String(error)}`))
  }

  /** Lets things happen until `over`, or throws what hangs. Time jumps to the next timer when nothing else moves. */
  async run(over: () => boolean): Promise<void> {
    for (let turn = 0; turn < 5_000; turn++) {
      await quiet()
      if (over()) return
      const due = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) throw new Error(`nothing more happens: ${this.describe()}`)
      this.#timers.splice(this.#timers.indexOf(due), 1)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      if (due.host === undefined || (due.host.alive && due.host.life === due.life)) due.run()
    }
    throw new Error(`no end: ${this.describe()}`)
  }

  describe(): string {
    return [...this.hosts.values()]
      .map(
        host =>
          `${host.id}: ${[...host.containers.values()].map(c => `${c.state} ${c.memory}`).join(', ')}; ${host.journal.map(entry => entry.step).join(' ')}`,
      )
      .join(' | ')
  }

  /** All running copies of a service. */
  running(service: string): SimContainer[] {
    return [...this.hosts.values()].flatMap(host =>
      [...host.containers.values()].filter(container => container.service.id === service && container.state === 'running'),
    )
  }

  /** What must hold at every moment; called after each deed in the world. */
  #watch(): void {
    for (const service of this.registry.keys()) {
      const copies = this.running(service)
      if (copies.length > 1) this.breaches.push(`${copies.length} copies of ${service} run`)
      for (const copy of copies) {
        const before = this.#ranUpTo.get(service) ?? 0
        if (copy.memory < before) this.breaches.push(`a copy of ${service} runs with memory ${copy.memory}, ${before} was there`)
        copy.memory += 1
        this.#ranUpTo.set(service, Math.max(before, copy.memory))
      }
    }
  }

  /** The host is gone, for a test that brings it back by `start`, or never. */
  down(host: SimHost): void {
    host.alive = false
    for (const { ends, breakOff } of this.#streams) if (ends.includes(host)) breakOff()
  }

  #die(host: SimHost): void {
    this.down(host)
    this.#timers.push({
      ...{ atMs: this.#nowMs + 50, host: undefined, life: 0 },
      run: () => this.start(host),
    })
  }

  /** One port call: may be the daemon's last. A dead daemon's calls never answer. */
  async #call<T>(host: SimHost, life: number, deed: () => T | Promise<T>): Promise<T> {
    const dead = (): boolean => !host.alive || host.life !== life
    if (dead()) return never()
    host.calls += 1
    const crash = this.#faults.crashes.find(each => each.node === host.id && each.life === life && each.at === host.calls)
    if (crash?.when === 'before') {
      this.#die(host)
      return never()
    }
    const result = await deed()
    this.#watch()
    this.onDeed?.(host)
    if (crash !== undefined) this.#die(host)
    return dead() ? never() : result
  }

  #clock(host: SimHost, life: number): Clock {
    return {
      now: () => this.#nowMs,
      wallNow: () => this.#nowMs,
      after: (ms, run) => {
        const timer = { atMs: this.#nowMs + ms, run, host, life }
        this.#timers.push(timer)
        return () => {
          const at = this.#timers.indexOf(timer)
          if (at >= 0) this.#timers.splice(at, 1)
        }
      },
    }
  }

  #open(from: SimHost, life: number, peer: NodeId): MoveStream {
    const to = this.host(peer)
    if (!to.alive || to.mover === undefined) throw new Error(`${peer} is down`)
    const [near, far, breakOff] = streamPair({ near: peer, far: from.id })
    this.#streams.push({ ends: [from, to], breakOff })
    to.mover.handle(this.#metered(far, to, to.life, breakOff)).catch((error: unknown) => this.breaches.push(String(error)))
    return this.#metered(near, from, life, breakOff)
  }

  #metered(stream: MoveStream, host: SimHost, life: number, breakOff: () => void): MoveStream {
    return {
      ...stream,
      write: (chunk, signal) =>
        this.#call(host, life, async () => {
          this.#writes += 1
          await stream.write(chunk, signal)
          if (this.#writes === this.#faults.breakAtWrite) breakOff()
        }),
    }
  }

  #machine(host: SimHost, life: number): SimMachine {
    return {
      host,
      call: deed => this.#call(host, life, deed),
      newContainerId: () => `c-${++this.#ids}`,
      imagesOfAll: () => [...this.registry.values()].map(({ spec }) => spec.image),
      cannotRestore: this.#faults.restoreFails === host.id,
      breach: says => void this.breaches.push(says),
    }
  }

  #ports(host: SimHost, life: number): MoverPorts {
    const machine = this.#machine(host, life)
    const { call } = machine
    return {
      self: host.id,
      clock: this.#clock(host, life),
      newId: () => `m${++this.#ids}`,
      random: () => 0.5,
      open: peer => call(() => this.#open(host, life, peer)),
      engine: simulatedEngine(machine),
      services: {
        owned: id => {
          const record = this.registry.get(id)
          const containerId = host.owned.get(id)
          return record === undefined || containerId === undefined ? undefined : { record, containerId }
        },
        known: id => host.heard.get(id) ?? this.registry.get(id),
        markMoving: (id, move) => call(() => void host.moving.set(id, move)),
        markKept: id => call(() => void host.moving.delete(id)),
        letGo: id =>
          call(() => {
            host.moving.delete(id)
            host.owned.delete(id)
          }),
        takeOver: (record, containerId) =>
          call(() => {
            const known = this.registry.get(record.id)
            if (known !== undefined && known.epoch > record.epoch) this.breaches.push('an older epoch was published')
            if (known?.epoch === record.epoch && known.owner !== record.owner) this.breaches.push('two owners in one epoch')
            this.registry.set(record.id, record)
            host.owned.set(record.id, containerId)
          }),
      },
      admission: {
        admit: request =>
          call(() => {
            const refusal = {
              admitted: false,
              code: 'PLACE_FULL',
              what: `${host.id} is full`,
              hint: 'elsewhere',
              load: { cpuPct: 99 },
            } as const
            if (this.#faults.refuses?.includes(host.id)) return refusal
            host.reserved.add(request.moveId)
            return { admitted: true, load: { cpuPct: 1 } } as const
          }),
        settle: move => void host.reserved.delete(move),
      },
      journal: {
        append: entry => call(() => void host.journal.push(entry)),
        all: () => call(() => [...host.journal]),
        drop: move =>
          call(() => {
            if (this.#faults.dropFails === host.id) throw new Error('no space left on device')
            const kept = host.journal.filter(entry => entry.move !== move)
            host.journal.splice(0, host.journal.length, ...kept)
          }),
      },
      records: {
        save: record => call(() => void host.records.set(record.id, record)),
        all: () => call(() => [...host.records.values()]),
        remove: id => call(() => void host.records.delete(id)),
      },
      useOf: () => ({ memoryBytes: 1000, cpuCores: 0.1 }),
    }
  }
}

/** Some turns of the event loop: everything that can go on without time passing has gone on. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await new Promise(resolve => setImmediate(resolve))
}
