// What a move asks of the machine beneath the engine: obstacles, the network's end, memory images, the writable layer, the shim's restore
// directory. checkpoint/runc-criu.ts is the real one; the unit tests have a simulated one.

import type { Millis } from '../../placement/view.ts'
import type { ContainerFacts } from '../ports.ts'

/** What this node's checkpointer is, as the peer needs it. */
export interface CheckpointAbility {
  /** CRIU's version, or null where there is none that works. */
  readonly criu: string | null
  /** Digest of the processor's instruction set as CRIU compares it. */
  readonly cpuDigest: string
}

/** All methods throw a ShoalError with a hint; files are named by the move's id, so that what a crash left can be found. */
export interface CheckpointDriver {
  ability(signal: AbortSignal): Promise<CheckpointAbility>
  /** Throws the first obstacle of a running container, before anything is frozen. */
  checkMovable(container: ContainerFacts, signal: AbortSignal): Promise<void>
  /** Memory in use by the container's processes, bytes. */
  memoryBytes(container: ContainerFacts, signal: AbortSignal): Promise<number>
  /** Throws `MOVE_NO_ROOM` unless `bytes` and a margin fit where checkpoints are kept here. */
  checkRoom(bytes: number, signal: AbortSignal): Promise<void>
  /** Takes the container off the network without losing its addresses and routes. Idempotent. */
  cut(container: ContainerFacts, signal: AbortSignal): Promise<void>
  heal(container: ContainerFacts, signal: AbortSignal): Promise<void>
  /** Writes the memory of the *paused* container down and leaves it paused. Never stops half-way, whatever the signal says. */
  checkpoint(move: string, container: ContainerFacts, signal: AbortSignal): Promise<void>
  /** Resolves when no dump of this move is running any more: one may outlive the daemon that started it. */
  dumpEnded(move: string, signal: AbortSignal): Promise<void>
  /** Size of the memory images on disk, and their bytes. */
  packCheckpoint(move: string, signal: AbortSignal): Promise<PackedBytes>
  unpackCheckpoint(move: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
  /** The writable layer of a container that is paused here. */
  packLayer(container: ContainerFacts, signal: AbortSignal): Promise<PackedBytes>
  /** Into the upper directory of a container that was created and never started. */
  unpackLayer(container: ContainerFacts, layer: PackedBytes, signal: AbortSignal): Promise<void>
  /** Source: deletes this move's files. */
  discard(move: string): Promise<void>
  /** Target: hands the received images to the shim, for the next start of this container. */
  arm(move: string, containerId: string, signal: AbortSignal): Promise<void>
  /** Target: wall clock when the restore was over, or null when it cannot be told. */
  restoredAtWallMs(containerId: string): Promise<Millis | null>
  /** Target: what CRIU's log says of a failed restore, as an error with a hint; `cause` is the engine's own word. */
  restoreFailure(containerId: string, cause: unknown): Promise<Error>
  /** Target: deletes what the restore left. `containerId` is undefined when the copy was never created. */
  discardRestore(move: string, containerId: string | undefined): Promise<void>
}

export interface PackedBytes {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Upper bound of what the chunks will hold. */
  readonly atMostBytes: number
}
