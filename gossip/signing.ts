// Ed25519 with plain values: who signs, and whether a signature belongs to a signer. Synchronous (node:crypto), so that reading a
// record is a function. A node's key is its libp2p key; its public key lies in the peer id. A mesh's key is a text of its own.

import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { NodeId } from '../placement/view.ts'
import { TrustError } from './trust-errors.ts'

/** The public key of a mesh: 32 bytes as base64url, 43 characters. */
export type MeshKey = string
/** Short name of a mesh: the first 20 hex digits of SHA-256 over its public key. */
export type MeshId = string
/** Issuer or signer `mesh`: the mesh's own key signed. */
export const MESH = 'mesh'

/** Who signed: a node's peer id, or {@link MESH}. */
export type SignerId = string

/** Someone who signs: a node (`id` is its peer id) or a mesh (`id` is `mesh`). */
export interface Signer {
  readonly id: SignerId
  /** Ed25519 signature, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
}

/** The private key of a mesh, held by its founder. */
export interface MeshSigner extends Signer {
  readonly id: typeof MESH
  readonly mesh: MeshKey
  readonly meshId: MeshId
}

const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const KEY_BYTES = 32

/**
 * A node as signer.
 * @param seed the first 32 bytes of the libp2p key (`privateKey.raw`, 64 bytes, is accepted too)
 * @throws {TrustError} KEY_INVALID
 */
export function nodeSigner(seed: Uint8Array): Signer & { readonly id: NodeId } {
  const key = privateKey(seed)
  const id = peerIdFromPublicKey(ed25519(rawPublic(key))).toString()
  return { id, sign: bytes => sign(null, bytes, key) }
}

/**
 * A mesh key from 32 random bytes (keep them: they are the private key).
 * @throws {TrustError} KEY_INVALID
 */
export function meshSigner(seed: Uint8Array): MeshSigner {
  const key = privateKey(seed)
  const mesh = Buffer.from(rawPublic(key)).toString('base64url')
  return { id: MESH, mesh, meshId: meshIdOf(mesh), sign: bytes => sign(null, bytes, key) }
}

/** SHA-256 of a mesh's public key, 64 hex digits: what a token pins. */
export function meshDigest(mesh: MeshKey): string {
  return createHash('sha256').update(Buffer.from(mesh, 'base64url')).digest('hex')
}

/** The short name of a mesh: the start of {@link meshDigest}. */
export function meshIdOf(mesh: MeshKey): MeshId {
  return meshDigest(mesh).slice(0, 20)
}

/**
 * The raw public key in an Ed25519 peer id.
 * @throws {TrustError} PEER_ID_INVALID
 */
export function peerPublicKey(id: NodeId): Uint8Array {
  const hint = 'a peer id of Shoal starts with 12D3KooW: copy it from `shoal node ls` or `shoal status`'
  try {
    const peer = peerIdFromString(id)
    if (peer.type === 'Ed25519' && peer.toString() === id) return peer.publicKey.raw
  } catch (cause) {
    throw new TrustError('PEER_ID_INVALID', { what: `"${id.slice(0, 80)}" is no peer id`, hint, cause })
  }
  throw new TrustError('PEER_ID_INVALID', { what: `"${id.slice(0, 80)}" is no Ed25519 peer id in its usual form`, hint })
}

/** Who is said to have signed what. `mesh` is read only where the signer is the mesh. */
export interface SignatureClaim {
  readonly signer: SignerId
  readonly mesh: MeshKey
  readonly bytes: Uint8Array
  readonly signature: Uint8Array
}

/**
 * Whether `signature` over `bytes` is by `signer`.
 * @throws {TrustError} PEER_ID_INVALID, KEY_INVALID
 */
export function isSignedBy({ signer, mesh, bytes, signature }: SignatureClaim): boolean {
  const raw = signer === MESH ? Buffer.from(mesh, 'base64url') : peerPublicKey(signer)
  return signature.length === 64 && verify(null, bytes, publicKey(raw), signature)
}

function privateKey(seed: Uint8Array): KeyObject {
  if (seed.length !== KEY_BYTES && seed.length !== 2 * KEY_BYTES)
    throw keyInvalid(`${seed.length} bytes are no Ed25519 private key`)
  const der = Buffer.concat([PRIVATE_PREFIX, seed.subarray(0, KEY_BYTES)])
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function publicKey(raw: Uint8Array): KeyObject {
  if (raw.length !== KEY_BYTES) throw keyInvalid(`${raw.length} bytes are no Ed25519 public key`)
  return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, raw]), format: 'der', type: 'spki' })
}

function rawPublic(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(PUBLIC_PREFIX.length)
}

function ed25519(raw: Uint8Array): Extract<ReturnType<typeof publicKeyFromRaw>, { type: 'Ed25519' }> {
  const key = publicKeyFromRaw(raw)
  if (key.type !== 'Ed25519') throw keyInvalid('the key is not Ed25519')
  return key
}

function keyInvalid(what: string): TrustError {
  return new TrustError('KEY_INVALID', {
    what,
    hint: 'restore the file `identity` of its data directory from a backup, or move it away to start as a new node',
  })
}
