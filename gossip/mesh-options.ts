// What a mesh needs from its owner. daemon/compose.ts fills it in; tests too.

import type { PrivateKey } from '@libp2p/interface'
import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId, Role } from '../placement/view.ts'
import type { LanFactory } from './discovery.ts'
import type { FoundingTiming } from './founding-state.ts'
import type { TrustMode } from './join-window.ts'
import type { KeyValue } from './key-value.ts'

/** For people who look for a fault; nothing depends on it. */
export interface MeshLog {
  debug(what: string, about: Readonly<Record<string, unknown>>): void
  warn(what: string, about: Readonly<Record<string, unknown>>): void
}

export interface MeshOptions {
  /** Ed25519; its peer id is the node's id. */
  readonly privateKey: PrivateKey
  readonly name: string
  readonly role: Role
  /** Durable when `put` resolves; a part of the daemon's store that is the mesh's own. */
  readonly store: KeyValue
  /** Where the mesh key of a founder goes; default: `store`. */
  readonly secrets?: KeyValue
  /** TCP port, 4747 by default in the daemon; 0 takes a free one. */
  readonly port: number
  /** IP address to listen on; default all of IPv4. */
  readonly listenOn?: string
  /** Further addresses to tell others (multiaddrs without peer id), for a forwarded port. */
  readonly announce?: readonly string[]
  /** Loopback addresses are told to others as well: several nodes on one host, in tests. Default no. */
  readonly announceLoopback?: boolean
  /** Nodes to dial at start (multiaddrs with `/p2p/<id>`); members are dialled by themselves. */
  readonly bootstrap?: readonly string[]
  /** Multicast on the own link; false: nodes are found by token, bootstrap or other members only. */
  readonly mdns: boolean
  /** In place of mDNS: a simulated link, in tests. */
  readonly lan?: LanFactory
  /** Default `default`: open for 15 minutes after founding. */
  readonly trust?: TrustMode
  /** How long the join window stays open after founding; default 15 minutes, 0: not at all. */
  readonly windowMs?: Millis
  /** `foundingTiming` or `labFoundingTiming` (founding-state.ts). Default: the first. */
  readonly timing?: FoundingTiming
  /** How long a stream of a node that is no member yet is held before it is refused. Default 10 s. */
  readonly gateHoldMs?: Millis
  readonly clock: Clock
  /** 0 ≤ x < 1, for jitter and choice among peers. */
  readonly random: () => number
  /** Cryptographically random. */
  readonly randomBytes: (count: number) => Uint8Array
  readonly log: MeshLog
}

/** All of IPv4. */
export const LISTEN_ON = '0.0.0.0'

/** Who this node is. */
export interface Self {
  readonly id: NodeId
  readonly name: string
  readonly role: Role
}
