// What this node remembers of every other node, member or not: where it can be reached, when it was heard and how, what it said of
// itself, how often dialling it failed. libp2p's own peer store forgets addresses after an hour and tells of a peer once; members must
// be dialled for ever (docs/protocols/mesh.md, trap 10). Read by links.ts, founding-driver.ts and mesh-view.ts.

import type { Millis, NodeId, Role } from '../placement/view.ts'
import { plainAddress } from './addresses.ts'
import type { KeyValue } from './key-value.ts'
import { LIMITS, RHYTHM } from './limits.ts'
import type { HelloMessage } from './wire/join.ts'

export interface KnownPeer {
  readonly id: NodeId
  /** Without peer id; the one that worked last first. */
  addresses: readonly string[]
  readonly since: Millis
  /** Last news of any kind. */
  newsAt: Millis
  /** Any byte of it, or undefined when there was none since start. */
  heardAt: Millis | undefined
  heardOnLinkAt: Millis | undefined
  hello: HelloMessage | undefined
  helloAt: Millis | undefined
  /** Instances of it that said hello, the newest last. */
  instances: readonly string[]
  leavingAt: Millis | null
  /** Asked to join and was told to wait. */
  waitingSince: Millis | undefined
  name: string
  role: Role
  failures: number
  nextDialAt: Millis
  roundTripsMs: readonly Millis[]
}

export class PeerBook {
  readonly #peers = new Map<NodeId, KnownPeer>()
  readonly #store: KeyValue
  readonly #isMember: (id: NodeId) => boolean

  constructor(store: KeyValue, isMember: (id: NodeId) => boolean) {
    this.#store = store
    this.#isMember = isMember
  }

  /** Recalls the addresses of members from the store. */
  async recall(now: Millis): Promise<void> {
    for await (const [key, text] of this.#store.entries(PREFIX)) {
      this.note(key.slice(PREFIX.length), now).addresses = text.split(' ').flatMap(part => plainAddress(part) ?? [])
    }
  }

  /** The entry of `id`, made if need be; the strangers longest silent make room. */
  note(id: NodeId, now: Millis): KnownPeer {
    const known = this.#peers.get(id)
    if (known !== undefined) {
      known.newsAt = now
      return known
    }
    const peer: KnownPeer = {
      id,
      addresses: [],
      since: now,
      newsAt: now,
      heardAt: undefined,
      heardOnLinkAt: undefined,
      hello: undefined,
      helloAt: undefined,
      instances: [],
      leavingAt: null,
      waitingSince: undefined,
      name: '',
      role: 'edge',
      failures: 0,
      nextDialAt: now,
      roundTripsMs: [],
    }
    this.#peers.set(id, peer)
    this.#makeRoom()
    return peer
  }

  get(id: NodeId): KnownPeer | undefined {
    return this.#peers.get(id)
  }

  all(): readonly KnownPeer[] {
    return [...this.#peers.values()]
  }

  forget(id: NodeId): void {
    this.#peers.delete(id)
  }

  /** Addresses said or seen; the newest first, bounded. A member's are stored when they changed. */
  async addAddresses(id: NodeId, said: readonly string[], now: Millis): Promise<void> {
    const peer = this.note(id, now)
    const fresh = said.flatMap(text => plainAddress(text) ?? [])
    const all = [...new Set([...fresh, ...peer.addresses])].slice(0, LIMITS.addressesPerPeerMax)
    if (all.length === peer.addresses.length && all.every((address, at) => address === peer.addresses[at])) return
    peer.addresses = all
    if (this.#isMember(id)) await this.#store.put(PREFIX + id, all.join(' '))
  }

  /** Stores what is known of where a new member is. */
  async keep(id: NodeId): Promise<void> {
    const addresses = this.#peers.get(id)?.addresses ?? []
    if (addresses.length > 0) await this.#store.put(PREFIX + id, addresses.join(' '))
  }

  #makeRoom(): void {
    const strangers = [...this.#peers.values()].filter(({ id }) => !this.#isMember(id))
    if (strangers.length <= LIMITS.strangersMax) return
    const oldest = strangers.reduce((a, b) => (b.newsAt < a.newsAt ? b : a))
    this.#peers.delete(oldest.id)
  }
}

const PREFIX = 'peer/'

/** Pause before the next dial after `failures` in a row: 1, 2, 4 … 30 s, spread by a quarter so that two nodes do not keep colliding. */
export function redialPauseMs(failures: number, random: number): Millis {
  const base = Math.min(RHYTHM.redialMaxMs, RHYTHM.redialFirstMs * 2 ** Math.max(0, failures - 1))
  return Math.round(base * (0.75 + random / 2))
}

/** The middle one of the round trips measured, or null. */
export function medianMs(samples: readonly Millis[]): Millis | null {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? null
}
