// The mesh as the rest of Shoal sees it: answers from the local view, and what people ask of it by name. Built by open-mesh.ts.

import { multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../placement/view.ts'
import { MeshError } from './errors.ts'
import { LIMITS } from './limits.ts'
import { addressesOf } from './mesh-parts.ts'
import type { MeshParts } from './mesh-parts.ts'
import type { MeshLife } from './mesh-life.ts'
import { meshView, stateOf } from './mesh-view.ts'
import type { KnownMember } from './mesh-view.ts'
import type { Member, Mesh, MeshStatus, WaitingNode } from './mesh.ts'
import { medianMs } from './peer-book.ts'
import { profileBook } from './profile-book.ts'
import { serviceRegistry } from './registry.ts'
import { tellRemoved } from './removal-notice.ts'
import { parseToken } from './token.ts'
import { TrustError } from './trust-errors.ts'

/** A join by token is tried for so long. */
const JOIN_MS = 30_000
const JOIN_PAUSE_MS = 300
/** A waiting node asks again every 30 s at the latest; one that stopped asking is not shown. */
const WAITING_MS = 90_000

export function meshSurface(parts: MeshParts, life: MeshLife): Mesh {
  const {
    self,
    options,
    host,
    membership,
    driver,
    reception,
    exchange,
    carrier,
    members,
    links,
    services,
    profiles,
    signer,
    topic,
  } = parts
  return {
    id: self.id,
    status: () => statusOf(parts),
    members: () => membersOf(parts, life),
    waiting: () => waitingOf(parts),
    view: () => meshView({ self: self.id, members: knownMembers(parts), reports: exchange.all() }),
    publishLoad: report => carrier.spread(exchange.publish(report)),
    noteLoad: (id, report) => exchange.note(id, report),
    reports: () => exchange.all(),
    services: serviceRegistry(services, signer),
    profiles: profileBook(profiles, signer),
    async approve(nameOrIdPrefix) {
      const id = whoIs(parts, nameOrIdPrefix)
      await reception.approve(id)
      const member = membersOf(parts, life).find(each => each.id === id)
      if (member !== undefined) return member
      throw new TrustError('NOT_A_MEMBER', { what: `${nameOrIdPrefix} is still no member`, hint: 'see the log of this node' })
    },
    invite: ({ ttlMs, role }) => reception.invite(ttlMs, role, options.randomBytes(16)),
    join: token => join(parts, token),
    async openWindow(forMs) {
      reception.openWindow(forMs)
      await topic.publish({ kind: 'window', openS: reception.windowOpenS() })
    },
    async remove(nameOrIdPrefix, reason) {
      const id = idOf(membersOf(parts, life), nameOrIdPrefix)
      await membership.remove(id, reason, record =>
        id === self.id ? Promise.resolve() : tellRemoved({ members, log: options.log }, id, record),
      )
    },
    addresses: () => addressesOf(host).map(address => `${address}/p2p/${self.id}`),
    request: (peer, name, payload, signal) => members.request(peer, name, payload, signal),
    onRequest: (name, handler) => members.onRequest(name, handler),
    async openStream(peer, protocol, signal) {
      if (membership.isMember(peer)) return await links.open(peer, protocol, signal)
      throw new MeshError('MESH_NOT_MEMBER', {
        what: `${peer.slice(-8)} is no member of this mesh, or this node is none`,
        hint: '`shoal node ls` lists the members',
      })
    },
    onStream(protocol, handler) {
      links.handle(protocol, 'members', handler).catch((error: unknown) => life.onFailure(self.id, `serving ${protocol}`, error))
    },
    onEvent: listener => life.onEvent(listener),
    caughtUp: () => life.caughtUp(),
    async stop() {
      await life.stop()
      await driver.settled()
    },
  }
}

function statusOf({ driver, membership, reception, self }: MeshParts): MeshStatus {
  const { phase, says } = driver.describe()
  const own = membership.own()
  const windowOpenS = own === undefined ? 0 : reception.windowOpenS()
  if (membership.isRemoved(self.id)) {
    return { phase: 'waiting', meshId: membership.meshId, via: null, windowOpenS: 0, says: 'this node was removed from its mesh' }
  }
  return {
    phase: own === undefined && phase === 'member' ? 'waiting' : phase,
    meshId: membership.meshId,
    via: own?.via ?? null,
    windowOpenS,
    says,
  }
}

function knownMembers({ self, membership, book, watch }: MeshParts): readonly KnownMember[] {
  return [...membership.members().keys()].map(id => {
    const peer = book.get(id)
    return {
      id,
      verdict: id === self.id ? 'alive' : watch.verdictOf(id),
      rttMs: id === self.id ? 0 : medianMs(peer?.roundTripsMs ?? []),
      heardByMdns: peer?.heardOnLinkAt !== undefined,
    }
  })
}

function membersOf(parts: MeshParts, life: MeshLife): readonly Member[] {
  const { self, membership, book, exchange, host, options } = parts
  const now = options.clock.now()
  const reports = exchange.all()
  return knownMembers(parts).flatMap(({ id, verdict, rttMs, heardByMdns }) => {
    const record = membership.memberOf(id)
    const peer = book.get(id)
    if (record === undefined) return []
    const own = id === self.id
    return [
      {
        id,
        name: own ? self.name : life.nameOf(id),
        role: record.role,
        state: stateOf(verdict, reports.get(id)?.report.state ?? 'green'),
        via: record.via,
        rights: record.rights,
        addresses: own ? addressesOf(host) : (peer?.addresses ?? []),
        heardByMdns,
        rttMs,
        ageMs: own ? 0 : now - (peer?.heardAt ?? peer?.since ?? now),
      },
    ]
  })
}

function waitingOf({ book, membership, options }: MeshParts): readonly WaitingNode[] {
  const now = options.clock.now()
  return book.all().flatMap(({ id, name, role, addresses, waitingSince, newsAt }) => {
    if (waitingSince === undefined || membership.isMember(id) || now - newsAt > WAITING_MS) return []
    return [{ id, name, role, addresses, since: waitingSince }]
  })
}

/** Whom a person means who approves: one that waits, or a member whom the window let in and nobody confirmed. */
function whoIs(parts: MeshParts, said: string): NodeId {
  const unconfirmed = [...parts.membership.members()].flatMap(([id, { name, rights }]) => (rights.admit ? [] : [{ id, name }]))
  return idOf([...waitingOf(parts), ...unconfirmed], said)
}

/** @throws MESH_UNKNOWN_NODE, MESH_AMBIGUOUS_NAME */
function idOf(among: readonly { readonly id: NodeId; readonly name: string }[], said: string): NodeId {
  const found = among.filter(({ id, name }) => name === said || id === said)
  const near = found.length > 0 ? found : among.filter(({ id }) => said.length >= 4 && (id.startsWith(said) || id.endsWith(said)))
  const ids = [...new Set(near.map(({ id }) => id))]
  const [only] = ids
  if (only !== undefined && ids.length === 1) return only
  if (only === undefined) {
    throw new MeshError('MESH_UNKNOWN_NODE', {
      what: `no such node: ${said}`,
      hint: '`shoal node ls` lists the members, `shoal approve` those that wait',
    })
  }
  throw new MeshError('MESH_AMBIGUOUS_NAME', {
    what: `${said} fits ${ids.length} nodes: ${ids.join(', ')}`,
    hint: 'give more of the peer id',
  })
}

/** Finds the node that gave the token out, checks that it speaks for that mesh, asks it. */
async function join(parts: MeshParts, text: string): Promise<MeshStatus> {
  const { book, greeter, reception, membership, options } = parts
  const token = parseToken(text)
  const signal = AbortSignal.timeout(JOIN_MS)
  const issuers = new Set<NodeId>()
  for (const address of token.addresses) {
    const id = multiaddr(address)
      .getComponents()
      .findLast(({ name }) => name === 'p2p')?.value
    if (id === undefined) continue
    issuers.add(id)
    await book.addAddresses(id, [address], options.clock.now())
  }
  let last: unknown
  while (!signal.aborted) {
    for (const id of issuers) {
      if (membership.meshId === token.meshId) return statusOf(parts)
      const hello = (await greeter.greet(id)) ?? book.get(id)?.hello
      if (hello === undefined) last ??= notReached(token.addresses)
      else if (hello.meshId !== token.meshId) last = otherMesh(hello.meshId, token.meshId)
      else {
        try {
          await reception.join(token, id, signal)
          return statusOf(parts)
        } catch (error) {
          last = error
          if (!isPassing(error)) throw error
        }
      }
    }
    await new Promise<void>(resolve => options.clock.after(JOIN_PAUSE_MS, resolve))
    if (last instanceof TrustError && last.code === 'TOKEN_OTHER_MESH') break
  }
  throw last ?? notReached(token.addresses)
}

/** Whether asking again in a moment may help. */
function isPassing(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'NOT_SETTLED'
}

function notReached(addresses: readonly string[]): MeshError {
  return new MeshError('MESH_PEER_UNREACHABLE', {
    what: `the node that gave out the token does not answer at ${addresses.slice(0, LIMITS.addressesPerPeerMax).join(', ')}`,
    hint: 'is it running, and is the TCP port of its mesh (4747) reachable from here?',
  })
}

function otherMesh(answered: string | null, named: string): TrustError {
  return new TrustError('TOKEN_OTHER_MESH', {
    what: `${answered === null ? 'a node without a mesh' : `mesh ${answered}`} answered, the token names mesh ${named}`,
    hint: 'make a new token on a member: `shoal invite`',
  })
}
