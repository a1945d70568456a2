// What does this node know of its own load, and what has it promised? Smooths samples, keeps the promises of moves coming in and the memory of
// services that just left, answers offers, and writes the load report. The control loop feeds it; moves ask it for admission.

import type { AdmissionAnswer, AdmissionRequest } from '../migrate/ports.ts'
import type { LoadReport } from '../gossip/mesh.ts'
import { admit } from '../placement/admission.ts'
import { type LoadState, nextLoadState, smooth } from '../placement/hysteresis.ts'
import { MAX_HISTORIES, RESERVATION_TTL_MS } from '../placement/limits.ts'
import type { PlacementSettings } from '../placement/presets.ts'
import { limitsOn, parseProfile, pickProfile, type Quota } from '../placement/profile.ts'
import { commit, expire, release, type Reservations, reserve, reserved, sampled } from '../placement/reservations.ts'
import type { Movable } from '../placement/strategy.ts'
import { add, ZERO } from '../placement/vec.ts'
import type {
  Capability,
  Capacity,
  Millis,
  MoveMode,
  NodeId,
  NodeView,
  Profile,
  Role,
  ServiceId,
  ServiceRecord,
  ServiceUse,
  Vec,
} from '../placement/view.ts'

/** One sample of this node, as daemon/load-sampler.ts takes it: what moves cost is in no figure here. */
export interface OwnSample {
  /** End of its window, monotonic. */
  readonly at: Millis
  readonly spanMs: Millis
  readonly capacity: Capacity
  readonly load: Vec
  readonly outside: Vec
  readonly services: readonly ServiceUse[]
}

export interface OwnLoadPorts {
  readonly clock: { now(): Millis }
  readonly self: { readonly id: NodeId; readonly name: string; readonly role: Role }
  readonly network: () => string
  readonly capability: () => Capability
  readonly draining: () => boolean
  readonly settings: () => PlacementSettings
  /** All services of the mesh. */
  readonly services: () => readonly ServiceRecord[]
  readonly profiles: () => readonly { readonly match: string; readonly profile: Profile; readonly deleted?: boolean }[]
  /** What a peer says it can restore; null where it has not reported. */
  readonly capabilityOf: (peer: NodeId) => Capability | null
  /** A profile of the mesh that cannot be read: the service counts as if it had none. */
  readonly onUnreadable: (service: ServiceId, error: unknown) => void
}

/** Modes a service of each type travels by in this version. */
const modeOf = { stateful: 'stop-copy', stateless: 'stateless' } as const satisfies Record<
  ServiceRecord['spec']['type'],
  MoveMode
>

export class OwnLoad {
  readonly #ports: OwnLoadPorts
  #state: LoadState | null = null
  #outside: Vec = ZERO
  #sample: OwnSample | null = null
  #promises: Reservations = []
  /** Left this node, but still in its smoothed load. */
  #departures: Reservations = []
  /** Services whose profile was reported unreadable: said once each. Bounded: forgotten when full. */
  readonly #unreadable = new Set<ServiceId>()

  constructor(ports: OwnLoadPorts) {
    this.#ports = ports
  }

  /** Null until the first sample. */
  get state(): LoadState | null {
    return this.#state
  }

  /** One more sample. Services seen in the last one that now belong to another node have left. */
  take(sample: OwnSample): LoadState {
    const { settings, clock, services, self } = this.#ports
    const current = settings()
    const owners = new Map(services().map(record => [record.id, record.owner]))
    for (const { id, use } of this.#sample?.services ?? []) {
      const owner = owners.get(id)
      if (owner === undefined || owner === self.id) continue
      const noted = reserve(this.#departures, { id, holds: use, expiresAt: Number.POSITIVE_INFINITY })
      if (noted !== null && !this.#departures.some(entry => entry.id === id)) {
        this.#departures = commit(noted, id, sample.at)
      }
    }
    // The end of the last window to the millisecond's thousandth: a difference of fractions must not make it earlier.
    const from = sample.at - sample.spanMs + 0.001
    this.#departures = sampled(this.#departures, from, current.ewmaWeight)
    this.#promises = sampled(expire(this.#promises, clock.now()), from, current.ewmaWeight)
    this.#outside = this.#sample === null ? sample.outside : smooth(this.#outside, sample.outside, current.ewmaWeight)
    this.#sample = sample
    this.#state = nextLoadState(this.#state, sample.load, current)
    return this.#state
  }

  /** This node as a decision reads it, or null until the first sample. */
  view(): NodeView | null {
    const report = this.report()
    return report === null ? null : { ...report, id: this.#ports.self.id, ageMs: 0, rttMs: 0 }
  }

  /** What the mesh is told. The cloud never turns red. */
  report(): LoadReport | null {
    const { self, network, capability, draining, settings } = this.#ports
    if (this.#sample === null || this.#state === null) return null
    const label = self.role === 'edge' ? this.#state.label : 'green'
    return {
      name: self.name,
      role: self.role,
      state: draining() ? 'draining' : label,
      network: network(),
      capacity: this.#sample.capacity,
      load: this.#state.smoothed,
      outside: this.#outside,
      reserved: reserved(this.#promises, settings().ewmaWeight),
      committedRamPct: this.#committedRamPct(this.#sample),
      capability: capability(),
      services: this.#sample.services.map(({ id, cpuCores, ramBytes }) => ({ id, cpuCores, ramBytes })),
    }
  }

  /** What has left but still shows in the load, and what is leaving now. Percent of this node. */
  departing(leaving: ReadonlySet<ServiceId>): Vec {
    const left = reserved(this.#departures, this.#ports.settings().ewmaWeight)
    const noted = new Set(this.#departures.map(({ id }) => id))
    return (this.#sample?.services ?? [])
      .filter(({ id }) => leaving.has(id) && !noted.has(id))
      .reduce((sum, { use }) => add(sum, use), left)
  }

  /** Running services of this node as a decision reads them, in the order of their names (`app-2` before `app-10`). */
  movables(): readonly Movable[] {
    const { services, self } = this.#ports
    return services()
      .filter(record => record.owner === self.id && record.state === 'running' && !record.deleted)
      .toSorted((a, b) => a.spec.name.localeCompare(b.spec.name, 'en', { numeric: true }) || (a.id < b.id ? -1 : 1))
      .map(record => this.#movable(record))
  }

  #movable(record: ServiceRecord): Movable {
    const used = this.#sample?.services.find(({ id }) => id === record.id)
    return {
      id: record.id,
      name: record.spec.name,
      type: record.spec.type,
      mode: modeOf[record.spec.type],
      demand: { quota: this.#quotaOf(record), cpuCores: used?.cpuCores ?? 0, ramBytes: used?.ramBytes ?? 0, gpus: 0 },
      use: used?.use ?? ZERO,
    }
  }

  #quotaOf(record: Pick<ServiceRecord, 'id' | 'spec'>): Quota {
    const { profiles, onUnreadable } = this.#ports
    try {
      return parseProfile(
        pickProfile(
          record.spec,
          profiles().filter(entry => entry.deleted !== true),
        ),
      )
    } catch (error) {
      if (!this.#unreadable.has(record.id)) onUnreadable(record.id, error)
      if (this.#unreadable.size >= MAX_HISTORIES) this.#unreadable.clear()
      this.#unreadable.add(record.id)
      return {}
    }
  }

  /** RAM is not compressible: a service counts with its limit, one without a limit with what it uses. */
  #committedRamPct(sample: OwnSample): number {
    const { services, self } = this.#ports
    const used = new Map(sample.services.map(({ id, ramBytes }) => [id, ramBytes]))
    const committed = services()
      .filter(record => record.owner === self.id && !record.deleted)
      .filter(({ state }) => state === 'running' || state === 'starting' || state === 'moving')
      .reduce((sum, record) => sum + (limitsOn(this.#quotaOf(record), sample.capacity).ramBytes ?? used.get(record.id) ?? 0), 0)
    return sample.capacity.ramBytes > 0 ? (committed / sample.capacity.ramBytes) * 100 : 0
  }

  /** This node's yes or no to an offer, by its own current load and promises; a yes is a promise until {@link settle}. */
  async admit(request: AdmissionRequest): Promise<AdmissionAnswer> {
    const { settings, clock, capabilityOf } = this.#ports
    const current = settings()
    this.#promises = expire(this.#promises, clock.now())
    const own = this.report()
    if (own === null || this.#sample === null) {
      const hint = 'try again in a few seconds'
      return { admitted: false, code: 'ADMIT_STARTING', what: 'this node has not measured its own load yet', hint, load: null }
    }
    const verdict = admit(
      {
        ...own,
        raw: { load: this.#sample.load, reserved: reserved(this.#promises, 1) },
        smoothed: { load: own.load, reserved: own.reserved },
      },
      {
        demand: { quota: this.#quotaOf(request.service), cpuCores: request.cpuCores, ramBytes: request.memoryBytes, gpus: 0 },
        mode: request.mode,
        source: capabilityOf(request.from),
        threshold: current.threshold,
      },
    )
    if (!verdict.admitted) return { ...verdict, load: own }
    const promise = { id: request.moveId, holds: verdict.holds, expiresAt: clock.now() + RESERVATION_TTL_MS }
    const promises = reserve(this.#promises, promise)
    if (promises === null) {
      const what = `this node holds ${this.#promises.length} promises to moves, the most it may`
      return { admitted: false, code: 'ADMIT_FULL', what, hint: 'choose another node', load: own }
    }
    this.#promises = promises
    return { admitted: true, load: this.report() }
  }

  /** The move is over: its promise lives on until the samples have learnt of the service, or is free at once. Repeated: nothing changes. */
  settle(moveId: string, how: 'committed' | 'dropped'): void {
    this.#promises =
      how === 'committed' ? commit(this.#promises, moveId, this.#ports.clock.now()) : release(this.#promises, moveId)
  }
}
