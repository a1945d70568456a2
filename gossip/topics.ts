// The gossip topic: rare facts for all members (records just written, a node that waits, the window opened). Members only, signed, small,
// and only so many per author; what is lost or refused here anti-entropy.ts brings. Load reports never come here.

import { TopicValidatorResult } from '@chainsafe/libp2p-gossipsub'
import type { Message } from '@chainsafe/libp2p-gossipsub'
import type { PeerId } from '@libp2p/interface'
import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import type { Gate } from './gate.ts'
import type { Host } from './host.ts'
import { LIMITS } from './limits.ts'
import { topicFact } from './wire/topic-fact.ts'
import type { Fact } from './wire/topic-fact.ts'

export const FACTS_TOPIC = 'shoal/facts/1'

export interface TopicPorts {
  readonly host: Host
  readonly gate: Gate
  readonly clock: Clock
  /** What a member published. May reject: its reason goes to `onFailure`. */
  readonly take: (from: NodeId, fact: Fact) => Promise<void>
  readonly onFailure: (from: NodeId, what: string, error: unknown) => void
}

export interface Topic {
  /** Begins to hear; the host must run. */
  subscribe(): void
  /** Tells all members. A fact that does not get out is no failure: anti-entropy carries it. */
  publish(fact: Fact): Promise<void>
}

export function openTopic({ host, gate, clock, take, onFailure }: TopicPorts): Topic {
  const { pubsub } = host.services
  const inBudget = factBudget(clock)
  const judge = (relay: PeerId, message: Message): TopicValidatorResult => {
    if (message.type !== 'signed') return TopicValidatorResult.Reject
    const author = message.from.toString()
    if (!gate.isMember(relay.toString())) return TopicValidatorResult.Ignore
    // An author we do not know yet may be a member whose record is still on its way: no reason to punish who passed it on.
    if (!gate.isMember(author) || !inBudget(author)) return TopicValidatorResult.Ignore
    return message.data.byteLength <= LIMITS.topicMessageBytesMax ? TopicValidatorResult.Accept : TopicValidatorResult.Reject
  }
  pubsub.topicValidators.set(FACTS_TOPIC, judge)
  pubsub.addEventListener('message', ({ detail: message }) => {
    if (message.topic !== FACTS_TOPIC || message.type !== 'signed') return
    const author = message.from.toString()
    if (author === host.peerId.toString()) return
    void (async () => {
      try {
        await take(author, topicFact.decode(Buffer.from(message.data).toString('utf8')).fact)
      } catch (error) {
        onFailure(author, 'a fact', error)
      }
    })()
  })
  return {
    subscribe: () => pubsub.subscribe(FACTS_TOPIC),
    async publish(fact) {
      const data = Buffer.from(topicFact.encode({ v: 1, fact }), 'utf8')
      try {
        await pubsub.publish(FACTS_TOPIC, data)
      } catch (error) {
        onFailure(host.peerId.toString(), 'publishing a fact', error)
      }
    },
  }
}

/** A bucket of tokens per author. */
function factBudget(clock: Clock): (author: NodeId) => boolean {
  const spent = new Map<NodeId, { left: number; at: Millis }>()
  return author => {
    const now = clock.now()
    const { left, at } = spent.get(author) ?? { left: LIMITS.factsBurst, at: now }
    const refilled = Math.min(LIMITS.factsBurst, left + ((now - at) / 1000) * LIMITS.factsPerSecond)
    spent.set(author, { left: Math.max(0, refilled - 1), at: now })
    return refilled >= 1
  }
}
