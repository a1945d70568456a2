// Two members make their records the same: who belongs to the mesh first (so that the writers of the rest are known), then services, then
// profiles. With a member that has just come up at once, with a random one every ten seconds: so late joiners and returning nodes get
// what they missed, whatever gossip lost. Only what differs travels. Messages: wire/sync.ts.

import type { NodeId } from '../placement/view.ts'
import { differingBuckets, encodeDigests } from './bucket-digest.ts'
import { LIMITS } from './limits.ts'
import type { MemberLinks } from './member-links.ts'
import type { Membership } from './membership.ts'
import type { Merged, Replica } from './replica.ts'
import type { Sealed } from './wire/sealed.ts'
import { bucketsAnswer, bucketsAsk, digestsAnswer, digestsAsk, pullAnswer, pullAsk, trustAnswer, trustAsk } from './wire/sync.ts'

/** A replica whatever its records are. */
export interface SyncedSet {
  readonly digests: () => BigUint64Array
  readonly root: () => string
  readonly page: Replica<unknown>['page']
  readonly merge: (sealed: Sealed) => Promise<Merged>
}

type SetName = 'service-record' | 'profile-record'

export interface AntiEntropyPorts {
  readonly members: MemberLinks
  readonly membership: Membership
  readonly services: SyncedSet
  readonly profiles: SyncedSet
  readonly onFailure: (id: NodeId, what: string, error: unknown) => void
}

const SYNC_MS = 15_000
const PAGES_MAX = 10_000

export class AntiEntropy {
  readonly #ports: AntiEntropyPorts
  readonly #underWay = new Set<NodeId>()

  constructor(ports: AntiEntropyPorts) {
    this.#ports = ports
    const { members, membership } = ports
    members.onRequest('mesh/digests', async (from, body) => {
      const asked = digestsAsk.check(body)
      const own = this.#digests()
      const differs = asked.trust !== own.trust || asked.services !== own.services || asked.profiles !== own.profiles
      if (asked.mutual && differs) void this.#sync(from, false)
      return { v: 1, ...own }
    })
    members.onRequest('mesh/trust', async (_from, body) => {
      const { from } = trustAsk.check(body)
      const all = membership.records()
      const records = all.slice(from, from + TRUST_PAGE)
      return trustAnswer.check({ v: 1, records, next: from + TRUST_PAGE < all.length ? from + TRUST_PAGE : null })
    })
    members.onRequest('mesh/buckets', async (_from, body) => ({
      v: 1,
      buckets: encodeDigests(this.#set(bucketsAsk.check(body).set).digests()),
    }))
    members.onRequest('mesh/pull', async (_from, body) => {
      const { set, buckets, after } = pullAsk.check(body)
      return pullAnswer.check({ v: 1, ...this.#set(set).page(buckets, after, LIMITS.frameBytesMax / 2) })
    })
  }

  /** Makes this node and `peer` the same, both ways. One at a time per peer; failures are reported, and repaired by the next round. */
  async sync(peer: NodeId): Promise<void> {
    await this.#sync(peer, true)
  }

  async #sync(peer: NodeId, mutual: boolean): Promise<void> {
    if (this.#underWay.has(peer)) return
    this.#underWay.add(peer)
    try {
      const own = this.#digests()
      const theirs = digestsAnswer.check(await this.#ask(peer, 'mesh/digests', digestsAsk.check({ v: 1, ...own, mutual })))
      if (theirs.trust !== own.trust) await this.#pullTrust(peer)
      if (theirs.services !== this.#ports.services.root()) await this.#pullSet(peer, 'service-record')
      if (theirs.profiles !== this.#ports.profiles.root()) await this.#pullSet(peer, 'profile-record')
    } catch (error) {
      this.#ports.onFailure(peer, 'comparing records', error)
    } finally {
      this.#underWay.delete(peer)
    }
  }

  async #pullTrust(peer: NodeId): Promise<void> {
    let from: number | null = 0
    for (let pages = 0; from !== null && pages < PAGES_MAX; pages++) {
      const page: { records: Parameters<Membership['merge']>[0]; next: number | null } = trustAnswer.check(
        await this.#ask(peer, 'mesh/trust', { v: 1, from }),
      )
      await this.#ports.membership.merge(page.records)
      from = page.next
    }
  }

  async #pullSet(peer: NodeId, name: SetName): Promise<void> {
    const set = this.#set(name)
    const { buckets: theirs } = bucketsAnswer.check(await this.#ask(peer, 'mesh/buckets', { v: 1, set: name }))
    const buckets = differingBuckets(set.digests(), theirs)
    let after: string | null = null
    for (let pages = 0; buckets.length > 0 && pages < PAGES_MAX; pages++) {
      const page: { items: readonly Sealed[]; next: string | null } = pullAnswer.check(
        await this.#ask(peer, 'mesh/pull', pullAsk.check({ v: 1, set: name, buckets, after })),
      )
      for (const sealed of page.items) await this.#merge(peer, set, sealed)
      if (page.next === null) return
      after = page.next
    }
  }

  /** One bad record does not keep the others out. */
  async #merge(peer: NodeId, set: SyncedSet, sealed: Sealed): Promise<void> {
    try {
      await set.merge(sealed)
    } catch (error) {
      this.#ports.onFailure(peer, 'a record', error)
    }
  }

  #digests(): { readonly trust: string; readonly services: string; readonly profiles: string } {
    const { membership, services, profiles } = this.#ports
    return { trust: membership.digest(), services: services.root(), profiles: profiles.root() }
  }

  #set(name: SetName): SyncedSet {
    return name === 'service-record' ? this.#ports.services : this.#ports.profiles
  }

  #ask(peer: NodeId, name: string, body: unknown): Promise<unknown> {
    return this.#ports.members.request(peer, name, body, AbortSignal.timeout(SYNC_MS))
  }
}

/** Records per page: about 700 KiB of the largest. */
const TRUST_PAGE = 200
