// What a mesh does by itself: reacts to what its parts tell of (a peer came up, a record arrived, this node moved to another mesh) and
// keeps the beat (heartbeats, dialling, judging, comparing). Built and started by open-mesh.ts.

import { multiaddr } from '@multiformats/multiaddr'
import type { Millis, NodeId } from '../placement/view.ts'
import type { Heard } from './discovery.ts'
import { startHost } from './host.ts'
import { MeshError, reasonOf } from './errors.ts'
import type { VerdictChange } from './failure-detector.ts'
import { LIMITS, RHYTHM } from './limits.ts'
import type { MeshEvent } from './mesh.ts'
import { LISTEN_ON } from './mesh-options.ts'
import type { MeshParts, MeshReactions } from './mesh-parts.ts'
import { recordToWire } from './membership.ts'
import { hearRemoved } from './removal-notice.ts'
import { everyBeat } from './rhythm.ts'
import type { SignedRecord } from './roster.ts'
import { TrustError } from './trust-errors.ts'
import type { HelloMessage } from './wire/join.ts'
import type { Fact } from './wire/topic-fact.ts'

const LEAVING = 'mesh/leaving'
/** Of two nodes that heard each other at once the higher id waits so long for the other's dial. */
const POLITE_MS = 1_000
/** How long a node that was heard by multicast is dialled though it is no member. */
const LINK_INTEREST_MS = 2 * RHYTHM.mdnsMs

export class MeshLife implements MeshReactions {
  readonly #parts: MeshParts
  readonly #events = new Set<(event: MeshEvent) => void>()
  readonly #up = new Set<NodeId>()
  readonly #bootstrap = new Set<NodeId>()
  readonly #beats: (() => void)[] = []
  readonly #caughtUp = Promise.withResolvers<void>()
  #stopped = false

  constructor(parts: MeshParts) {
    this.#parts = parts
  }

  onEvent(listener: (event: MeshEvent) => void): () => void {
    this.#events.add(listener)
    return () => this.#events.delete(listener)
  }

  /** Serves, listens, dials, beats. */
  async start(): Promise<void> {
    const { joining, members, membership, services, profiles, driver, host, topic, options, book, self } = this.#parts
    membership.onRecords((added, own) => this.#onRecords(added, own))
    services.onChange((record, sealed, own) => {
      if (own) void topic.publish({ kind: 'service-record', record: sealed })
      if (own && !record.deleted) driver.dispatch({ on: 'serviceCreated' })
    })
    profiles.onChange((_record, sealed, own) => {
      if (own) void topic.publish({ kind: 'profile-record', record: sealed })
    })
    members.onRequest(LEAVING, async from => {
      book.note(from, options.clock.now()).leavingAt = options.clock.now()
      this.#parts.watch.judge(0)
    })
    hearRemoved(members, records => membership.merge(records))
    await joining.serve()
    await members.serve()
    for (const id of membership.members().keys()) if (id !== self.id) book.note(id, options.clock.now())
    await this.#noteBootstrap()
    await startHost(host, { port: options.port, listenOn: options.listenOn ?? LISTEN_ON })
    topic.subscribe()
    await host.services.lan.listen({
      self: self.id,
      alone: () => driver.isAlone(),
      onHeard: heard => void this.#onHeard(heard),
    })
    driver.start()
    this.#beat()
  }

  /** See {@link Mesh.caughtUp}. */
  caughtUp(): Promise<void> {
    const { membership, self } = this.#parts
    const alone = [...membership.members().keys()].every(id => id === self.id)
    return alone ? Promise.resolve() : this.#caughtUp.promise
  }

  /** Tells the members, then falls silent. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    const { links, members, greeter, driver, host, self } = this.#parts
    for (const stop of this.#beats) stop()
    driver.stop()
    const signal = AbortSignal.timeout(FAREWELL_MS)
    await Promise.allSettled([...this.#up].map(id => members.request(id, LEAVING, null, signal)))
    const reason = new MeshError('MESH_STOPPED', { what: `${self.name} leaves`, hint: 'start it again with `shoal up`' })
    greeter.stop(reason)
    members.dropAll(reason)
    links.stop(reason)
    await host.services.lan.hush()
    await host.stop()
  }

  // What the parts tell of

  isWanted(id: NodeId): boolean {
    const { membership, driver, book, options } = this.#parts
    if (membership.isMember(id)) return true
    if (!driver.isAlone() || membership.isRemoved(id)) return false
    const heardAt = book.get(id)?.heardOnLinkAt
    return this.#bootstrap.has(id) || (heardAt !== undefined && options.clock.now() - heardAt < LINK_INTEREST_MS)
  }

  onUp(id: NodeId, dialled: boolean): void {
    if (!this.#stopped) this.#parts.greeter.met(id, dialled)
  }

  onDown(id: NodeId): void {
    if (this.#stopped) return
    const { members, greeter, driver, watch, membership } = this.#parts
    this.#up.delete(id)
    greeter.lost(id)
    members.drop(id, gone(id))
    watch.judge(0)
    if (!membership.isMember(id)) driver.dispatch({ on: 'gone', id })
  }

  onFailure(id: NodeId, what: string, error: unknown): void {
    if (this.#stopped) return
    const { options, driver, membership, links } = this.#parts
    options.log.debug(`${what} failed`, { peer: id, error: reasonOf(error) })
    if (what === 'a dial' && !membership.isMember(id) && !links.isConnected(id)) driver.dispatch({ on: 'gone', id })
  }

  onRoundTrip(id: NodeId, ms: Millis): void {
    const peer = this.#parts.book.note(id, this.#parts.options.clock.now())
    peer.roundTripsMs = [...peer.roundTripsMs, ms].slice(-LIMITS.rttSamples)
  }

  onProven(id: NodeId, hello: HelloMessage): void {
    const { reception, gate, members, antiEntropy, whereabouts, carrier, book, exchange, self } = this.#parts
    reception.adoptWindow(id, hello.windowOpenS)
    gate.admit(id)
    if (this.#up.has(id)) return
    this.#up.add(id)
    void (async () => {
      try {
        await book.keep(id)
        await members.warm(id)
        const own = exchange.sealedOf(self.id)
        if (own !== undefined) carrier.spread(own)
        await antiEntropy.sync(id)
        this.#caughtUp.resolve()
        await whereabouts.seek(id)
        await carrier.compare(id)
      } catch (error) {
        this.onFailure(id, 'taking up with a member', error)
      }
    })()
  }

  onTwin(id: NodeId): void {
    this.#tell({
      kind: 'refused',
      node: id,
      says: `two live nodes call themselves ${id}: one disk was cloned; give one a new identity`,
    })
  }

  onVerdict({ node, from, to }: VerdictChange): void {
    const name = this.nameOf(node)
    if (to === 'lost') this.#tell({ kind: 'member-lost', node, says: `${name} gives no sign of life` })
    else if (to === 'leaving') this.#tell({ kind: 'member-left', node, says: `${name} said it stops` })
    else if (from === 'lost' || from === 'leaving') this.#tell({ kind: 'member-back', node, says: `${name} is back` })
  }

  async onLeaving(meshId: string): Promise<void> {
    const { services, profiles, tokens, members, exchange } = this.#parts
    for (const id of this.#up) exchange.forget(id)
    this.#up.clear()
    members.dropAll(new MeshError('MESH_NOT_MEMBER', { what: `this node leaves mesh ${meshId}`, hint: 'see `shoal status`' }))
    await services.clear()
    await profiles.clear()
    await tokens.clear()
    this.#tell({ kind: 'dissolved', meshId, says: `left mesh ${meshId}, in which this node was alone` })
  }

  onEntered(how: 'founded' | 'joined', meshId: string, from: NodeId): void {
    const { reception, greeter, options } = this.#parts
    if (how === 'founded') reception.founded()
    else reception.moved()
    const says = how === 'founded' ? `founded mesh ${meshId}` : `joined mesh ${meshId}, let in by ${this.nameOf(from)}`
    options.log.debug(says, {})
    this.#tell({ kind: how, meshId, says })
    if (how === 'joined') void greeter.greet(from)
    greeter.news()
  }

  onDeclined(from: NodeId, meshId: string): void {
    this.#parts.options.log.debug('an admission came too late', { from, meshId })
  }

  onNews(): void {
    const { driver, membership, greeter } = this.#parts
    if (driver.announcement().meshId === membership.meshId) greeter.news() // else it is told once the records are there
  }

  onWaiting(id: NodeId): void {
    const { book, topic, options } = this.#parts
    const peer = book.note(id, options.clock.now())
    this.#tell({ kind: 'waiting', node: id, says: `${peer.name} waits to be let in: \`shoal approve ${peer.name}\`` })
    const { name, role } = peer
    void topic.publish({ kind: 'waiting', id, name, role, addresses: [...peer.addresses] })
  }

  onRefused(id: NodeId, error: unknown): void {
    if (error instanceof TrustError && error.code === 'NOT_SETTLED') return // passes by itself, in a moment
    this.#tell({ kind: 'refused', node: id, says: `${this.nameOf(id)} was refused: ${reasonOf(error)}` })
  }

  async onFact(from: NodeId, fact: Fact): Promise<void> {
    const { membership, services, profiles, reception, book, options } = this.#parts
    switch (fact.kind) {
      case 'trust':
        return await membership.merge(fact.records)
      case 'service-record':
        return void (await services.merge(fact.record))
      case 'profile-record':
        return void (await profiles.merge(fact.record))
      case 'window':
        return reception.adoptWindow(from, fact.openS)
      case 'waiting': {
        if (membership.isMember(fact.id)) return
        const now = options.clock.now()
        const peer = book.note(fact.id, now)
        const isNew = peer.waitingSince === undefined
        peer.waitingSince ??= now
        peer.name = fact.name
        peer.role = fact.role
        await book.addAddresses(fact.id, fact.addresses, now)
        if (isNew)
          this.#tell({ kind: 'waiting', node: fact.id, says: `${fact.name} waits to be let in: \`shoal approve ${fact.name}\`` })
      }
    }
  }

  nameOf(id: NodeId): string {
    const { book, membership } = this.#parts
    return book.get(id)?.name || membership.memberOf(id)?.name || id.slice(-8)
  }

  // Its own doings

  async #onHeard({ id, addresses }: Heard): Promise<void> {
    const { book, links, greeter, options, self } = this.#parts
    const now = options.clock.now()
    const peer = book.note(id, now)
    const first = peer.heardOnLinkAt === undefined
    peer.heardOnLinkAt = now
    if (links.isConnected(id)) {
      if (first && !greeter.isProven(id)) void greeter.greet(id)
    } else if (first || peer.failures > 0) {
      peer.failures = 0
      peer.nextDialAt = self.id < id ? now : now + POLITE_MS
    }
    await book.addAddresses(id, addresses, now)
    if (!this.#stopped) links.tick(options.clock.now())
  }

  #onRecords(added: readonly SignedRecord[], own: boolean): void {
    const { membership, topic, driver, gate, links, members, exchange, greeter, self } = this.#parts
    if (own) void topic.publish({ kind: 'trust', records: added.map(recordToWire).slice(0, 64) })
    for (const id of new Set(added.map(({ signed }) => signed.record.subject))) {
      if (id === self.id) driver.dispatch({ on: 'rights', admits: membership.mayAdmit(self.id) })
      else if (membership.isMember(id)) {
        this.#tell({ kind: 'member-joined', node: id, says: `${this.nameOf(id)} belongs to the mesh` })
        gate.admit(id)
        if (links.isConnected(id) && !greeter.isProven(id)) void greeter.greet(id)
      } else if (membership.isRemoved(id)) {
        driver.dispatch({ on: 'memberRemoved', id })
        this.#up.delete(id)
        exchange.forget(id)
        members.drop(id, gone(id))
        links.hangUp(id).catch((error: unknown) => this.onFailure(id, 'hanging up', error))
      }
    }
  }

  async #noteBootstrap(): Promise<void> {
    const { options, book } = this.#parts
    for (const text of options.bootstrap ?? []) {
      const id = multiaddr(text)
        .getComponents()
        .findLast(({ name }) => name === 'p2p')?.value
      if (id === undefined) {
        throw new MeshError('MESH_BAD_MESSAGE', {
          what: `the bootstrap address ${text} names no peer`,
          hint: 'write it with its peer id: /ip4/192.0.2.1/tcp/4747/p2p/12D3KooW…',
        })
      }
      this.#bootstrap.add(id)
      await book.addAddresses(id, [text], options.clock.now())
    }
  }

  #beat(): void {
    const { options, links, greeter, members, watch, antiEntropy, carrier, whereabouts } = this.#parts
    const { clock } = options
    this.#beats.push(
      everyBeat(clock, RHYTHM.judgeMs, lateMs => {
        watch.judge(lateMs)
        links.tick(clock.now())
        greeter.tick(clock.now())
      }),
      everyBeat(clock, RHYTHM.heartbeatMs, () => members.heartbeat([...this.#up])),
      everyBeat(clock, RHYTHM.antiEntropyMs, () => this.#withAnyone(id => antiEntropy.sync(id))),
      everyBeat(clock, RHYTHM.whereaboutsMs, () => this.#withAnyone(id => whereabouts.seek(id))),
      everyBeat(clock, RHYTHM.reportExchangeMs, () => this.#withAnyone(id => carrier.compare(id))),
    )
  }

  #withAnyone(act: (id: NodeId) => Promise<void>): void {
    const members = [...this.#up]
    const id = members[Math.floor(this.#parts.options.random() * members.length)]
    if (id !== undefined) act(id).catch((error: unknown) => this.onFailure(id, 'comparing', error))
  }

  #tell(event: MeshEvent): void {
    for (const listener of [...this.#events]) listener(event)
  }
}

/** How long the members may take to hear a farewell. */
const FAREWELL_MS = 500

function gone(id: NodeId): MeshError {
  return new MeshError('MESH_PEER_UNREACHABLE', {
    what: `the connection to ${id.slice(-8)} is gone`,
    hint: 'it is dialled again by itself as long as it is a member',
  })
}
