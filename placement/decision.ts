// Where would this one service go, and why not elsewhere? Filters the peers, lets the strategy rank what fits, and keeps the inputs, so that
// the decision can be explained and replayed. Rejections are only counted while scanning; their text is made on request (explain.ts).

import { type CapabilityCode, cannotLeave, obstacle } from './capability.ts'
import { effectiveCpuPct, type FitCode, misfit } from './fit.ts'
import { EXTRA_OFFERS, MAX_KEPT_PEERS, STALE_DROPPED_INTERVALS, STALE_RANKS_LAST_INTERVALS } from './limits.ts'
import { isSameNetwork } from './locality.ts'
import { moveNeed, type Need } from './need.ts'
import type { PlacementSettings } from './presets.ts'
import { strategyNamed } from './strategies.ts'
import type { Fitting, Movable, MoveReason, Ranked } from './strategy.ts'
import { overIn, ZERO } from './vec.ts'
import type { Millis, NodeId, NodeView, Vec } from './view.ts'

/** Why a peer is no candidate. */
export type RejectCode = 'client' | 'draining' | 'leaving' | 'lost' | 'stale' | 'red' | CapabilityCode | FitCode

/** What a decision is made from, besides the service. */
export interface Situation {
  readonly now: Millis
  readonly random: () => number
  readonly reason: MoveReason
  readonly self: NodeView
  /** All others, in no order. */
  readonly peers: readonly NodeView[]
  /** Placed earlier in this round, in percent of each target. */
  readonly booked: ReadonlyMap<NodeId, Vec>
  /** Nodes the service has left lately. */
  readonly leftRecently: ReadonlySet<NodeId>
  readonly settings: Pick<PlacementSettings, 'strategy' | 'exact' | 'threshold' | 'intervalMs'>
}

/** One candidate with the figures it was chosen by. */
export interface Candidate extends Ranked {
  readonly peer: NodeId
  readonly name: string
}

/** What was decided for one service. Loads and needs as seen at `at`. */
export interface Decision {
  readonly at: Millis
  readonly service: Movable
  readonly reason: MoveReason
  readonly strategy: string
  readonly exact: boolean
  readonly threshold: Vec
  readonly intervalMs: Millis
  readonly self: NodeView
  /** In the order of the offers. Empty: it stays. */
  readonly candidates: readonly Candidate[]
  /** Why it stays although it was asked for; null where there are candidates. */
  readonly stays: CapabilityCode | 'nowhere-fits' | null
  readonly rejected: ReadonlyMap<RejectCode, number>
  /** Edge peers by nearness: how many fit, of how many. */
  readonly near: { readonly fit: number; readonly of: number }
  readonly far: { readonly fit: number; readonly of: number }
  /** The views it was made from; in a large mesh the candidates and the first others. */
  readonly inputs: readonly NodeView[]
  readonly inputsLeftOut: number
  readonly booked: ReadonlyMap<NodeId, Vec>
}

/** Offers per service and round: few enough to stay quick in a large mesh, enough to find room in a full one. */
export function maxOffers(peers: number): number {
  return Math.ceil(Math.log2(Math.max(1, peers))) + EXTRA_OFFERS
}

/** Null when the peer may be asked for room at all; else why not. The cloud is never red. */
function unavailable(peer: NodeView, { settings }: Pick<Situation, 'settings'>): RejectCode | null {
  if (peer.role === 'client') return 'client'
  if (peer.state === 'lost' || peer.state === 'leaving' || peer.state === 'draining') return peer.state
  if (peer.ageMs > STALE_DROPPED_INTERVALS * settings.intervalMs) return 'stale'
  if (peer.role === 'edge' && overIn(peer.load, settings.threshold) !== null) return 'red'
  return null
}

/** Judges one peer for one service: what makes it unfit, or null. The need is resolved by the caller, once. */
export function rejection(
  service: Movable,
  peer: NodeView,
  need: Need,
  situation: Pick<Situation, 'self' | 'settings' | 'booked'>,
): RejectCode | null {
  return (
    unavailable(peer, situation) ??
    obstacle(service.mode, situation.self.capability, peer.capability) ??
    misfit(peer, bookedOn(peer, situation.booked), need, situation.settings.threshold)?.code ??
    null
  )
}

/** The cloud is never booked. */
export function bookedOn(peer: Pick<NodeView, 'id' | 'role'>, booked: ReadonlyMap<NodeId, Vec>): Vec {
  return peer.role === 'cloud' ? ZERO : (booked.get(peer.id) ?? ZERO)
}

interface Scan {
  readonly edge: readonly Fitting[]
  readonly cloud: readonly Fitting[]
  readonly rejected: ReadonlyMap<RejectCode, number>
  readonly nearOf: number
  readonly farOf: number
}

function scan(service: Movable, situation: Situation): Scan {
  const edge: Fitting[] = []
  const cloud: Fitting[] = []
  const rejected = new Map<RejectCode, number>()
  const staleMs = STALE_RANKS_LAST_INTERVALS * situation.settings.intervalMs
  let [nearOf, farOf] = [0, 0]
  for (const peer of situation.peers) {
    if (peer.id === situation.self.id) continue
    const sameNetwork = isSameNetwork(situation.self, peer)
    if (peer.role === 'edge' && sameNetwork) nearOf += 1
    if (peer.role === 'edge' && !sameNetwork) farOf += 1
    const need = moveNeed(service.demand, service.mode, peer.capacity)
    const code = rejection(service, peer, need, situation)
    if (code !== null) {
      rejected.set(code, (rejected.get(code) ?? 0) + 1)
      continue
    }
    const fitting: Fitting = {
      peer,
      sameNetwork,
      effCpuPct: effectiveCpuPct(peer, bookedOn(peer, situation.booked)),
      need,
      stale: peer.ageMs > staleMs,
      leftRecently: situation.leftRecently.has(peer.id),
    }
    ;(peer.role === 'cloud' ? cloud : edge).push(fitting)
  }
  return { edge, cloud, rejected, nearOf, farOf }
}

function keptInputs(peers: readonly NodeView[], candidates: readonly Candidate[]): readonly NodeView[] {
  if (peers.length <= MAX_KEPT_PEERS) return peers
  const chosen = new Set(candidates.map(candidate => candidate.fitting.peer))
  const others = peers.slice(0, MAX_KEPT_PEERS).filter(peer => !chosen.has(peer))
  return [...chosen, ...others].slice(0, MAX_KEPT_PEERS)
}

/**
 * Decides for one service.
 * @throws PlacementError STRATEGY_UNKNOWN
 */
export function decide(service: Movable, situation: Situation): Decision {
  const { settings, self, peers } = situation
  const strategy = strategyNamed(settings.strategy)
  const stuck = cannotLeave(service.mode, self.capability)
  const found = scan(service, situation)
  const ranked =
    stuck === null
      ? strategy.plan({
          ...situation,
          service,
          fitting: found.edge,
          cloud: found.cloud,
          threshold: settings.threshold,
          options: { exact: settings.exact },
          keep: maxOffers(peers.length),
        }).candidates
      : []
  const candidates = ranked.map(one => ({ ...one, peer: one.fitting.peer.id, name: one.fitting.peer.name }))
  const inputs = keptInputs(peers, candidates)
  const nearFit = found.edge.filter(fitting => fitting.sameNetwork).length
  return {
    at: situation.now,
    service,
    reason: situation.reason,
    strategy: strategy.name,
    exact: settings.exact,
    threshold: settings.threshold,
    intervalMs: settings.intervalMs,
    self,
    candidates,
    stays: stuck ?? (candidates.length === 0 ? 'nowhere-fits' : null),
    rejected: found.rejected,
    near: { fit: nearFit, of: found.nearOf },
    far: { fit: found.edge.length - nearFit, of: found.farOf },
    inputs,
    inputsLeftOut: peers.length - inputs.length,
    booked: new Map(situation.booked),
  }
}
