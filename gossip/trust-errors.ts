// The codes of trust and joining: what a person may read when a record, a token or a request to join is refused.
// Thrown by the record readers, the roster and the tokens; the host sends `code`, `message` and `hint` to the other side.

import { ShoalError } from '../placement/shoal-error.ts'

/** Code → when it is given. docs/errors.md lists the same. */
export const trustErrorCodes = {
  RECORD_MALFORMED: 'a signed record cannot be read: no JSON, a field missing or out of range',
  RECORD_TOO_LARGE: 'a signed record is over its byte cap',
  RECORD_VERSION: 'a signed record has a version this node does not speak',
  RECORD_SIGNATURE: 'the signature of a record does not belong to its text and signer',
  RECORD_OTHER_MESH: 'a signed record belongs to another mesh',
  PEER_ID_INVALID: 'a text is no Ed25519 peer id',
  KEY_INVALID: 'bytes are no Ed25519 key',
  ROSTER_FULL: 'the roster holds as many records as it may',
  NOT_ADMITTING: 'this member has no right to admit or remove',
  NOT_A_MEMBER: 'the peer has no valid member record',
  ALREADY_MEMBER: 'this node belongs to a mesh with other members, services or tokens and does not leave it by itself',
  MESH_NOT_HEARD: 'no node of the mesh a person chose is heard',
  REMOVED: 'the peer was removed from the mesh',
  WAITING_FOR_APPROVAL: 'the join window is closed: a person must approve',
  NOT_SETTLED: 'the asked node is still finding out which mesh is the right one; ask again in a moment',
  TOKEN_MALFORMED: 'a text is no token',
  TOKEN_VERSION: 'a token of a version this node does not speak',
  TOKEN_UNKNOWN: 'the issuer does not know the token: never made, used, or already dropped',
  TOKEN_EXPIRED: 'the token is over its time, by the clock of its issuer',
  TOKEN_OTHER_MESH: 'the mesh that answered is not the one the token names',
  TOKEN_TTL: 'a time to live out of range',
  NOT_REACHABLE: 'this node listens where no other host can reach it',
  TOKENS_FULL: 'as many unused tokens as one node keeps',
  WINDOW_DURATION: 'a join window out of range',
  WINDOW_FORBIDDEN: 'the configuration (trust: ask) keeps the join window closed',
} as const

export type TrustErrorCode = keyof typeof trustErrorCodes

/** An error of trust: see {@link trustErrorCodes}. */
export class TrustError extends ShoalError<TrustErrorCode> {}
