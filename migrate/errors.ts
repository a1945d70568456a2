// The codes under which a move is refused or fails, each with the sentence that explains it. docs/errors.md lists them.

import { ShoalError } from '../placement/shoal-error.ts'

/** Code and meaning of every error of this room. `OBSTACLE_…` are found before anything is frozen, or by CRIU itself. */
export const moveErrorCodes = {
  MOVE_BAD_MESSAGE: 'a message of a move does not have the form its version promises, or comes out of turn',
  MOVE_BUSY: 'the service is being moved already',
  MOVE_CANCELLED: 'the move was called off before the service was handed over',
  MOVE_CHECKPOINT_FAILED: 'CRIU could not write the memory of the service down',
  MOVE_CPU_DIFFERS: 'the processor of the target is not one the checkpoint can be restored on',
  MOVE_CRIU_OLDER: 'the CRIU of the target is older than that of the source',
  MOVE_DAMAGED: 'what arrived is not what was sent: length or digest differ',
  MOVE_ENGINE_FAILED: 'the engine refused or failed what the move asked of it',
  MOVE_IMAGE_BROKEN: 'the image that arrived does not have the layers it should have',
  MOVE_IMAGE_MISSING: 'the source has no image of the name the service was started from',
  MOVE_LAYER_FAILED: 'the writable layer could not be packed or unpacked',
  MOVE_LIMIT: 'as many moves as a node takes at once are under way',
  MOVE_LOST: 'the target did not take the service and the copy here cannot be thawed any more',
  MOVE_MODE_UNAVAILABLE: 'a node cannot move services in this mode',
  MOVE_NETWORK_FAILED: 'the network of the service could not be cut or healed',
  MOVE_NO_CANDIDATE: 'no node was named or found that the service could move to',
  MOVE_NO_ROOM: 'the memory of the service does not fit where checkpoints are kept',
  MOVE_NOT_MOVABLE: 'the service is not in a state in which it can be moved',
  MOVE_NOT_OWNED: 'this node does not own the service',
  MOVE_PEER_LOST: 'the connection to the peer broke during the move',
  MOVE_PEER_SILENT: 'the peer did not answer in time during the move',
  MOVE_PLATFORM: 'the image is for another platform than the target',
  MOVE_RESTARTED: 'the daemon was restarted during the move',
  MOVE_RESTORE_FAILED: 'the target could not restore the service',
  MOVE_STORE_UNSUPPORTED: 'the engine does not say where the writable layer of a container lies',
  MOVE_THAW_FAILED: 'the frozen copy could not be set going again',
  MOVE_TOO_LARGE: 'a section or message of a move is larger than it may be',
  MOVE_UNDECIDED: 'the target cannot say yet whether it runs the service',
  MOVE_VERSION_UNKNOWN: 'the peer speaks a version of the move protocol that this node does not know',
  OBSTACLE_DEVICE: 'the service uses a device of its host',
  OBSTACLE_FILE_WATCH: 'the service watches files of its image by inotify or fanotify',
  OBSTACLE_HOST_MOUNT: 'the service has a directory or volume of its host mounted',
  OBSTACLE_HOST_NAMESPACE: 'the service shares processes, IPC or network with its host or another container',
  OBSTACLE_IO_URING: 'the service uses io_uring',
  OBSTACLE_MPTCP: 'the service listens with MPTCP',
  OBSTACLE_NESTED: 'the service runs namespaces of its own',
  OBSTACLE_NOT_ROOT: 'CRIU lacks a right it needs for this service on this node',
  OBSTACLE_TERMINAL: 'the service has a terminal (-t)',
  OBSTACLE_UNIX_SOCKET: 'the service is connected to a unix socket outside itself',
  OBSTACLE_USERFAULTFD: 'the service uses userfaultfd or perf events',
} as const

export type MoveErrorCode = keyof typeof moveErrorCodes

/** An error of a move: see {@link moveErrorCodes}. */
export class MoveError extends ShoalError<MoveErrorCode> {}

/** What the peer answered instead of going on; its code, sentence and hint are kept as they came. */
export class PeerRefusal extends ShoalError {
  readonly peer: string
  /** The peer's fresh load report, when the refusal answered an offer. */
  readonly load: unknown

  constructor(from: { readonly peer: string; readonly load?: unknown }, refusal: { code: string; what: string; hint: string }) {
    super(refusal.code, { what: refusal.what, hint: refusal.hint })
    this.peer = from.peer
    this.load = from.load
  }
}

/** Any thrown value as code, sentence and hint; what is no error of ours becomes `fallback`. */
export function described(error: unknown, fallback: MoveErrorCode): { code: string; what: string; hint: string } {
  if (error instanceof ShoalError) return { code: error.code, what: error.message, hint: error.hint }
  const what = error instanceof Error ? error.message : String(error)
  return { code: fallback, what, hint: 'see the log of this node for the whole story' }
}
