// How did this move end? What the source finds out after the hand-over when it lost the target's word: from the registry, where the target's
// own signed record is as good as its word, else by asking on a stream of its own. Used by source-side.ts; docs/protocols/move.md, rule 4.

import { MoveError } from './errors.ts'
import type { MoveFacts } from './journal.ts'
import { LIMITS } from './limits.ts'
import type { MoverPorts, MoveStream } from './ports.ts'
import { MOVE_VERSION } from './protocol.ts'
import type { Message } from './protocol.ts'
import { moveChannel } from './transfer/channel.ts'
import { within } from './within.ts'

export interface Question {
  readonly ports: MoverPorts
  readonly move: string
  readonly facts: MoveFacts
}

/** Opens a stream to the target. @throws MoveError MOVE_PEER_LOST when that takes too long */
export function dialTarget({ ports, facts }: Question, signal: AbortSignal): Promise<MoveStream> {
  return within(ports.open(facts.to, signal), {
    clock: ports.clock,
    ms: LIMITS.offerMs,
    signal,
    late: () =>
      new MoveError('MOVE_PEER_LOST', {
        what: `no stream to ${facts.to} within ${LIMITS.offerMs / 1000} s`,
        hint: 'is that node up?',
      }),
  })
}

/**
 * Whether the mesh has the target's record of this service with a later epoch. Only this move could have given it one, and the target signs
 * it only after it has committed: so it is committed, also when the target itself cannot be reached any more.
 */
export function publishedByTarget({ ports, facts }: Question): boolean {
  const known = ports.services.known(facts.service.id)
  return known !== undefined && known.owner === facts.to && known.epoch > facts.service.epoch
}

/** Asks the target, once. */
export async function askTarget(question: Question, signal: AbortSignal): Promise<Message> {
  const channel = moveChannel(await dialTarget(question, signal), question.ports.clock)
  try {
    await channel.send({ kind: 'ask', v: MOVE_VERSION, move: question.move }, signal)
    return await channel.next(LIMITS.askMs, signal)
  } finally {
    // An answered question leaves nothing to close but our half.
    await channel.close().catch(() => undefined)
  }
}
