// A decision in words: what was chosen, by which figures, and why not the others. `shoal explain SERVICE`, `shoal move --dry-run`, the UI and
// `npm run decide` print it. Made on request, from the inputs kept with the decision.

import { type CapabilityCode, obstacleText } from './capability.ts'
import { bookedOn, type Candidate, type Decision, rejection, type RejectCode } from './decision.ts'
import { misfit, misfitText } from './fit.ts'
import { MAX_EXPLAINED } from './limits.ts'
import { moveNeed } from './need.ts'
import { overText } from './admission.ts'
import type { NodeId, NodeView } from './view.ts'

/** What a target said to an offer. */
export interface Tried {
  readonly peer: NodeId
  readonly accepted: boolean
  /** Its reason, or its own load then. */
  readonly says: string
}

/** How a decision went, where it was carried out. */
export interface Outcome {
  /** Text, as the reader's clock shows it. */
  readonly time: string
  readonly to: string | null
  readonly tried: readonly Tried[]
  /** Empty when all went well. */
  readonly error: string
}

export interface RejectedPeer {
  readonly peer: NodeId
  readonly name: string
  readonly code: RejectCode
  readonly because: string
}

const round = (value: number): string => String(Math.round(value * 10) / 10)
const seconds = (ms: number): string => (ms / 1000).toFixed(1)

/** `cpu 38 + 10 = 48 < 50, rtt 3 ms`; the cloud is never full, so it shows no sum. */
export function candidateText(candidate: Candidate, decision: Pick<Decision, 'threshold'>): string {
  const { effCpuPct, need, peer, stale } = candidate.fitting
  const rtt = peer.rttMs === null ? 'rtt not measured' : `rtt ${round(peer.rttMs)} ms`
  const old = stale ? `, view ${seconds(peer.ageMs)} s old` : ''
  if (candidate.tier === 'cloud') return `last resort, never full, ${rtt}${old}`
  const add = need.need.cpuPct
  return `cpu ${round(effCpuPct)} + ${round(add)} = ${round(effCpuPct + add)} < ${round(decision.threshold.cpuPct)}, ${rtt}${old}`
}

function because(code: RejectCode, peer: NodeView, decision: Decision): string {
  switch (code) {
    case 'client':
      return 'hosts nothing (client)'
    case 'draining':
    case 'leaving':
    case 'lost':
      return `is ${code}`
    case 'stale':
      return `last heard of ${seconds(peer.ageMs)} s ago`
    case 'red':
      return `is red: ${overText(peer.load, decision.threshold)}`
    case 'arch':
    case 'mode':
    case 'no-shim':
    case 'no-criu':
    case 'criu-older':
    case 'cpu-features':
      return obstacleText(code, decision.service.mode, decision.self.capability, peer.capability)
    case 'cpu':
    case 'ram':
    case 'ram-committed':
    case 'ram-limit':
    case 'gpu':
    case 'no-gpu': {
      const need = moveNeed(decision.service.demand, decision.service.mode, peer.capacity)
      const breaks = misfit(peer, bookedOn(peer, decision.booked), need, decision.threshold)
      return breaks === null ? code : misfitText(breaks)
    }
  }
}

/** The peers that were no candidates, with their reasons, of those whose views were kept; at most `most`. */
export function rejectedPeers(decision: Decision, most: number = MAX_EXPLAINED): readonly RejectedPeer[] {
  const found: RejectedPeer[] = []
  const settings = { ...decision, intervalMs: decision.intervalMs }
  for (const peer of decision.inputs) {
    if (found.length >= most) break
    if (peer.id === decision.self.id) continue
    const need = moveNeed(decision.service.demand, decision.service.mode, peer.capacity)
    const code = rejection(decision.service, peer, need, { self: decision.self, booked: decision.booked, settings })
    if (code !== null) found.push({ peer: peer.id, name: peer.name, code, because: because(code, peer, decision) })
  }
  return found
}

/** Why a service stays, in words. */
export function stayText(decision: Pick<Decision, 'stays' | 'service' | 'self'>): string {
  const { stays, service, self } = decision
  if (stays === null) return ''
  if (stays === 'nowhere-fits') return 'no node fits, and there is no cloud node that can take it'
  return `it cannot leave ${self.name}: this node ${obstacleText(stays satisfies CapabilityCode, service.mode, self.capability, self.capability)}`
}

/** Why the service was to leave, in words: `lab4 red: cpu 59 >= 50`. */
export function reasonText({ reason, self, threshold }: Pick<Decision, 'reason' | 'self' | 'threshold'>): string {
  switch (reason) {
    case 'red':
      return `${self.name} red: ${overText(self.load, threshold)}`
    case 'drain':
      return `${self.name} drains`
    case 'person':
      return 'asked for'
  }
}

function headline(decision: Decision, outcome: Outcome | undefined): string {
  const { service, self, candidates } = decision
  const first = candidates[0]
  const ages = decision.inputs.map(peer => peer.ageMs)
  const view = ages.length === 0 ? 'no peer in view' : `view ${seconds(Math.min(...ages))}-${seconds(Math.max(...ages))} s old`
  const strategy = `strategy ${decision.strategy}${decision.exact ? ', exact' : ''}`
  const tail = `(${reasonText(decision)}; ${strategy}; ${view})`
  if (outcome === undefined) {
    const verdict =
      first === undefined ? `stays on ${self.name}: ${stayText(decision)}` : `would move ${self.name} -> ${first.name}`
    return `${service.name} ${verdict}  ${tail}`
  }
  const went = outcome.to === null ? `stayed on ${self.name}` : `moved ${self.name} -> ${outcome.to}`
  return `${service.name} ${went} ${outcome.time}  ${tail}`
}

function candidateLine(decision: Decision, outcome: Outcome | undefined, index: number): string {
  const candidate = decision.candidates[index]
  if (candidate === undefined) return ''
  const said = outcome?.tried.find(tried => tried.peer === candidate.peer)
  const answer =
    said === undefined ? '' : `  ${said.accepted ? 'accepted' : 'refused'}${said.says === '' ? '' : `: ${said.says}`}`
  return `  ${index + 1} ${candidate.name}  ${candidateText(candidate, decision)}  [${candidate.tier}]${answer}`
}

function countsLine(decision: Decision): string {
  const cloudFirst = decision.candidates[0]?.tier === 'cloud'
  const hasCloud = decision.candidates.some(candidate => candidate.tier === 'cloud')
  const cloud = cloudFirst ? 'cloud needed' : hasCloud ? 'cloud not needed' : 'no cloud node'
  const { near, far } = decision
  return `  same network ${near.fit} of ${near.of}, other networks ${far.fit} of ${far.of}, ${cloud}`
}

/** The decision as text, and how it went where it was carried out. */
export function explain(decision: Decision, outcome?: Outcome): string {
  const shown = Math.min(decision.candidates.length, MAX_EXPLAINED)
  const named = rejectedPeers(decision)
  const total = [...decision.rejected.values()].reduce((sum, count) => sum + count, 0)
  const counts = [...decision.rejected].map(([code, count]) => `${count} ${code}`).join(', ')
  return [
    headline(decision, outcome),
    countsLine(decision),
    ...Array.from({ length: shown }, (_, index) => candidateLine(decision, outcome, index)),
    ...named.map(peer => `  x ${peer.name}  ${peer.because}`),
    ...(total > named.length ? [`  x ${total - named.length} more; filtered in all: ${counts}`] : []),
    ...(outcome !== undefined && outcome.error !== '' ? [`  failed: ${outcome.error}`] : []),
  ].join('\n')
}
