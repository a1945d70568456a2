// The envelope of every signed record: the signed text as it was written, and the signature. Used by member-record.ts and
// removal-record.ts. The text travels unchanged, so that fields of a later version keep their signature.

import { createHash } from 'node:crypto'
import type { Static, TProperties, TSchema } from 'typebox'
import type { Validator } from 'typebox/compile'
import { canonicalText, signedBytes, type Canonical } from '../canonical.ts'
import { isSignedBy, type MeshKey, type Signer, type SignerId } from '../signing.ts'
import { TrustError } from '../trust-errors.ts'

/** A record whose signature was checked (only the readers and writers of gossip/wire/ make one). Still to be led back to the mesh key. */
export interface Signed<T> {
  readonly record: T
  /** The signed text. */
  readonly body: string
  /** base64url of 64 bytes. */
  readonly signature: string
  /** SHA-256 over the domain and the text, hex: what tells records apart. The signature has no part in it, as it can be varied. */
  readonly hash: string
}

/** What one kind of record needs to be read: its signature's domain, its schema, its bound, and who signs it. */
export interface RecordKind<S extends TSchema> {
  /** For messages: "member record". */
  readonly name: string
  readonly domain: string
  readonly version: number
  readonly maxBytes: number
  readonly check: Validator<TProperties, S>
  readonly signer: (record: Static<S>) => { readonly signer: SignerId; readonly mesh: MeshKey }
}

/** Signs `record`. The caller has made sure that it fits the schema. */
export function seal<T extends Canonical>(domain: string, record: T, by: Signer): Signed<T> {
  const body = canonicalText(record)
  const bytes = signedBytes(domain, body)
  return { record, body, signature: Buffer.from(by.sign(bytes)).toString('base64url'), hash: hashOf(bytes) }
}

/** The wire form: JSON `{"body": …, "signature": …}`. */
export function toWire(signed: Signed<unknown>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ body: signed.body, signature: signed.signature }))
}

/**
 * Reads the wire form: bound, JSON, version, schema, signature, in this order.
 * @throws {TrustError} RECORD_TOO_LARGE, RECORD_MALFORMED, RECORD_VERSION, RECORD_SIGNATURE, PEER_ID_INVALID, KEY_INVALID
 */
export function open<S extends TSchema>(kind: RecordKind<S>, wire: Uint8Array): Signed<Static<S>> {
  if (wire.byteLength > kind.maxBytes) {
    throw refuse('RECORD_TOO_LARGE', `a ${kind.name} of ${wire.byteLength} bytes is over the cap of ${kind.maxBytes}`)
  }
  const envelope = parse(kind.name, new TextDecoder().decode(wire))
  const body = field(envelope, 'body')
  const signature = field(envelope, 'signature')
  if (typeof body !== 'string' || typeof signature !== 'string')
    throw refuse('RECORD_MALFORMED', `a ${kind.name} lacks body or signature`)
  const record = parse(kind.name, body)
  const version = field(record, 'v')
  if (version !== kind.version)
    throw refuse('RECORD_VERSION', `a ${kind.name} of version ${String(version).slice(0, 20)}; this node speaks ${kind.version}`)
  if (!kind.check.Check(record))
    throw refuse('RECORD_MALFORMED', `a ${kind.name} is wrong at ${firstProblem(kind.check, record)}`)
  const bytes = signedBytes(kind.domain, body)
  if (!isSignedBy({ ...kind.signer(record), bytes, signature: Buffer.from(signature, 'base64url') })) {
    throw refuse('RECORD_SIGNATURE', `the signature of a ${kind.name} is not by ${kind.signer(record).signer}`)
  }
  return { record, body, signature, hash: hashOf(bytes) }
}

function parse(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw refuse('RECORD_MALFORMED', `a ${name} is no JSON`, cause)
  }
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
}

function firstProblem<S extends TSchema>(check: RecordKind<S>['check'], value: unknown): string {
  const [first] = check.Errors(value)
  return first === undefined ? 'an unknown place' : `${first.instancePath || '/'}: ${first.message}`
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function refuse(
  code: 'RECORD_TOO_LARGE' | 'RECORD_MALFORMED' | 'RECORD_VERSION' | 'RECORD_SIGNATURE',
  what: string,
  cause?: unknown,
): TrustError {
  const hint =
    code === 'RECORD_VERSION'
      ? 'update Shoal on the older node'
      : 'the peer sent something it should not: update Shoal there, or remove that node'
  return new TrustError(code, { what, hint, cause })
}
