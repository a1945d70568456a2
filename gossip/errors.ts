// The codes under which the mesh refuses or fails, each with the sentence that explains it. docs/errors.md lists them;
// gossip/trust-errors.ts has those of joining and trust.

import { ShoalError } from '../placement/shoal-error.ts'
import type { ErrorDetail } from '../placement/shoal-error.ts'

/** Code and meaning of every error the mesh itself raises. */
export const meshErrorCodes = {
  MESH_AMBIGUOUS_NAME: 'a name or prefix fits several nodes',
  MESH_BAD_MESSAGE: 'a message does not have the form its version promises',
  MESH_BAD_SIGNATURE: 'a record is not signed by the one it names',
  MESH_HANDLER_FAILED: 'the peer could not carry out a request, for a reason it keeps in its log',
  MESH_MESSAGE_TOO_LARGE: 'a message is larger than its kind may be',
  MESH_NOT_MEMBER: 'this node or the other one is no member of the mesh',
  MESH_PEER_BUSY: 'the peer has as many requests of ours under way as it takes',
  MESH_PEER_UNREACHABLE: 'the peer cannot be reached',
  MESH_PORT_TAKEN: 'the port of the mesh cannot be listened on',
  MESH_RECORD_FOREIGN: 'a record was written by a node that may not write it',
  MESH_RECORD_STALE: 'a record does not win over the one that is known',
  MESH_STOPPED: 'the mesh is shut down',
  MESH_STREAM_BROKEN: 'a stream ended before the peer had said it was done',
  MESH_UNKNOWN_NODE: 'no node has that name or id',
  MESH_UNKNOWN_REQUEST: 'the peer does not know this request',
  MESH_VERSION_UNKNOWN: 'a message has a version this node does not know',
} as const

export type MeshErrorCode = keyof typeof meshErrorCodes

/** An error of the mesh: see {@link meshErrorCodes}. */
export class MeshError extends ShoalError<MeshErrorCode> {}

/** What a peer answered instead of a result; its code and hint are kept as they came. */
export class PeerError extends ShoalError {
  readonly peer: string

  constructor(peer: string, code: string, detail: ErrorDetail) {
    super(code, detail)
    this.peer = peer
  }
}

/** The text of whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
