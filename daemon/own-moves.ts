// What can this node do with its own services: move one where a person or the strategy says, and say where it would go and why. Behind
// remote-moves.ts, which brings the requests of the API and of other nodes here. Built by compose.ts.

import type { MoveRecord } from '../migrate/move-record.ts'
import type { Mover } from '../migrate/mover.ts'
import { candidateText, reasonText, rejectedPeers, stayText } from '../placement/explain.ts'
import type { Decision } from '../placement/decision.ts'
import { needOn } from '../placement/profile.ts'
import type { NodeId, ServiceRecord } from '../placement/view.ts'
import type { ExplainReply } from './api/schema/move.ts'
import type { ControlLoop, Explained } from './control-loop.ts'
import type { OwnMoves } from './remote-moves.ts'
import { ServiceError } from './service-errors.ts'

/** The strategy's name in the record of a move whose target a person named. */
const BY_HAND = 'by-hand'

export interface OwnMovesParts {
  readonly loop: Pick<ControlLoop, 'plan' | 'carryOut' | 'explain'>
  readonly mover: Pick<Mover, 'move' | 'list' | 'onEvent'>
  /** Ends with the daemon: a move goes on whatever becomes of the caller. */
  readonly life: AbortSignal
}

export function ownMoves({ loop, mover, life }: OwnMovesParts): OwnMoves {
  const decided = (record: ServiceRecord, to?: NodeId): Decision => {
    const decision = loop.plan(record.id, to)
    if (decision !== undefined) return decision
    throw new ServiceError('SERVICE_NOT_RUNNING', {
      what: `${record.spec.name} is ${record.state}: only a running service can move`,
      hint: `\`shoal start ${record.spec.name}\`, or wait for the node's first sample`,
    })
  }

  /** Nothing is offered where the strategy sees no room; a target named by a person is asked all the same: its own word counts. */
  const begin = (record: ServiceRecord, to: NodeId | undefined): Promise<MoveRecord> => {
    const decision = decided(record, to)
    if (to !== undefined) {
      const { mode } = decision.service
      return mover.move({ service: record.id, candidates: [to], mode, strategy: BY_HAND, reason: 'asked for' }, life)
    }
    if (decision.candidates.length > 0) return loop.carryOut(decision, life)
    throw new ServiceError('NO_NODE_FITS', {
      what: `${record.spec.name} stays on ${decision.self.name}: ${stayText(decision)}`,
      hint: `\`shoal explain ${record.spec.name}\` says why each node is out`,
    })
  }

  return {
    async move(record, to) {
      const first = Promise.withResolvers<MoveRecord>()
      const unsubscribe = mover.onEvent(event => {
        if (event.record.service === record.id && event.record.side === 'source') first.resolve(event.record)
      })
      const over = begin(record, to).finally(unsubscribe)
      // A move that cannot begin rejects both; whoever waits for `begun` hears it.
      over.then(first.resolve, first.reject)
      return { begun: await first.promise, over }
    },
    explain: (record, to) => Promise.resolve(explainReply(record, decided(record, to), loop.explain(record.id))),
    lastDecision: service => lastDecision(loop.explain(service)),
    list: () => mover.list().toReversed(),
  }
}

function lastDecision(explained: Explained | undefined): ExplainReply['last'] {
  if (explained === undefined) return null
  const { decision, outcome, text } = explained
  const nameOf = (id: string | null): string => decision.inputs.find(peer => peer.id === id)?.name ?? id ?? ''
  const stays = outcome === undefined ? decision.candidates.length === 0 : outcome.to === null
  return {
    outcome: stays ? 'stayed' : outcome === undefined ? 'undecided' : 'moved',
    to: outcome?.to ?? null,
    strategy: decision.strategy,
    reason: reasonText(decision),
    tried: (outcome?.tried ?? []).map(({ peer, accepted, says }) => ({ node: nameOf(peer), accepted, says })),
    error: outcome?.error ?? '',
    text,
  }
}

function explainReply(record: ServiceRecord, decision: Decision, last: Explained | undefined): ExplainReply {
  const tiers = [...new Set(decision.candidates.map(({ tier }) => tier))]
  const first = decision.candidates[0]
  const stays = stayText(decision)
  return {
    service: record.spec.name,
    serviceId: record.id,
    node: decision.self.name,
    strategy: decision.strategy,
    mode: decision.service.mode,
    need: needOn(decision.service.demand, decision.self.capacity),
    threshold: decision.threshold,
    verdict: {
      kind: first === undefined ? 'stay' : 'move',
      to: first?.name ?? null,
      because: first === undefined ? stays : `${first.tier}: ${candidateText(first, decision)}`,
    },
    candidates: decision.candidates.map(candidate => ({
      node: candidate.name,
      nodeId: candidate.peer,
      tier: tiers.indexOf(candidate.tier),
      score: candidate.score,
      because: `${candidate.tier}: ${candidateText(candidate, decision)}`,
    })),
    rejected: rejectedPeers(decision).map(({ peer, name, code, because }) => ({ node: name, nodeId: peer, code, because })),
    last: lastDecision(last),
  }
}
