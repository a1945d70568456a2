// A red node's whole plan: which services leave, in which order, to which candidates. Books what it places on the targets, so that the next
// decision of the round sees it; keeps budgets and cooldowns; stops when enough has left. Called by the control loop; spec: docs/placement.md.

import { allMustLeave, nextToLeave } from './relief.ts'
import { type Decision, decide } from './decision.ts'
import { heldBack, leftRecently, type MoveHistory } from './history.ts'
import { held } from './need.ts'
import type { PlacementSettings } from './presets.ts'
import type { Movable, MoveReason } from './strategy.ts'
import { add, isBelow, without, ZERO } from './vec.ts'
import type { Millis, NodeId, NodeView, ServiceId, Vec } from './view.ts'

export interface RoundInput {
  readonly now: Millis
  readonly random: () => number
  readonly reason: MoveReason
  readonly self: NodeView
  /** Own services that are not moving yet, as deployed. */
  readonly services: readonly Movable[]
  readonly peers: readonly NodeView[]
  /** What has left, or is leaving, but still shows in `self.load`. Percent of this node. */
  readonly departing: Vec
  readonly history: MoveHistory
  /** Skips cooldowns, never admission nor budgets. */
  readonly emergency: boolean
  readonly settings: PlacementSettings
}

export interface RoundStep {
  readonly service: Movable
  readonly decision: Decision
}

export type StayReason = 'enough-left' | 'cooldown' | 'budget' | 'retry' | NonNullable<Decision['stays']>

export interface RoundStay {
  readonly service: ServiceId
  readonly name: string
  readonly because: StayReason
  readonly decision: Decision | null
}

export interface RoundPlan {
  readonly steps: readonly RoundStep[]
  readonly stay: readonly RoundStay[]
  /** Load of this node once the steps are done. */
  readonly predicted: Vec
  /** Load outside the services is over the threshold by itself. */
  readonly allLeave: boolean
}

/** Whether a node with this load has to send (more) services away. */
export function needsRelief(input: Pick<RoundInput, 'reason' | 'self' | 'departing' | 'settings'>): boolean {
  if (input.reason !== 'red' || allMustLeave(input.self, input.settings.threshold)) return true
  return !isBelow(without(input.self.load, input.departing), input.settings.threshold)
}

/** The services that may not move now, and why; `null` for the others. */
function restsBecause(input: RoundInput, service: Movable): StayReason | null {
  if (input.reason === 'person') return null
  const rests = heldBack(input.history, service.id, input)?.because ?? null
  // A node that drains spares no service; only what just failed waits before it is tried again.
  return input.reason === 'red' || rests === 'retry' ? rests : null
}

/**
 * Plans the round. Needs no clock and no chance but what is passed in: the same input gives the same plan.
 * @throws PlacementError STRATEGY_UNKNOWN
 */
export function planRound(input: RoundInput): RoundPlan {
  const { settings, self } = input
  const steps: RoundStep[] = []
  const stay: RoundStay[] = []
  const booked = new Map<NodeId, Vec>()
  const allLeave = input.reason !== 'red' || allMustLeave(self, settings.threshold)
  let predicted = without(self.load, input.departing)
  let pool: readonly Movable[] = input.services
  const isEnough = (): boolean => !allLeave && isBelow(predicted, settings.threshold)
  while (pool.length > 0 && !isEnough()) {
    const service = nextToLeave(pool, predicted, settings)
    if (service === undefined) break
    pool = pool.filter(other => other !== service)
    const rests = restsBecause(input, service)
    if (rests !== null) {
      stay.push({ service: service.id, name: service.name, because: rests, decision: null })
      continue
    }
    const decision = decide(service, {
      ...input,
      booked,
      leftRecently: leftRecently(input.history, service.id, input.now, settings.leftGuardMs),
    })
    const first = decision.candidates[0]
    if (first === undefined) {
      stay.push({ service: service.id, name: service.name, because: decision.stays ?? 'nowhere-fits', decision })
      continue
    }
    // The cloud is never booked: it takes what comes.
    if (first.tier !== 'cloud') booked.set(first.peer, add(booked.get(first.peer) ?? ZERO, held(first.fitting.need)))
    predicted = without(predicted, service.use)
    steps.push({ service, decision })
  }
  for (const service of pool) stay.push({ service: service.id, name: service.name, because: 'enough-left', decision: null })
  return { steps, stay, predicted, allLeave }
}
