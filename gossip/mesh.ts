// What the rest of Shoal sees of the mesh: who belongs to it, how loaded each is, which services there are, and how to talk to a member.
// Built by gossip/open-mesh.ts; daemon/compose.ts is the only caller of that.

import type {
  Capability,
  Capacity,
  Millis,
  NodeId,
  NodeState,
  NodeView,
  Profile,
  Role,
  ServiceId,
  ServiceRecord,
  Vec,
} from '../placement/view.ts'
import type { ByteStream } from './byte-stream.ts'

/** Where this node stands: alone and listening, waiting for somebody's yes, or a member. */
export type MeshPhase = 'listening' | 'waiting' | 'member'

export interface MeshStatus {
  readonly phase: MeshPhase
  readonly meshId: string | null
  /** How this node came in. */
  readonly via: 'founder' | 'window' | 'approval' | 'token' | null
  /** Seconds the join window stays open, 0 when closed. */
  readonly windowOpenS: number
  /** One line a person can act on: "heard 2 meshes, waiting for `shoal join`" … */
  readonly says: string
}

export interface Member {
  readonly id: NodeId
  readonly name: string
  readonly role: Role
  readonly state: NodeState
  readonly via: 'founder' | 'window' | 'approval' | 'token'
  readonly rights: { readonly admit: boolean; readonly host: boolean }
  readonly addresses: readonly string[]
  /** Heard by mDNS since start. */
  readonly heardByMdns: boolean
  readonly rttMs: Millis | null
  readonly ageMs: Millis
}

/** A node heard that is no member yet. */
export interface WaitingNode {
  readonly id: NodeId
  readonly name: string
  readonly role: Role
  readonly addresses: readonly string[]
  readonly since: Millis
}

/** A node's own report; `seq` and signature are added by gossip. */
export interface LoadReport {
  readonly name: string
  readonly role: Role
  readonly state: Exclude<NodeState, 'lost'>
  readonly network: string
  readonly capacity: Capacity
  readonly load: Vec
  readonly outside: Vec
  readonly reserved: Vec
  readonly committedRamPct: number
  readonly capability: Capability
  readonly services: readonly { readonly id: ServiceId; readonly cpuCores: number; readonly ramBytes: number }[]
}

/** One application profile as the mesh knows it; `match` is a service name or an image. Highest counter wins, then the larger writer id. */
export interface ProfileRecord {
  readonly match: string
  readonly profile: Profile
  readonly deleted: boolean
  readonly counter: number
  readonly writer: NodeId
}

/** The replicated registry of services. */
export interface ServiceRegistry {
  get(id: ServiceId): ServiceRecord | undefined
  /** All that are not deleted. */
  list(): readonly ServiceRecord[]
  /** Signs and stores durably (before it resolves), then gossips. Refuses a record that does not win over the known one. */
  put(record: ServiceRecord): Promise<void>
  /** Called after a merge changed a record, by us or a peer. Returns the unsubscriber. */
  onChange(listener: (record: ServiceRecord) => void): () => void
}

export interface ProfileBook {
  list(): readonly ProfileRecord[]
  set(match: string, profile: Profile): Promise<void>
  remove(match: string): Promise<void>
}

export type RequestHandler = (from: NodeId, payload: unknown) => Promise<unknown>

/** The mesh as one node holds it. All calls answer from the local view; only `request` and `openStream` talk to a peer. */
export interface Mesh {
  readonly id: NodeId
  status(): MeshStatus
  /** All members, this node among them. */
  members(): readonly Member[]
  waiting(): readonly WaitingNode[]
  /** What placement reads: all members with a load report, this node apart. */
  view(): { readonly self: NodeView | undefined; readonly peers: readonly NodeView[] }
  publishLoad(report: LoadReport): void
  /** Replaces a peer's entry with the fresh load its answer to an offer carried. */
  noteLoad(id: NodeId, report: LoadReport): void
  reports(): ReadonlyMap<NodeId, { readonly report: LoadReport; readonly ageMs: Millis }>
  readonly services: ServiceRegistry
  readonly profiles: ProfileBook
  approve(nameOrIdPrefix: string): Promise<Member>
  invite(options: { readonly ttlMs: Millis; readonly role: Role }): Promise<string>
  join(token: string): Promise<MeshStatus>
  openWindow(forMs: Millis): Promise<void>
  /** Removes a member for good: refused everywhere as soon as the removal was gossiped. */
  remove(nameOrIdPrefix: string, reason: string): Promise<void>
  /** Where this node can be reached: multiaddrs with its id. */
  addresses(): readonly string[]
  /** One JSON request on the peer's standing request stream; rejects with a typed error (code and hint of the peer kept). */
  request(peer: NodeId, name: string, payload: unknown, signal: AbortSignal): Promise<unknown>
  onRequest(name: string, handler: RequestHandler): void
  openStream(peer: NodeId, protocol: string, signal: AbortSignal): Promise<ByteStream>
  onStream(protocol: string, handler: (stream: ByteStream) => Promise<void>): void
  onEvent(listener: (event: MeshEvent) => void): () => void
  /** Resolves when the records were compared with one other member since the start; at once when there is none to compare with. */
  caughtUp(): Promise<void>
  /** Announces leaving, then closes. */
  stop(): Promise<void>
}

/** For people and logs only: nothing may change state on hearing one. */
export type MeshEvent =
  | { readonly kind: 'founded' | 'dissolved' | 'joined'; readonly meshId: string; readonly says: string }
  | {
      readonly kind: 'member-joined' | 'member-lost' | 'member-back' | 'member-left' | 'waiting' | 'refused'
      readonly node: NodeId
      readonly says: string
    }
