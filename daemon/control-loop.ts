// The loop of one node: sample, tell the mesh, and while this node is red (or drains) plan a round and carry it out, move by move. No
// coordinator: each node runs its own. Started by compose.ts; the decisions are placement/'s, the moves migrate/'s. docs/placement.md.

import type { LoadReport } from '../gossip/mesh.ts'
import type { MoveRecord } from '../migrate/move-record.ts'
import { LIMITS as MOVE_LIMITS } from '../migrate/limits.ts'
import type { Clock } from '../placement/clock.ts'
import { type Decision, decide } from '../placement/decision.ts'
import { explain, type Outcome, reasonText } from '../placement/explain.ts'
import { leftRecently, type MoveHistory, noteFailure, observe } from '../placement/history.ts'
import { isEmergency, mustShed } from '../placement/hysteresis.ts'
import type { PlacementSettings } from '../placement/presets.ts'
import { needsRelief, planRound, type RoundPlan, type RoundStep } from '../placement/round.ts'
import type { MoveReason } from '../placement/strategy.ts'
import type { Millis, MoveMode, NodeId, NodeView, ServiceId, ServiceRecord } from '../placement/view.ts'
import type { OwnLoad, OwnSample } from './own-load.ts'

/** Decisions kept for `shoal explain`; the oldest goes first. */
const DECISIONS_KEPT = 256

/** One move asked of migrate/: the candidates are tried in order. */
interface MoveOrder {
  readonly service: ServiceId
  readonly candidates: readonly NodeId[]
  readonly mode: MoveMode
  readonly strategy: string
  readonly reason: string
}

export interface LoopPorts {
  readonly clock: Clock
  readonly random: () => number
  readonly settings: () => PlacementSettings
  readonly draining: () => boolean
  /** Null when there is nothing to compare with yet. */
  readonly sample: () => Promise<OwnSample | null>
  readonly mesh: {
    publishLoad(report: LoadReport): void
    view(): { readonly peers: readonly NodeView[] }
    readonly services: { list(): readonly ServiceRecord[] }
  }
  readonly mover: {
    move(order: MoveOrder, signal: AbortSignal): Promise<MoveRecord>
    busy(service: ServiceId): boolean
  }
  readonly load: OwnLoad
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
}

/** The last decision for a service, and how it went (absent: it stayed, or the move is under way). */
export interface Explained {
  readonly decision: Decision
  readonly outcome?: Outcome
  readonly text: string
}

export class ControlLoop {
  readonly #ports: LoopPorts
  readonly #halt = new AbortController()
  readonly #decided = new Map<ServiceId, { readonly decision: Decision; readonly outcome?: Outcome }>()
  /** Services of the round under way that were handed to the mover. */
  readonly #leaving = new Set<ServiceId>()
  #history: MoveHistory = new Map()
  #round: Promise<void> | null = null
  #ticking: Promise<void> | null = null
  #restsUntil: Millis = Number.NEGATIVE_INFINITY
  #cancelTimer: () => void = () => undefined
  #lastSaid = ''

  constructor(ports: LoopPorts) {
    this.#ports = ports
  }

  /** Begins to sample, at once and then every interval. */
  start(): void {
    this.#schedule(0)
  }

  /** No further sample or round. Waits for a sample under way, not for moves: they are called off by this loop's signal, and the mover's to end. */
  async stop(): Promise<void> {
    this.#cancelTimer()
    this.#halt.abort(new Error('the daemon is stopping'))
    await this.#ticking
  }

  #schedule(inMs: Millis): void {
    if (this.#halt.signal.aborted) return
    this.#cancelTimer = this.#ports.clock.after(inMs, () => {
      const startedAt = this.#ports.clock.now()
      void this.tick().then(() => {
        const tookMs = this.#ports.clock.now() - startedAt
        this.#schedule(Math.max(0, this.#ports.settings().intervalMs - tookMs))
      })
    })
  }

  /** One sample and what follows from it. Never overlaps itself: a second call answers with the first. Never rejects. */
  tick(): Promise<void> {
    this.#ticking ??= this.#tick()
      .catch((error: unknown) =>
        this.#ports.log.error({ error }, 'a sample or a decision failed; the next one is tried as usual'),
      )
      .finally(() => {
        this.#ticking = null
      })
    return this.#ticking
  }

  /** Resolves when the round under way is over. */
  async settled(): Promise<void> {
    await this.#round
  }

  async #tick(): Promise<void> {
    const { sample, load, mesh, clock, settings, draining } = this.#ports
    const taken = await sample()
    if (taken === null || this.#halt.signal.aborted) return
    this.#history = observe(this.#history, mesh.services.list(), clock.now())
    const state = load.take(taken)
    const report = load.report()
    if (report !== null) mesh.publishLoad(report)
    if (this.#round !== null) return
    const emergency = isEmergency(state)
    if (draining()) this.#begin('drain', emergency)
    else if (report?.role === 'edge' && mustShed(state, settings()) && (emergency || clock.now() >= this.#restsUntil)) {
      this.#begin('red', emergency)
    }
  }

  #begin(reason: MoveReason, emergency: boolean): void {
    const { load, mesh, clock, random, settings } = this.#ports
    const self = load.view()
    if (self === null) return
    const movables = load.movables()
    const plan = planRound({
      now: clock.now(),
      random,
      reason,
      self,
      services: movables.filter(service => !this.#isLeaving(service.id)),
      peers: mesh.view().peers,
      departing: load.departing(this.#leavingNow(movables.map(service => service.id))),
      history: this.#history,
      emergency,
      settings: settings(),
    })
    for (const { decision } of plan.stay) if (decision !== null) this.#remember(decision)
    this.#say(plan, self)
    if (plan.steps.length === 0) return
    this.#round = this.#run(plan, reason).finally(() => {
      this.#round = null
      this.#restsUntil = clock.now() + settings().nodeCooldownMs
    })
  }

  #isLeaving(service: ServiceId): boolean {
    return this.#leaving.has(service) || this.#ports.mover.busy(service)
  }

  #leavingNow(own: readonly ServiceId[]): ReadonlySet<ServiceId> {
    const held = this.#ports.mesh.services.list().filter(record => record.state === 'moving' && record.owner === this.#ownId())
    return new Set([...this.#leaving, ...held.map(record => record.id), ...own.filter(id => this.#ports.mover.busy(id))])
  }

  #ownId(): NodeId | undefined {
    return this.#ports.load.view()?.id
  }

  /** Told once, not at every sample: a node may be red for hours with nowhere to go. */
  #say(plan: RoundPlan, self: NodeView): void {
    const stays = plan.stay.map(stay => `${stay.name}: ${stay.because}`).join(', ')
    const says = `${plan.steps.map(step => step.service.name).join(', ')}|${stays}`
    if (says === this.#lastSaid) return
    this.#lastSaid = says
    const moves = plan.steps.map(step => `${step.service.name} -> ${step.decision.candidates[0]?.name ?? ''}`)
    this.#ports.log.info({ load: self.load, outside: self.outside, moves, stays }, 'planned a round of moves')
  }

  async #run(plan: RoundPlan, reason: MoveReason): Promise<void> {
    const queue = [...plan.steps]
    const worker = async (): Promise<void> => {
      for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
        if (this.#halt.signal.aborted) return
        if (this.#isMoot(step, reason)) continue
        await this.#step(step)
      }
    }
    await Promise.all(Array.from({ length: this.#ports.settings().movesAtATime }, worker))
  }

  /** Whether the world has changed since the plan: the service is gone or held by another move, or enough has left already. */
  #isMoot(step: RoundStep, reason: MoveReason): boolean {
    const { load, settings } = this.#ports
    const self = load.view()
    const movables = load.movables()
    if (self === null || this.#isLeaving(step.service.id)) return true
    if (!movables.some(service => service.id === step.service.id)) return true
    const departing = load.departing(this.#leavingNow(movables.map(service => service.id)))
    const moot = !needsRelief({ reason, self, departing, settings: settings() })
    if (moot) this.#ports.log.info({ service: step.service.name, load: self.load }, 'enough has left: this service stays')
    return moot
  }

  async #step({ service, decision }: RoundStep): Promise<void> {
    this.#leaving.add(service.id)
    try {
      const record = await this.carryOut(decision, this.#halt.signal)
      if (record.outcome !== 'done') this.#history = noteFailure(this.#history, service.id, this.#ports.clock.now())
    } catch (error) {
      // Remembered and logged by carryOut; the round goes on with the next service.
      this.#history = noteFailure(this.#history, service.id, this.#ports.clock.now())
      this.#ports.log.warn({ service: service.name, error }, 'the move could not begin')
    } finally {
      this.#leaving.delete(service.id)
    }
  }

  /**
   * Moves a service as decided, and remembers how it went. `shoal move` and the rounds both come through here. Resolves also when the move
   * failed; rejects when it could not begin (the mover's typed error).
   */
  async carryOut(decision: Decision, signal: AbortSignal): Promise<MoveRecord> {
    this.#remember(decision)
    const { service } = decision
    try {
      const record = await this.#ports.mover.move(
        {
          service: service.id,
          candidates: offersOf(decision),
          mode: service.mode,
          strategy: decision.strategy,
          reason: reasonText(decision),
        },
        signal,
      )
      this.#remember(decision, this.#outcomeOf(record, decision))
      return record
    } catch (error) {
      const says = error instanceof Error ? error.message : String(error)
      this.#remember(decision, { time: this.#time(), to: null, tried: [], error: says })
      throw error
    }
  }

  #outcomeOf(record: MoveRecord, decision: Decision): Outcome {
    const nameOf = (id: NodeId | null): string | null => decision.candidates.find(candidate => candidate.peer === id)?.name ?? id
    const refused = record.refusals.map(refusal => ({ peer: refusal.node, accepted: false, says: refusal.what }))
    const done = record.outcome === 'done' && record.to !== null
    return {
      time: this.#time(),
      to: done ? nameOf(record.to) : null,
      tried: done ? [...refused, { peer: record.to, accepted: true, says: '' }] : refused,
      error: done || record.error === null ? '' : `${record.error.what}; ${record.error.hint}`,
    }
  }

  #time(): string {
    return new Date(this.#ports.clock.wallNow()).toTimeString().slice(0, 8)
  }

  #remember(decision: Decision, outcome?: Outcome): void {
    const id = decision.service.id
    this.#decided.delete(id)
    this.#decided.set(id, outcome === undefined ? { decision } : { decision, outcome })
    const oldest = this.#decided.keys().next()
    if (this.#decided.size > DECISIONS_KEPT && oldest.done !== true) this.#decided.delete(oldest.value)
  }

  /** The last decision made for a service of this node, with the inputs it was made from; undefined when there was none. */
  explain(service: ServiceId): Explained | undefined {
    const found = this.#decided.get(service)
    return found === undefined ? undefined : { ...found, text: explain(found.decision, found.outcome) }
  }

  /**
   * Where a running service of this node would go now; nothing is offered to anybody. `to`: only whether that node would take it. Undefined when
   * this node does not run the service, or has not measured its load yet.
   * @throws PlacementError STRATEGY_UNKNOWN
   */
  plan(service: ServiceId, to?: NodeId): Decision | undefined {
    const { load, mesh, clock, random, settings } = this.#ports
    const self = load.view()
    const movable = load.movables().find(one => one.id === service)
    if (self === null || movable === undefined) return undefined
    const { peers } = mesh.view()
    const current = settings()
    return decide(movable, {
      now: clock.now(),
      random,
      reason: 'person',
      self,
      peers: to === undefined ? peers : peers.filter(peer => peer.id === to),
      booked: new Map(),
      leftRecently: leftRecently(this.#history, service, clock.now(), current.leftGuardMs),
      settings: current,
    })
  }
}

/** The targets in the order they are asked: as many as a move tries, the cloud always among them, as the last resort. */
function offersOf(decision: Decision): readonly NodeId[] {
  const edge = decision.candidates.filter(candidate => candidate.tier !== 'cloud')
  const cloud = decision.candidates.filter(candidate => candidate.tier === 'cloud').slice(0, 1)
  return [...edge.slice(0, MOVE_LIMITS.candidates - cloud.length), ...cloud].map(candidate => candidate.peer)
}
