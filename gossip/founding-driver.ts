// Drives the founding reducer: feeds it what happens and carries out what it says, in order, durably before anyone is told. The reducer
// (founding.ts) decides everything; here nothing is decided. Called by greeter.ts, reception.ts and open-mesh.ts.

import type { Clock } from '../placement/clock.ts'
import type { NodeId, Role } from '../placement/view.ts'
import { PeerError } from './errors.ts'
import { announcement, beginFounding, step, wakeAt } from './founding.ts'
import type { Announcement, FoundingEffect, FoundingEvent, FoundingState, FoundingTiming } from './founding-state.ts'
import { isAlone } from './founding-state.ts'
import { describe } from './founding-words.ts'
import type { Membership, Newcomer } from './membership.ts'
import type { MeshPhase } from './mesh.ts'
import type { Roster } from './roster.ts'
import type { MeshId } from './signing.ts'
import { TrustError } from './trust-errors.ts'
import type { TrustErrorCode } from './trust-errors.ts'

export interface FoundingPorts {
  readonly self: { readonly id: NodeId; readonly name: string; readonly role: Role }
  readonly clock: Clock
  readonly random: () => number
  readonly timing: FoundingTiming
  readonly membership: Pick<Membership, 'meshId' | 'own' | 'members' | 'mayAdmit' | 'found' | 'admit' | 'enter' | 'leave'>
  /** Services or open tokens exist. */
  readonly used: boolean
  /** Asks `id`; calls `admitted` of this driver on a yes. @throws what it was refused with, or why there was no answer */
  readonly ask: (id: NodeId, meshId: MeshId, byToken: boolean) => Promise<void>
  /** This node is about to leave `meshId`: what belongs to it goes first. */
  readonly onLeaving: (meshId: MeshId) => Promise<void>
  /** This node is in a mesh, durably; `from` let it in. */
  readonly onEntered: (how: 'founded' | 'joined', meshId: MeshId, from: NodeId) => void
  readonly onDeclined: (from: NodeId, meshId: MeshId) => void
  /** What this node says of itself changed. */
  readonly onNews: () => void
  readonly onFailure: (what: string, error: unknown) => void
}

/** How one who asked, or was approved, is let in. */
export interface Candidate extends Newcomer {
  /** It is in the roster already; only this node's readiness is asked. */
  readonly again: boolean
}

/** How an ask came: which mesh it means, and what the window has to know. */
export interface SeenAsk {
  readonly meshId: MeshId
  readonly windowOpen: boolean
  readonly heardOnLink: boolean
}

interface Pending {
  readonly candidate: Candidate
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

export class FoundingDriver {
  readonly #ports: FoundingPorts
  readonly #pending = new Map<NodeId, Pending>()
  readonly #entries = new Map<MeshId, Roster>()
  readonly #joins = new Set<PromiseWithResolvers<void>>()
  #state: FoundingState
  #work: Promise<void> = Promise.resolve()
  /** Asks sent so far. */
  #asks = 0
  #cancelWake: () => void = () => undefined
  #stopped = false

  constructor(ports: FoundingPorts) {
    this.#ports = ports
    const { membership, self, timing, used } = ports
    const own = membership.own()
    const others = [...membership.members().keys()].filter(id => id !== self.id)
    const meshId = membership.meshId
    const mesh = meshId === null || own === undefined ? null : { meshId, others, admits: membership.mayAdmit(self.id) }
    this.#state = beginFounding({ self: self.id, timing, used, mesh })
  }

  start(): void {
    this.dispatch({ on: 'started' })
  }

  stop(): void {
    this.#stopped = true
    this.#cancelWake()
  }

  announcement(): Announcement {
    return announcement(this.#state, this.#ports.clock.now())
  }

  describe(): { readonly phase: MeshPhase; readonly says: string } {
    return describe(this.#state, this.#ports.clock.now())
  }

  /** Whether this node has nobody it belongs to yet: then it looks around. */
  isAlone(): boolean {
    return isAlone(this.#state)
  }

  /** Feeds one event; its effects are carried out after those before it. */
  dispatch(event: FoundingEvent): void {
    if (this.#stopped) return
    const { clock, random, onNews } = this.#ports
    const before = JSON.stringify(this.announcement())
    // One moment for both: a deadline that passed between two readings of the clock would be in neither, and never come.
    const now = clock.now()
    const { state, effects } = step(this.#state, event, { now, random: random() })
    this.#state = state
    for (const effect of effects) {
      if (effect.do === 'ask') this.#asks += 1
      this.#enqueue(effect)
    }
    this.#cancelWake()
    const wake = wakeAt(state, now)
    if (wake !== null) this.#cancelWake = clock.after(Math.max(1, wake - clock.now()), () => this.dispatch({ on: 'tick' }))
    if (JSON.stringify(this.announcement()) !== before) onNews()
  }

  /** Resolves when everything dispatched so far was carried out. */
  async settled(): Promise<void> {
    await this.#work
  }

  /** One asks to be let in by the window. Resolves once it is in the roster. @throws TrustError with the reason of a refusal */
  async asked(candidate: Candidate, seen: SeenAsk): Promise<void> {
    await this.#await(candidate, { on: 'asked', id: candidate.id, ...seen })
  }

  /** A person or a token lets one in. Resolves once it is in the roster. @throws TrustError */
  async approved(candidate: Candidate): Promise<void> {
    await this.#await(candidate, { on: 'approved', id: candidate.id })
  }

  /** The yes to our ask, its records checked. */
  admitted(from: NodeId, roster: Roster, admits: boolean): void {
    this.#entries.set(roster.meshId, roster)
    this.dispatch({ on: 'admitted', from, meshId: roster.meshId, admits })
    this.#enqueue({ do: 'forget', meshId: roster.meshId })
  }

  /** A person's token: asks `id`. Resolves when this node is in `meshId`. @throws TrustError, what the ask met, what `signal` says */
  async join(id: NodeId, meshId: MeshId, signal: AbortSignal): Promise<void> {
    const join = Promise.withResolvers<void>()
    const onAbort = (): void => join.reject(signal.reason)
    this.#joins.add(join)
    signal.addEventListener('abort', onAbort, { once: true })
    this.dispatch({ on: 'joinToken', id, meshId })
    try {
      await join.promise
    } finally {
      this.#joins.delete(join)
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #await(candidate: Candidate, event: FoundingEvent): Promise<void> {
    const outcome = Promise.withResolvers<void>()
    this.#pending.get(candidate.id)?.reject(refusal('NOT_SETTLED', candidate.id))
    this.#pending.set(candidate.id, { candidate, resolve: outcome.resolve, reject: outcome.reject })
    this.dispatch(event)
    await outcome.promise
  }

  #enqueue(effect: FoundingEffect | { readonly do: 'forget'; readonly meshId: MeshId }): void {
    const asks = this.#asks
    this.#work = this.#work.then(async () => {
      try {
        await this.#carryOut(effect, asks)
      } catch (error) {
        this.#ports.onFailure(effect.do, error)
      }
    })
  }

  async #carryOut(effect: FoundingEffect | { readonly do: 'forget'; readonly meshId: MeshId }, asks: number): Promise<void> {
    const { membership, self, onLeaving, onEntered, onDeclined } = this.#ports
    switch (effect.do) {
      case 'found': {
        const meshId = await membership.found(self)
        this.dispatch({ on: 'founded', meshId })
        return onEntered('founded', meshId, self.id)
      }
      case 'ask':
        return void this.#ask(effect, asks)
      case 'enter':
        return await this.#enter(effect.from, effect.meshId, effect.leaving)
      case 'leave':
        await onLeaving(effect.meshId)
        return await membership.leave()
      case 'grant':
        return await this.#grant(effect.id)
      case 'answer':
        return this.#settle(effect.id, refusal(effect.code, effect.id))
      case 'decline':
        for (const join of this.#joins) join.reject(refusal('ALREADY_MEMBER', self.id))
        return onDeclined(effect.from, effect.meshId)
      case 'refuseJoin':
        for (const join of this.#joins) join.reject(refusal(effect.code, self.id))
        return
      case 'forget':
        this.#entries.delete(effect.meshId)
    }
  }

  /** The `number`th ask. What becomes of one that a later one has overtaken (a token came) concerns nobody. */
  async #ask({ id, meshId, byToken }: Extract<FoundingEffect, { do: 'ask' }>, number: number): Promise<void> {
    try {
      await this.#ports.ask(id, meshId, byToken)
    } catch (error) {
      if (number !== this.#asks) return
      if (byToken) for (const join of this.#joins) join.reject(error)
      const said = error instanceof PeerError || error instanceof TrustError
      this.dispatch({ on: 'refused', from: id, code: said ? error.code : 'NO_ANSWER' })
    }
  }

  async #enter(from: NodeId, meshId: MeshId, leaving: MeshId | null): Promise<void> {
    const { membership, onLeaving, onEntered } = this.#ports
    const roster = this.#entries.get(meshId)
    if (roster === undefined) return // entered already: the reducer says it once
    if (leaving !== null) await onLeaving(leaving)
    await membership.enter(roster)
    onEntered('joined', meshId, from)
    for (const join of this.#joins) join.resolve()
  }

  async #grant(id: NodeId): Promise<void> {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    try {
      if (!pending.candidate.again) await this.#ports.membership.admit(pending.candidate)
      this.#settle(id)
    } catch (error) {
      this.#settle(id, error)
    }
  }

  #settle(id: NodeId, error?: unknown): void {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (error === undefined) pending?.resolve()
    else pending?.reject(error)
  }
}

const refusalWords: Partial<Record<TrustErrorCode, { readonly what: string; readonly hint: string }>> = {
  WAITING_FOR_APPROVAL: {
    what: 'the join window is closed, or this node was not heard on a link of its own',
    hint: 'on a member: `shoal approve NAME`; or join with a token of `shoal invite`',
  },
  NOT_SETTLED: { what: 'the asked node is still finding its own mesh', hint: 'it is asked again in a moment' },
  NOT_ADMITTING: {
    what: 'this member has no right to admit',
    hint: 'approve on a member that has it: `shoal node inspect` shows it',
  },
  ALREADY_MEMBER: {
    what: 'this node belongs to a mesh with other members, services or tokens',
    hint: 'remove it from that mesh first, or reset it',
  },
}

function refusal(code: TrustErrorCode, id: NodeId): TrustError {
  const words = refusalWords[code] ?? { what: `refused: ${code}`, hint: 'see docs/errors.md' }
  return new TrustError(code, { what: `${id.slice(-8)}: ${words.what}`, hint: words.hint })
}
