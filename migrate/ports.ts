// What a move asks of its host: a stream to the peer, an engine, the service book, admission, and a place for journal and records.
// daemon/ implements these; migrate/ knows neither Docker's client nor libp2p. Every wait takes a signal; every failure is thrown as a
// ShoalError where it has a code, and reaches the user with its hint.

import type { Clock } from '../placement/clock.ts'
import type { MoveMode, NodeId, ServiceRecord } from '../placement/view.ts'
import type { JournalEntry } from './journal.ts'
import type { MoveRecord } from './move-record.ts'

/** One ordered full-duplex byte stream to a proven member, with back-pressure. Same shape as gossip's ByteStream. */
export interface MoveStream {
  /** The peer's proven identity. */
  readonly peer: NodeId
  /** Chunks as they arrive. Ends at the peer's half-close, throws when the stream broke. */
  readonly incoming: AsyncIterable<Uint8Array>
  /** Resolves when the chunk was taken and more may be written; rejects when the stream broke or `signal` fired. */
  write(chunk: Uint8Array, signal?: AbortSignal): Promise<void>
  closeWrite(): Promise<void>
  /** Reset: the peer sees an error, never a clean end. */
  abort(reason: Error): void
}

/** Opens a fresh stream of {@link MOVE_PROTOCOL} (migrate/protocol.ts) to a member. */
export type OpenMoveStream = (peer: NodeId, signal: AbortSignal) => Promise<MoveStream>

/** What the engine says of one container, in our words. */
export interface ContainerFacts {
  /** Full id (64 hex digits). */
  readonly id: string
  readonly state: 'created' | 'running' | 'paused' | 'exited'
  readonly exitCode: number | null
  /** Host name inside: the copy is created with the same one. */
  readonly hostname: string
  readonly tty: boolean
  readonly privileged: boolean
  /** `host` or `container:…` are obstacles; anything else is a namespace of its own. */
  readonly pidMode: string
  readonly ipcMode: string
  readonly networkMode: string
  /** Host devices given to it. */
  readonly devices: readonly string[]
  /** Host directories mounted into it (sources of bind mounts) and names of volumes. */
  readonly mounts: readonly { readonly kind: 'bind' | 'volume' | 'tmpfs'; readonly source: string; readonly target: string }[]
  /** Upper directory as the graph driver tells it, or null (containerd's store does not tell). */
  readonly upperDir: string | null
}

/** An image by its content, comparable across stores: ids are not, diff ids are. */
export interface ImageFacts {
  readonly id: string
  /** `os/arch`, e.g. `linux/amd64`. */
  readonly platform: string
  /** RootFS.Layers: diff ids, lowest first. */
  readonly layers: readonly string[]
}

/** What is created at the target: the service as its spec says, with the source's host name, runtime `shoal`, restart policy `no`. */
export interface CopyRequest {
  /** As the source owns it: the copy will run under one epoch more. */
  readonly service: ServiceRecord
  /** Becomes the container's label `shoal.move`, by which {@link MoveEngine.findCopy} finds it after a crash. */
  readonly moveId: string
  readonly hostname: string
  /** Name of the runtime in the engine's configuration; `undefined` means the engine's own (a mode without restore). */
  readonly runtime: string | undefined
}

/** The engine as a move uses it. `pause`, `unpause`, `kill`, `remove` are idempotent: asking for what already is, is no error. */
export interface MoveEngine {
  /** Undefined when there is no such container. Waits while the engine holds the container's lock (a start under way). */
  inspect(containerId: string, signal: AbortSignal): Promise<ContainerFacts | undefined>
  pause(containerId: string, signal: AbortSignal): Promise<void>
  unpause(containerId: string, signal: AbortSignal): Promise<void>
  /** SIGKILL through the engine; works on a paused container. Never `stop`: that would thaw it and run its handlers. */
  kill(containerId: string, signal: AbortSignal): Promise<void>
  /** `rm -f`, anonymous volumes too. Returns when it is gone. */
  remove(containerId: string, signal: AbortSignal): Promise<void>
  /** Creates without starting; answers the full id. Fails when a container of another service has the name. */
  createCopy(request: CopyRequest, signal: AbortSignal): Promise<string>
  /** Resolves when the engine has answered the start: with the shim, when the restore is done. */
  start(containerId: string, signal: AbortSignal): Promise<void>
  /** Full id of the container labelled with this move, running or not. */
  findCopy(moveId: string, signal: AbortSignal): Promise<string | undefined>
  /** Undefined when this node has no image of that name. */
  image(reference: string, signal: AbortSignal): Promise<ImageFacts | undefined>
  /** Diff ids of all layers of all images here: what need not travel. */
  knownLayers(signal: AbortSignal): Promise<ReadonlySet<string>>
  /** `docker save REFERENCE`. */
  saveImage(reference: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** `docker load`; fails also when the engine answers 200 with an error in its stream. Returns the engine's text. */
  loadImage(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string>
  removeImage(reference: string, signal: AbortSignal): Promise<void>
}

/** A service this node owns, and the container that is its copy. */
export interface OwnedService {
  readonly record: ServiceRecord
  readonly containerId: string
}

/** The node's book of its own services. What it writes is durable before it resolves. */
export interface ServiceBook {
  owned(serviceId: string): OwnedService | undefined
  /** What the mesh knows of a service, whoever owns it; its tombstone when it was removed. */
  known(serviceId: string): ServiceRecord | undefined
  /** Source: the service is held by a move: nobody may stop, restart or remove it until one of the two below. */
  markMoving(serviceId: string, moveId: string): Promise<void>
  /** Source: the move is over and the copy here is still the one; `reason` is empty when nothing is wrong. */
  markKept(serviceId: string, moveId: string, reason: string): Promise<void>
  /** Source: the copy here is gone, the service lives at `to`. Publishes nothing: the new owner does. */
  letGo(serviceId: string, moveId: string, to: NodeId): Promise<void>
  /**
   * Target: publishes `record` (owner: this node, epoch: one more) and books the container. Idempotent: called again after a crash it does
   * nothing when this very record, or a newer one, is known.
   */
  takeOver(record: ServiceRecord, containerId: string): Promise<void>
}

/** What a target is asked. */
export interface AdmissionRequest {
  readonly moveId: string
  readonly from: NodeId
  readonly service: ServiceRecord
  readonly mode: MoveMode
  /** Memory in use on the source, bytes: at least this is needed here. */
  readonly memoryBytes: number
  /** Measured CPU in cores on the source. */
  readonly cpuCores: number
  readonly reason: string
}

/** `load` is the target's fresh load report, passed through to the caller unread. */
export type AdmissionAnswer =
  | { readonly admitted: true; readonly load: unknown }
  | { readonly admitted: false; readonly code: string; readonly what: string; readonly hint: string; readonly load: unknown }

/** The target's yes or no against its *own current* load and reservations. */
export interface Admission {
  /** Admitting reserves under `moveId`, until `settle`. */
  admit(request: AdmissionRequest, signal: AbortSignal): Promise<AdmissionAnswer>
  /** `committed`: keep the reservation until the node's first own sample taken wholly after now; `dropped`: free it at once. Idempotent. */
  settle(moveId: string, how: 'committed' | 'dropped'): void
}

/** Append-only, durable before `append` resolves (fsync). Entries of one move come back in the order they were written. */
export interface JournalStore {
  append(entry: JournalEntry): Promise<void>
  all(): Promise<readonly JournalEntry[]>
  /** The move is over on this side: its entries may go. */
  drop(moveId: string): Promise<void>
}

/** Where finished and running moves are kept for `shoal moves`. The mover bounds their number. */
export interface RecordStore {
  save(record: MoveRecord): Promise<void>
  all(): Promise<readonly MoveRecord[]>
  remove(moveId: string): Promise<void>
}

/** Measured use of a service here, for the offer. Zeroes where nothing was sampled yet. */
export type ServiceUseOf = (serviceId: string) => { readonly memoryBytes: number; readonly cpuCores: number }

/** Everything a mover is built from; daemon/compose.ts fills it in. */
export interface MoverPorts {
  readonly self: NodeId
  readonly clock: Clock
  readonly newId: () => string
  readonly random: () => number
  readonly open: OpenMoveStream
  readonly engine: MoveEngine
  readonly services: ServiceBook
  readonly admission: Admission
  readonly journal: JournalStore
  readonly records: RecordStore
  readonly useOf: ServiceUseOf
}
