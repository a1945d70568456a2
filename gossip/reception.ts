// The front desk of the mesh: answers who asks to come in, and carries out what people say about it (approve, invite, join, open). Whether
// the moment is right is decided by founding.ts, who may admit by admission.ts. Called by joining.ts and open-mesh.ts.

import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId, Role } from '../placement/view.ts'
import { PeerError } from './errors.ts'
import type { FoundingDriver } from './founding-driver.ts'
import type { Greeter } from './greeter.ts'
import { isOpen, openFor, remainingS, windowAtFounding, windowAtStart } from './join-window.ts'
import type { JoinWindow, TrustMode } from './join-window.ts'
import type { Joining } from './joining.ts'
import { LIMITS } from './limits.ts'
import type { MemberLinks } from './member-links.ts'
import type { Membership } from './membership.ts'
import type { OpenTokens } from './open-tokens.ts'
import type { PeerBook } from './peer-book.ts'
import { mayAdmit } from './roster.ts'
import type { MeshId } from './signing.ts'
import { checkTokenMesh } from './token.ts'
import type { Token } from './token.ts'
import { TrustError } from './trust-errors.ts'
import { trustTimes } from './trust-limits.ts'
import type { AdmitMessage, AdmittedMessage, AskMessage, JoinAnswer, JoinQuestion } from './wire/join.ts'
import { sponsorAnswer, sponsorAsk } from './wire/sync.ts'

export interface ReceptionPorts {
  readonly self: { readonly id: NodeId; readonly name: string; readonly role: Role }
  readonly clock: Clock
  readonly trust: TrustMode
  readonly windowMs: Millis
  readonly askTimeoutMs: Millis
  readonly book: PeerBook
  readonly membership: Membership
  readonly tokens: OpenTokens
  readonly driver: () => FoundingDriver
  readonly greeter: () => Greeter
  readonly joining: Joining
  readonly members: MemberLinks
  readonly addresses: () => readonly string[]
  /** Members connected now. */
  readonly connectedMembers: () => readonly NodeId[]
  /** A node was told to wait: every member should show it. */
  readonly onWaiting: (id: NodeId) => void
  readonly onRefused: (id: NodeId, error: unknown) => void
}

const SPONSOR_REQUEST = 'mesh/sponsor'

export class Reception {
  readonly #ports: ReceptionPorts
  #window: JoinWindow
  #token: Token | undefined

  constructor(ports: ReceptionPorts) {
    this.#ports = ports
    this.#window = windowAtStart(ports.trust)
    ports.members.onRequest(SPONSOR_REQUEST, (from, body) => this.#sponsored(from, body))
  }

  windowOpenS(): number {
    return Math.floor(Math.min(remainingS(this.#window, this.#ports.clock.now()), trustTimes.windowMaxMs / 1000))
  }

  founded(): void {
    this.#window = windowAtFounding({ trust: this.#ports.trust, now: this.#ports.clock.now(), windowMs: this.#ports.windowMs })
  }

  /** This node is in another mesh, or in none. */
  moved(): void {
    this.#window = windowAtStart(this.#ports.trust)
  }

  /** Opens the window for `forMs`. @throws TrustError NOT_ADMITTING, WINDOW_FORBIDDEN, WINDOW_DURATION */
  openWindow(forMs: Millis): void {
    this.#needRight()
    this.#window = openFor(this.#window, { now: this.#ports.clock.now(), forMs })
  }

  /** A member with the right to admit says its window is open: the mesh has one window. */
  adoptWindow(from: NodeId, openS: number): void {
    const { membership, clock, trust } = this.#ports
    if (trust === 'ask' || !membership.mayAdmit(from)) return
    if (openS <= this.windowOpenS() + 2) return // rounding must not keep it open for ever
    this.#window = openFor(this.#window, { now: clock.now(), forMs: Math.min(openS * 1000, trustTimes.windowMaxMs) })
  }

  /** Answers one message of the pairing protocol. @throws ShoalError, which is sent as the refusal */
  async answer(from: NodeId, question: JoinQuestion): Promise<JoinAnswer> {
    switch (question.t) {
      case 'hello':
        await this.#ports.greeter().heard(from, question)
        return this.#ports.greeter().hello()
      case 'ask':
        return await this.#asked(from, question)
      case 'admit':
        this.#admittedBy(from, question)
        return { v: 1, t: 'taken' }
    }
  }

  /** Carries out the founding effect `ask`. @throws PeerError with the refusal, TrustError, why there was no answer */
  async ask(id: NodeId, meshId: MeshId, byToken: boolean): Promise<void> {
    const { self, joining, askTimeoutMs, addresses } = this.#ports
    const token = byToken ? this.#token : undefined
    const question: AskMessage = {
      v: 1,
      t: 'ask',
      meshId,
      name: self.name,
      role: self.role,
      addresses: [...addresses()].slice(0, LIMITS.addressesPerPeerMax),
      ...(token && { token: Buffer.from(token.secret).toString('base64url') }),
    }
    const reply = await joining.ask(id, question, AbortSignal.timeout(askTimeoutMs))
    if (reply.t === 'refused') throw new PeerError(id, reply.code, { what: reply.what, hint: reply.hint })
    if (reply.t !== 'admitted') {
      throw new PeerError(id, 'MESH_BAD_MESSAGE', {
        what: `${id.slice(-8)} answered an ask with ${reply.t}`,
        hint: 'run the same release of Shoal on all nodes',
      })
    }
    if (token !== undefined) checkTokenMesh(token, reply.mesh)
    this.#admittedBy(id, reply)
  }

  /** A person lets one in by its peer id. Resolves once it is in the roster; the node itself is told. @throws TrustError */
  async approve(id: NodeId): Promise<void> {
    const { book, membership, driver, joining, clock } = this.#ports
    const peer = book.note(id, clock.now())
    const known = membership.memberOf(id)
    if (known !== undefined) return await membership.admit({ id, name: known.name, role: known.role, via: 'approval' })
    this.#needRight()
    await driver().approved({ id, name: peer.name, role: peer.role, via: 'approval', again: false })
    peer.waitingSince = undefined
    const { t: _, ...fields } = this.#admission(id)
    // Not reached now, it hears it when it asks again.
    await joining.ask(id, { ...fields, t: 'admit' }, AbortSignal.timeout(this.#ports.askTimeoutMs)).catch(() => undefined)
  }

  /** A new token. @throws TrustError NOT_ADMITTING, TOKEN_TTL, TOKENS_FULL, NOT_REACHABLE */
  async invite(ttlMs: Millis, role: Role, secret: Uint8Array): Promise<string> {
    const { membership, tokens, driver, addresses, self } = this.#ports
    this.#needRight()
    const mesh = membership.roster?.mesh ?? ''
    const reachable = addresses().map(address => `${address}/p2p/${self.id}`)
    const text = await tokens.make({ mesh, role, ttlMs, addresses: reachable, secret })
    driver().dispatch({ on: 'tokenMade' })
    return text
  }

  /** Joins by `token` over `id`, who gave it out. @throws TrustError, PeerError, what `signal` says */
  async join(token: Token, id: NodeId, signal: AbortSignal): Promise<void> {
    this.#token = token
    await this.#ports.driver().join(id, token.meshId, signal)
  }

  async #asked(from: NodeId, ask: AskMessage): Promise<AdmittedMessage> {
    const { book, clock, membership, tokens, onRefused } = this.#ports
    const now = clock.now()
    const peer = book.note(from, now)
    peer.name = ask.name
    peer.role = ask.role
    await book.addAddresses(from, ask.addresses, now)
    try {
      if (ask.meshId !== membership.meshId) throw notSettled()
      const known = membership.isMember(from)
      const heardOnLink = peer.heardOnLinkAt !== undefined
      if (!membership.mayAdmit(this.#ports.self.id)) {
        if (!known) await this.#relay(from, ask, heardOnLink)
      } else if (known)
        await this.#ports.driver().approved({ id: from, name: ask.name, role: ask.role, via: 'window', again: true })
      else if (ask.token !== undefined) {
        const role = await tokens.redeem(Buffer.from(ask.token, 'base64url'))
        await this.#ports.driver().approved({ id: from, name: ask.name, role, via: 'token', again: false })
      } else await this.#byWindow(from, ask.name, ask.role, heardOnLink)
      peer.waitingSince = undefined
      return this.#admission(from)
    } catch (error) {
      if (error instanceof TrustError && error.code === 'WAITING_FOR_APPROVAL') this.#waits(from)
      else onRefused(from, error)
      throw error
    }
  }

  async #byWindow(id: NodeId, name: string, role: Role, heardOnLink: boolean): Promise<void> {
    const { driver, clock, membership } = this.#ports
    const seen = { meshId: membership.meshId ?? '', windowOpen: isOpen(this.#window, clock.now()), heardOnLink }
    await driver().asked({ id, name, role, via: 'window', again: false }, seen)
  }

  /** This member may not admit: one that may is asked instead, and its answer is ours. @throws what it answered, NOT_ADMITTING */
  async #relay(from: NodeId, ask: AskMessage, heardOnLink: boolean): Promise<void> {
    const { connectedMembers, membership, members, askTimeoutMs } = this.#ports
    const sponsors = connectedMembers().filter(id => membership.mayAdmit(id))
    const node = { id: from, name: ask.name, role: ask.role, addresses: ask.addresses }
    const body = sponsorAsk.check({ v: 1, node, heardOnLink, ...(ask.token !== undefined && { token: ask.token }) })
    for (const sponsor of sponsors.slice(0, 3)) {
      try {
        const signal = AbortSignal.timeout(Math.round(askTimeoutMs * 0.6))
        const answer = sponsorAnswer.check(await members.request(sponsor, SPONSOR_REQUEST, body, signal))
        return await membership.merge(answer.records)
      } catch (error) {
        if (!(error instanceof PeerError)) continue // not reached: the next one
        if (error.code === 'WAITING_FOR_APPROVAL')
          throw new TrustError('WAITING_FOR_APPROVAL', { what: error.message, hint: error.hint })
        throw error
      }
    }
    throw this.#noRight()
  }

  async #sponsored(_from: NodeId, body: unknown): Promise<unknown> {
    const { node, heardOnLink, token } = sponsorAsk.check(body)
    const { book, clock, membership, tokens } = this.#ports
    const peer = book.note(node.id, clock.now())
    peer.name = node.name
    peer.role = node.role
    await book.addAddresses(node.id, node.addresses, clock.now())
    try {
      if (membership.isMember(node.id)) return { v: 1, records: membership.chainOf(node.id) }
      if (token !== undefined) {
        const role = await tokens.redeem(Buffer.from(token, 'base64url'))
        await this.#ports.driver().approved({ id: node.id, name: node.name, role, via: 'token', again: false })
      } else await this.#byWindow(node.id, node.name, node.role, heardOnLink)
      return { v: 1, records: membership.chainOf(node.id) }
    } catch (error) {
      if (error instanceof TrustError && error.code === 'WAITING_FOR_APPROVAL') this.#waits(node.id)
      throw error
    }
  }

  /** The yes of a mesh: read and checked here, weighed by founding.ts. */
  #admittedBy(from: NodeId, message: AdmittedMessage | AdmitMessage): void {
    const { membership, self, driver } = this.#ports
    const roster = membership.readAdmission(message.mesh, message.records)
    driver().admitted(from, roster, mayAdmit(roster, self.id))
  }

  #admission(id: NodeId): AdmittedMessage {
    const { membership } = this.#ports
    const chain = membership.chainOf(id)
    const inChain = new Set(chain.map(({ bytes }) => bytes))
    const records = [...chain]
    let bytes = records.reduce((sum, record) => sum + record.bytes.length + 64, 0)
    for (const record of membership.records()) {
      bytes += record.bytes.length + 64
      if (bytes > ROSTER_BYTES) break // the rest comes by anti-entropy, at once
      if (!inChain.has(record.bytes)) records.push(record)
    }
    return {
      v: 1,
      t: 'admitted',
      meshId: membership.meshId ?? '',
      mesh: membership.roster?.mesh ?? '',
      records,
    }
  }

  #waits(id: NodeId): void {
    const { book, clock, onWaiting } = this.#ports
    const peer = book.note(id, clock.now())
    peer.waitingSince ??= clock.now()
    onWaiting(id)
  }

  #needRight(): void {
    if (!this.#ports.membership.mayAdmit(this.#ports.self.id)) throw this.#noRight()
  }

  #noRight(): TrustError {
    const inMesh = this.#ports.membership.meshId !== null
    return new TrustError(inMesh ? 'NOT_ADMITTING' : 'NOT_A_MEMBER', {
      what: inMesh ? 'this node has no right to admit others' : 'this node is in no mesh yet',
      hint: inMesh
        ? 'do it on a member that has it (`shoal node inspect` shows it), or approve this node there first'
        : 'see `shoal status`',
    })
  }
}

/** Bytes of records an admission carries: a message of the pairing protocol must stay under its cap. */
const ROSTER_BYTES = LIMITS.joinFrameBytesMax - (8 << 10)

function notSettled(): TrustError {
  return new TrustError('NOT_SETTLED', {
    what: 'this node is in another mesh by now, or in none',
    hint: 'it is asked again by itself',
  })
}
