// Moves arriving here: offers taken or refused, a bounded number at once, and the answer to a source that lost its stream and asks how its
// move ended. The mover's target half. The answer is a fence: a move that is not decided when it is asked for will never be (docs/protocols/move.md).

import type { CheckpointDriver } from './checkpoint/driver.ts'
import { MoveError, described } from './errors.ts'
import { startIncoming } from './incoming.ts'
import type { Incoming } from './incoming.ts'
import { isSettled } from './journal.ts'
import type { JournalEntry, MoveFacts, Recovery } from './journal.ts'
import { LIMITS } from './limits.ts'
import { modePlan } from './modes/mode-table.ts'
import type { MoveLedger } from './move-ledger.ts'
import type { MoveOutcome, MoveRecord } from './move-record.ts'
import { tickets } from './move-tickets.ts'
import type { MoverPorts, MoveStream } from './ports.ts'
import type { Message, MessageOf } from './protocol.ts'
import type { Failure } from './source-machine.ts'
import type { TargetState } from './target-machine.ts'
import { ownedHere } from './target-side.ts'
import { moveChannel } from './transfer/channel.ts'
import type { MoveChannel } from './transfer/channel.ts'
import { within } from './within.ts'
import type { NodeId, ServiceRecord } from '../placement/view.ts'

type TargetRecovery = Extract<Recovery, { side: 'target' }>

export interface ArrivalsParts {
  readonly ports: MoverPorts
  readonly driver: CheckpointDriver
  readonly ledger: MoveLedger
  readonly halt: AbortSignal
}

const asked: Failure = {
  code: 'MOVE_CANCELLED',
  what: 'the source asked for the outcome before the move was decided',
  hint: 'the service runs on at the source',
}
const neverHeard: Failure = {
  code: 'MOVE_RESTARTED',
  what: 'the target knows nothing of this move: it was never decided there',
  hint: 'the service runs on at the source: move it again',
}

export class Arrivals {
  readonly #parts: ArrivalsParts
  readonly #tickets = tickets(LIMITS.incoming)
  readonly #live = new Map<string, Incoming>()
  /** The last entry of each arrived move that the journal still holds: what the question for an outcome is answered from. */
  readonly #known = new Map<string, TargetRecovery>()
  #begun = 0

  constructor(parts: ArrivalsParts) {
    const journal = {
      append: async (entry: JournalEntry) => {
        await parts.ports.journal.append(entry)
        if (entry.side === 'target') this.#note(entry)
      },
      all: () => parts.ports.journal.all(),
      drop: (move: string) => parts.ports.journal.drop(move),
    }
    this.#parts = { ...parts, ports: { ...parts.ports, journal } }
  }

  get running(): number {
    return this.#live.size
  }
  /** How many have begun since the start of the daemon. */
  get begun(): number {
    return this.#begun
  }
  busy(service: string): boolean {
    return [...this.#live.values()].some(incoming => incoming.facts.service.id === service)
  }
  async callOff(why: Failure): Promise<void> {
    await Promise.allSettled([...this.#live.values()].flatMap(incoming => (incoming.run.cancel(why) ? [incoming.run.ended] : [])))
  }

  /** Serves one stream to its end. Never rejects: what went wrong was said to the peer and stands in the ledger. */
  async handle(stream: MoveStream): Promise<void> {
    const { ports, halt } = this.#parts
    const channel = moveChannel(stream, ports.clock)
    try {
      const first = await channel.next(LIMITS.offerMs, halt)
      if (first.kind === 'ask') await channel.send(await this.#outcome(first.move, channel.peer), halt)
      else if (first.kind === 'offer') await this.#offered(channel, first)
      else
        throw new MoveError('MOVE_BAD_MESSAGE', {
          what: `a move does not begin with ${first.kind}`,
          hint: 'update Shoal on both nodes',
        })
      await channel.close()
    } catch (error) {
      const refused = { kind: 'refused', ...described(error, 'MOVE_BAD_MESSAGE'), load: null } as const
      await channel.send(refused, halt).catch(() => undefined)
      channel.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async #offered(channel: MoveChannel, offer: MessageOf<'offer'>): Promise<void> {
    const { ports, halt } = this.#parts
    const facts: MoveFacts = { service: offer.service, mode: offer.mode, from: channel.peer, to: ports.self, containerId: null }
    const refusal = this.#refusal(offer, facts)
    const back = refusal === undefined ? await this.#place() : undefined
    if (back === undefined) {
      await channel.send({ kind: 'refused', ...(refusal ?? full), load: null }, halt)
      return
    }
    try {
      await this.#run(offer.move, facts, { channel, offer })
    } finally {
      back()
    }
  }

  /** A place among the moves arriving, waited for a while; undefined when none came free. Admission is asked afterwards, with fresh figures. */
  async #place(): Promise<(() => void) | undefined> {
    const { ports, halt } = this.#parts
    const given = new AbortController()
    const late = (): Error => new Error('no place came free')
    try {
      const place = this.#tickets.take(AbortSignal.any([given.signal, halt]))
      return await within(place, { clock: ports.clock, ms: LIMITS.placeMs, signal: halt, late })
    } catch {
      // Only the wait can fail: the answer is that there is no place.
      given.abort()
      return undefined
    }
  }

  /** What speaks against an offer before anybody is asked. */
  #refusal(offer: MessageOf<'offer'>, facts: MoveFacts): Failure | undefined {
    if (offer.service.owner !== facts.from) {
      return {
        code: 'MOVE_NOT_OWNED',
        what: `${facts.from} does not own ${offer.service.spec.name}`,
        hint: 'its owner must move it',
      }
    }
    const known = this.#parts.ports.services.known(offer.service.id)
    if (known !== undefined && overtaken(offer.service, known)) {
      return {
        code: 'MOVE_NOT_OWNED',
        what: `${facts.from} has epoch ${offer.service.epoch} of ${offer.service.spec.name}, and ${known.deleted ? 'it was removed' : `epoch ${known.epoch} of it lives on ${known.owner}`}`,
        hint: 'the source has an old copy: it sets it aside when it hears the newer record',
      }
    }
    if (modePlan(offer.mode) === undefined) {
      return {
        code: 'MOVE_MODE_UNAVAILABLE',
        what: `the target does not know the mode ${offer.mode}`,
        hint: 'update Shoal on the target',
      }
    }
    if (this.#live.has(offer.move) || this.#known.has(offer.move) || this.busy(offer.service.id)) {
      return {
        code: 'MOVE_BUSY',
        what: `${offer.service.spec.name} is arriving here already`,
        hint: 'wait for it: `shoal moves ls`',
      }
    }
    return undefined
  }

  async #run(
    move: string,
    facts: MoveFacts,
    from: { channel: MoveChannel; offer: MessageOf<'offer'> } | { from: TargetRecovery['step'] },
  ): Promise<TargetState> {
    const { ports, driver, ledger, halt } = this.#parts
    const plan = modePlan(facts.mode)
    if (plan === undefined)
      throw new MoveError('MOVE_MODE_UNAVAILABLE', { what: `the mode ${facts.mode} is unknown here`, hint: 'update Shoal' })
    const startedMs = ports.clock.now()
    let record = arrivalRecord(move, facts, 'offer' in from ? from.offer : undefined, ports.clock.wallNow())
    const incoming = startIncoming({
      ports,
      driver,
      plan,
      move,
      facts,
      ...from,
      halt,
      onChange: (state, side) => {
        record = { ...record, bytes: { ...side.bytes }, ...outcomeOf(state) }
        ledger.show(record, `arrival of ${record.name}: ${state.at}`)
      },
    })
    this.#live.set(move, incoming)
    this.#begun += 1
    try {
      const state = await incoming.run.ended
      // A refused offer is the source's story; here it would only fill the list.
      if (state.at === 'ended' && state.how !== 'refused') {
        record = { ...record, ...outcomeOf(state), totalMs: Math.round(ports.clock.now() - startedMs) }
        await ledger.keep(record, `arrival of ${record.name}: ${record.outcome}`)
      }
      await this.#trim()
      return state
    } finally {
      this.#live.delete(move)
    }
  }

  /** Takes up what the last daemon left, and remembers how the others ended. */
  async recover(recovery: TargetRecovery): Promise<void> {
    this.#known.set(recovery.move, recovery)
    if (!isSettled(recovery)) await this.#run(recovery.move, recovery.facts, { from: recovery.step })
  }

  async #outcome(move: string, peer: NodeId): Promise<Message> {
    const { ports, halt } = this.#parts
    const live = this.#live.get(move)
    if (live !== undefined) {
      if (live.facts.from !== peer) return { kind: 'undecided' }
      live.run.cancel(asked)
      const late = (): Error => new MoveError('MOVE_UNDECIDED', { what: 'the copy is still being restored', hint: 'ask again' })
      const ended = within(live.run.ended, { clock: ports.clock, ms: LIMITS.askMs / 2, signal: halt, late })
      const state = await ended.catch(() => undefined)
      return state === undefined ? { kind: 'undecided' } : this.#told(move, state, live)
    }
    const known = this.#known.get(move)
    if (known === undefined) return this.#unheard(move)
    if (known.facts.from !== peer) return { kind: 'undecided' }
    if (!isSettled(known)) {
      // Got stuck before: try again now that somebody waits for it.
      const state = await this.#run(move, known.facts, { from: known.step })
      return this.#told(move, state, undefined)
    }
    return known.step === 'done' ? committedOnce(known.facts) : { kind: 'aborted', ...neverHeard }
  }

  #told(move: string, state: TargetState, live: Incoming | undefined): Message {
    if (state.at !== 'ended') return { kind: 'undecided' }
    switch (state.how) {
      case 'done': {
        const facts = live?.facts ?? this.#known.get(move)?.facts
        if (facts === undefined) return { kind: 'undecided' }
        return { ...committedOnce(facts), ranAtMs: live?.side.ranAtMs ?? null }
      }
      case 'aborted':
      case 'refused':
        return { kind: 'aborted', ...(state.because ?? neverHeard) }
      case 'stuck':
        return { kind: 'undecided' }
    }
  }

  /** No entry: never decided here, or so long ago that it was forgotten; then its copy, if it is still here, tells by its label. */
  async #unheard(move: string): Promise<Message> {
    const { ports, halt } = this.#parts
    const copy = await ports.engine.findCopy(move, halt)
    return copy === undefined ? { kind: 'aborted', ...neverHeard } : { kind: 'undecided' }
  }

  #note({ wallMs: _, ...entry }: Extract<JournalEntry, { side: 'target' }>): void {
    this.#known.delete(entry.move)
    this.#known.set(entry.move, entry)
  }

  /** Forgets the outcomes of the oldest settled moves. */
  async #trim(): Promise<void> {
    while (this.#known.size > LIMITS.records) {
      const oldest = [...this.#known.values()].find(isSettled)
      if (oldest === undefined) return
      this.#known.delete(oldest.move)
      await this.#parts.ports.journal.drop(oldest.move)
    }
  }
}

/** Whether what is offered is not the service of the mesh any more: a newer epoch, this epoch in another's hands, or a tombstone. */
const overtaken = (offered: ServiceRecord, known: ServiceRecord): boolean =>
  known.epoch > offered.epoch || (known.epoch === offered.epoch && (known.owner !== offered.owner || known.deleted))

const committedOnce = (facts: MoveFacts): MessageOf<'committed'> => ({
  kind: 'committed',
  epoch: ownedHere(facts).epoch,
  ranAtMs: null,
  restoreMs: null,
})

const full: Failure = {
  code: 'MOVE_LIMIT',
  what: `${LIMITS.incoming} moves are arriving at the target already`,
  hint: 'try again when they are over, or move it elsewhere',
}

function outcomeOf(state: TargetState): { outcome: MoveOutcome; error: MoveRecord['error'] } {
  if (state.at !== 'ended') return { outcome: 'running', error: null }
  const outcome = { done: 'done', aborted: 'failed', refused: 'refused', stuck: 'unresolved' } as const
  return { outcome: outcome[state.how], error: state.because }
}

function arrivalRecord(move: string, facts: MoveFacts, offer: MessageOf<'offer'> | undefined, wallMs: number): MoveRecord {
  return {
    id: move,
    side: 'target',
    service: facts.service.id,
    name: facts.service.spec.name,
    type: facts.service.spec.type,
    mode: facts.mode,
    strategy: offer?.strategy ?? 'recovered',
    reason: offer?.reason ?? '',
    from: facts.from,
    to: facts.to,
    startedAtMs: wallMs,
    phases: [],
    bytes: { image: 0, layer: 0, checkpoint: 0 },
    downtimeMs: null,
    errorMs: null,
    totalMs: null,
    outcome: 'running',
    refusals: [],
    error: null,
  }
}
