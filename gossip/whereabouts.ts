// Where are the members this node cannot reach? A member that was let in elsewhere is known by its record, which holds no address: any other
// member may know one. Asked when a member comes up and from then on while somebody is missing; called by mesh-life.ts.

import type { Static } from 'typebox'
import Type from 'typebox'
import type { Clock } from '../placement/clock.ts'
import type { NodeId } from '../placement/view.ts'
import { LIMITS } from './limits.ts'
import type { MemberLinks } from './member-links.ts'
import type { PeerBook } from './peer-book.ts'
import { codec } from './wire/codec.ts'
import { PeerIdWire } from './wire/peer-id.ts'

const NAME = 'mesh/whereabouts'

const Ask = Type.Object({ v: Type.Literal(1), of: Type.Array(PeerIdWire, { maxItems: LIMITS.whereaboutsPerAsk }) })
const Answer = Type.Object({
  v: Type.Literal(1),
  items: Type.Array(
    Type.Object({
      id: PeerIdWire,
      addresses: Type.Array(Type.String({ maxLength: 256 }), { maxItems: LIMITS.addressesPerPeerMax }),
    }),
    { maxItems: LIMITS.whereaboutsPerAsk },
  ),
})

const ask = codec({ name: 'whereabouts', version: 1, bytesMax: LIMITS.frameBytesMax, schema: Ask })
const answer = codec({ name: 'whereabouts', version: 1, bytesMax: LIMITS.frameBytesMax, schema: Answer })

export interface WhereaboutsPorts {
  readonly members: Pick<MemberLinks, 'request' | 'onRequest'>
  readonly book: PeerBook
  readonly clock: Clock
  readonly isMember: (id: NodeId) => boolean
  /** Members without a connection, this node apart. */
  readonly missing: () => readonly NodeId[]
}

export class Whereabouts {
  readonly #ports: WhereaboutsPorts

  constructor(ports: WhereaboutsPorts) {
    this.#ports = ports
    ports.members.onRequest(NAME, (_from, body) => Promise.resolve(this.#answer(body)))
  }

  /** Asks one member for all that are missing; what it knows is dialled at once. @throws as a request does */
  async seek(from: NodeId): Promise<void> {
    const { members, book, clock, missing, isMember } = this.#ports
    const wanted = missing().slice(0, LIMITS.whereaboutsPerAsk)
    if (wanted.length === 0) return
    const signal = AbortSignal.timeout(LIMITS.whereaboutsMs)
    const { items } = answer.check(await members.request(from, NAME, ask.check({ v: 1, of: wanted }), signal))
    for (const { id, addresses } of items) {
      if (!isMember(id)) continue
      const known = new Set(book.get(id)?.addresses)
      await book.addAddresses(id, addresses, clock.now())
      // A new way is tried now; a known one keeps its pause.
      if (addresses.some(address => !known.has(address))) book.note(id, clock.now()).nextDialAt = clock.now()
    }
  }

  #answer(body: unknown): Static<typeof Answer> {
    const { book, isMember } = this.#ports
    const items = ask.check(body).of.flatMap((id): Static<typeof Answer>['items'] => {
      const addresses = isMember(id) ? (book.get(id)?.addresses ?? []) : []
      return addresses.length === 0 ? [] : [{ id, addresses: [...addresses] }]
    })
    return answer.check({ v: 1, items })
  }
}
