// The plain values all rooms share: what a node is, what a service is, how loaded who is. No behaviour, no I/O.
// A decision reads these and nothing else; gossip carries them (in its own wire form), migrate and the API speak of them.

/** libp2p peer id, as text. */
export type NodeId = string
/** Id of a service: random, never reused. */
export type ServiceId = string
/** Milliseconds; of a monotonic clock where it is a moment, never wall time in a decision. */
export type Millis = number

/** `edge` hosts services; `cloud` hosts them as the last resort and never turns red; `client` hosts nothing. */
export type Role = 'edge' | 'cloud' | 'client'

/** `green` below its threshold, `red` at or above it; `leaving` was announced; `lost` sends no sign of life. */
export type NodeState = 'green' | 'red' | 'draining' | 'leaving' | 'lost'

/** A load, a need or a threshold in percent of one node's own capacity (0 to 100; may exceed 100 as a sum). */
export interface Vec {
  readonly cpuPct: number
  readonly ramPct: number
  readonly gpuPct: number
}

/** What a node has: its cgroup limit where there is one, else the machine. */
export interface Capacity {
  readonly cores: number
  readonly ramBytes: number
  /** Count of usable GPUs; 0 is an answer. */
  readonly gpus: number
}

/** How a service travels. In this version `stop-copy` (stateful) and `stateless`. */
export type MoveMode = 'stateless' | 'stop-copy' | 'pre-copy' | 'post-copy' | 'hybrid'
export type ServiceType = 'stateful' | 'stateless'

/** What a node can restore: placement never picks a target that cannot. */
export interface Capability {
  readonly arch: string
  readonly kernel: string
  readonly engine: string
  /** CRIU version, or null where there is none that works. */
  readonly criu: string | null
  /** Whether the runtime shim is registered in the engine: without it stateless only. */
  readonly shim: boolean
  /** Digest of the CPU's instruction set as CRIU compares it. */
  readonly cpuDigest: string
  readonly modes: readonly MoveMode[]
}

/** A quota as it was written: `0.5` cores, `256Mi` bytes, or `10%` of the host. Absent: not limited in that dimension. */
export interface Profile {
  readonly cpu?: string
  readonly ram?: string
  readonly gpu?: string
}

/** What the user asked for. Restart policy is kept by Shoal; the engine's stays `no`. */
export interface ServiceSpec {
  readonly name: string
  readonly type: ServiceType
  readonly image: string
  readonly args: readonly string[]
  /** `KEY=value` pairs. */
  readonly env: readonly string[]
  readonly restart: RestartPolicy
  readonly tty: boolean
  /** Profile given with the service; a profile set by name or image wins over it. */
  readonly profile?: Profile
}

export type RestartPolicy = 'no' | 'on-failure' | 'always' | 'unless-stopped'

/** What the owner says of its copy. `moving` while a move holds it, `parked` a copy kept aside because a newer epoch runs elsewhere. */
export type ServiceState = 'starting' | 'running' | 'moving' | 'stopped' | 'exited' | 'failed' | 'parked'

/** One service as the whole mesh knows it. The higher epoch wins, always; within an epoch only the owner writes, by `counter`. */
export interface ServiceRecord {
  readonly id: ServiceId
  readonly spec: ServiceSpec
  readonly owner: NodeId
  readonly epoch: number
  /** Grows with every change the owner makes within one epoch. */
  readonly counter: number
  readonly state: ServiceState
  /** Why the state is what it is: exit code, refusal, error; empty when all is well. */
  readonly reason: string
  readonly deleted: boolean
}

/** A service's measured use on its own node, in percent of that node and in absolute figures. */
export interface ServiceUse {
  readonly id: ServiceId
  readonly use: Vec
  readonly cpuCores: number
  readonly ramBytes: number
}

/** Another node as seen from here (or this node itself): what a decision reads. */
export interface NodeView {
  readonly id: NodeId
  readonly name: string
  readonly role: Role
  readonly state: NodeState
  /** Nodes with the same id are near: heard by mDNS / same gateway, see placement/locality.ts. */
  readonly network: string
  readonly capacity: Capacity
  /** Smoothed load, in percent of the node. */
  readonly load: Vec
  /** The part of `load` that no service of the mesh causes. */
  readonly outside: Vec
  /** Promised to moves under way there. */
  readonly reserved: Vec
  /** Sum of RAM commitments of its services, in percent of the node: RAM is not compressible. */
  readonly committedRamPct: number
  /** Age of what we know, in milliseconds. */
  readonly ageMs: Millis
  /** Median round trip, or null when not measured. */
  readonly rttMs: Millis | null
  readonly capability: Capability
}
