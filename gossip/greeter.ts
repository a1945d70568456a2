// Hello: what this node says of itself to every node it meets, and what it makes of what they say. A peer counts as a member once its
// own hello says so with records that lead to the mesh key; nothing else about a connection is believed (docs/protocols/mesh.md, trap 5).

import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId, Role } from '../placement/view.ts'
import type { FoundingDriver } from './founding-driver.ts'
import type { Joining } from './joining.ts'
import { LIMITS, RHYTHM } from './limits.ts'
import type { Links } from './links.ts'
import type { Membership } from './membership.ts'
import type { PeerBook } from './peer-book.ts'
import type { MeshId } from './signing.ts'
import type { HelloMessage } from './wire/join.ts'

export interface GreeterPorts {
  readonly self: { readonly id: NodeId; readonly name: string; readonly role: Role }
  /** Random per start. */
  readonly instance: string
  readonly clock: Clock
  readonly book: PeerBook
  readonly links: Links
  readonly joining: Joining
  readonly driver: FoundingDriver
  readonly membership: Membership
  readonly addresses: () => readonly string[]
  readonly windowOpenS: () => number
  /** A member said hello as one of this mesh. */
  readonly onProven: (id: NodeId, hello: HelloMessage) => void
  /** Two live nodes have one identity: a cloned disk. */
  readonly onTwin: (id: NodeId) => void
  readonly onFailure: (id: NodeId, what: string, error: unknown) => void
}

/** Instances remembered of one identity. */
const INSTANCES_MAX = 4

export class Greeter {
  readonly #ports: GreeterPorts
  readonly #greeting = new Set<NodeId>()
  readonly #greetedAt = new Map<NodeId, Millis>()
  /** Who said hello since its connection stands. */
  readonly #spoke = new Set<NodeId>()
  /** Whose hello since then was told as a member's, and of which mesh. One heard before this node entered that mesh is not enough. */
  readonly #proven = new Map<NodeId, MeshId>()
  readonly #stop = new AbortController()

  constructor(ports: GreeterPorts) {
    this.#ports = ports
  }

  /** This node's hello as of now. */
  hello(): HelloMessage {
    const { self, instance, driver, membership, addresses, windowOpenS } = this.#ports
    const said = driver.announcement()
    const settled = said.meshId !== null && said.meshId === membership.meshId
    return {
      v: 1,
      t: 'hello',
      name: self.name,
      role: self.role,
      instance,
      addresses: [...addresses()].slice(0, LIMITS.addressesPerPeerMax),
      ...said,
      windowOpenS: settled ? windowOpenS() : 0,
      chain: settled ? [...membership.chainOf(self.id)] : [],
    }
  }

  /** Takes what `from` said of itself. */
  async heard(from: NodeId, hello: HelloMessage): Promise<void> {
    const { book, clock, membership, driver, onProven, onTwin } = this.#ports
    const now = clock.now()
    const peer = book.note(from, now)
    if (peer.hello?.instance !== hello.instance) {
      peer.leavingAt = null // it is back
      // A restart brings an instance never seen; one that comes back means that two are alive.
      if (peer.instances.includes(hello.instance)) onTwin(from)
      peer.instances = [...peer.instances, hello.instance].slice(-INSTANCES_MAX)
    }
    this.#spoke.add(from)
    peer.hello = hello
    peer.helloAt = now
    peer.heardAt = now
    peer.name = hello.name
    peer.role = hello.role
    await book.addAddresses(from, hello.addresses, now)
    if (hello.meshId !== null && hello.meshId === membership.meshId) {
      await membership.merge(hello.chain)
      if (membership.isMember(from)) {
        peer.waitingSince = undefined
        this.#proven.set(from, hello.meshId)
        driver.dispatch({ on: 'memberJoined', id: from })
        onProven(from, hello)
        return
      }
    }
    this.#proven.delete(from)
    const { fresh, meshId, meshSize, loneAndFresh, admits } = hello
    driver.dispatch({
      on: 'heard',
      id: from,
      ...{ fresh, meshId, meshSize, loneAndFresh, admits },
      windowOpen: hello.windowOpenS > 0,
      heardOnLink: peer.heardOnLinkAt !== undefined,
    })
  }

  /** Says hello to `id` and takes its answer; one at a time per peer. Resolves to its hello, or undefined when it gave none. */
  async greet(id: NodeId): Promise<HelloMessage | undefined> {
    if (this.#greeting.has(id) || this.#stop.signal.aborted) return undefined
    this.#greeting.add(id)
    this.#greetedAt.set(id, this.#ports.clock.now())
    try {
      const answer = await this.#ports.joining.ask(id, this.hello(), this.#stop.signal)
      if (answer.t !== 'hello') return undefined
      await this.heard(id, answer)
      return answer
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#ports.onFailure(id, 'a hello', error)
      return undefined
    } finally {
      this.#greeting.delete(id)
    }
  }

  /** A connection stands: whoever dialled speaks first; the other follows if nothing was said. */
  met(id: NodeId, dialled: boolean): void {
    this.#greetedAt.delete(id)
    if (dialled) void this.greet(id)
    else this.#greetedAt.set(id, this.#ports.clock.now()) // its hello is on the way; ours follows after a pause
  }

  lost(id: NodeId): void {
    this.#greetedAt.delete(id)
    this.#spoke.delete(id)
    this.#proven.delete(id)
  }

  /** What this node says changed: everyone who is not yet of this mesh should know at once. */
  news(): void {
    for (const id of this.#ports.links.connected()) if (!this.isProven(id)) void this.greet(id)
  }

  /** Greets again whoever is connected and not proven: always those never heard, all of them while this node has nobody. */
  tick(now: Millis): void {
    const { links, driver, membership } = this.#ports
    for (const id of links.connected()) {
      if (this.isProven(id)) continue
      const looking = driver.isAlone() || membership.isMember(id) || !this.#spoke.has(id)
      if (looking && now - (this.#greetedAt.get(id) ?? 0) >= RHYTHM.strangerHelloMs) void this.greet(id)
    }
  }

  /** Whether `id` said hello as a member of this mesh since its connection stands. */
  isProven(id: NodeId): boolean {
    const { membership } = this.#ports
    const meshId = this.#proven.get(id)
    return meshId !== undefined && meshId === membership.meshId && membership.isMember(id)
  }

  stop(reason: Error): void {
    this.#stop.abort(reason)
  }
}
