// An invitation in one line: `shoal1-<SHA-256 of the mesh key>-<secret>-<addresses>`. It names the mesh (so a false one is refused) and
// where to ask. The issuer keeps only the secret's hash, with role and time; nobody else can redeem it. Called by gossip/open-mesh.ts for
// `shoal invite` and `shoal join`.

import { createHash } from 'node:crypto'
import { multiaddr } from '@multiformats/multiaddr'
import { meshDigest, meshIdOf, type MeshId, type MeshKey } from './signing.ts'
import { TrustError } from './trust-errors.ts'
import { trustLimits, trustTimes } from './trust-limits.ts'
import type { Millis, Role } from '../placement/view.ts'

const SECRET_BYTES = 16

/** What the issuer stores of a token. */
export interface TokenEntry {
  /** SHA-256 of the secret, hex. */
  readonly hash: string
  readonly role: Role
  /** Wall time of the issuer, ms since 1970. */
  readonly expiresAt: Millis
  readonly usesLeft: number
}

/** What a token says. */
export interface Token {
  /** SHA-256 of the mesh's public key, 64 hex digits. */
  readonly meshDigest: string
  readonly meshId: MeshId
  /** 16 bytes. */
  readonly secret: Uint8Array
  /** Multiaddresses of the issuer, each with its peer id. */
  readonly addresses: readonly string[]
}

/** What a person asks of `shoal invite`, and what the caller draws for it. */
export interface TokenRequest {
  readonly mesh: MeshKey
  readonly role: Role
  /** At most 30 days. */
  readonly ttlMs: Millis
  /** Default 1. */
  readonly uses?: number
  /** Multiaddresses with `/p2p/<issuer>`; the first eight are taken. */
  readonly addresses: readonly string[]
  /** 16 random bytes. */
  readonly secret: Uint8Array
  readonly wallNow: Millis
}

/**
 * Makes a token and adds its entry to those of the issuer (expired ones fall out).
 * @throws {TrustError} TOKEN_TTL, TOKENS_FULL, NOT_REACHABLE (no address), TOKEN_MALFORMED (one that is none)
 */
export function makeToken(
  entries: readonly TokenEntry[],
  { mesh, role, ttlMs, uses = 1, addresses, secret, wallNow }: TokenRequest,
): { readonly text: string; readonly entries: readonly TokenEntry[] } {
  if (!(ttlMs > 0 && ttlMs <= trustTimes.tokenTtlMaxMs) || !(Number.isSafeInteger(uses) && uses > 0)) {
    const what = `a token for ${Math.round(ttlMs / 60_000)} minutes and ${uses} uses`
    throw new TrustError('TOKEN_TTL', { what, hint: 'more than nothing, at most 30 days: `shoal invite --ttl 24h`' })
  }
  const kept = dropExpired(entries, wallNow)
  if (kept.length >= trustLimits.tokensOpen) {
    const what = `${kept.length} unused tokens are open on this node`
    throw new TrustError('TOKENS_FULL', { what, hint: 'wait until some expire, or invite from another member' })
  }
  if (addresses.length === 0) {
    throw new TrustError('NOT_REACHABLE', {
      what: 'a token tells where to join, and this node has no address that another host could reach',
      hint: 'set listenAddress to an address of the network (0.0.0.0: all of them); now it is a loopback address or nothing is up',
    })
  }
  if (secret.length !== SECRET_BYTES) throw malformed(`its secret has ${secret.length} bytes instead of ${SECRET_BYTES}`)
  const text = writeToken(mesh, secret, addresses)
  const entry: TokenEntry = { hash: secretHash(secret), role, expiresAt: wallNow + ttlMs, usesLeft: uses }
  return { text, entries: [...kept, entry] }
}

/**
 * Reads what a person pasted; white space around and inside is forgiven.
 * @throws {TrustError} TOKEN_MALFORMED, TOKEN_VERSION
 */
export function parseToken(pasted: string): Token {
  if (pasted.length > 2 * trustLimits.tokenChars) throw malformed(`it has ${pasted.length} characters`)
  const text = pasted.replaceAll(/\s+/g, '')
  const version = /^shoal(\d+)-/.exec(text)?.[1]
  if (version === undefined) throw malformed('it does not start with "shoal1-"')
  if (version !== '1') {
    throw new TrustError('TOKEN_VERSION', {
      what: `the token is of version ${version.slice(0, 8)}; this node reads 1`,
      hint: 'update Shoal on this node',
    })
  }
  const parts = /^shoal1-([0-9a-f]*)-([0-9a-f]*)-([A-Za-z0-9_-]*)$/.exec(text)
  if (parts === null) throw malformed('a part is missing or has characters that do not belong')
  const [, digest = '', secret = '', packed = ''] = parts
  if (digest.length !== 64) throw malformed(`its mesh part has ${digest.length} characters instead of 64`)
  if (secret.length !== 2 * SECRET_BYTES)
    throw malformed(`its secret has ${secret.length} characters instead of ${2 * SECRET_BYTES}`)
  const addresses = Buffer.from(packed, 'base64url').toString('utf8').split(',')
  if (addresses.length > trustLimits.tokenAddresses) throw malformed(`it has ${addresses.length} addresses`)
  for (const address of addresses) checkAddress(address)
  return { meshDigest: digest, meshId: digest.slice(0, 20), secret: Buffer.from(secret, 'hex'), addresses }
}

/**
 * The issuer's side of a join: takes one use. Store the entries before answering. The clock is the issuer's alone.
 * @throws {TrustError} TOKEN_UNKNOWN, TOKEN_EXPIRED
 */
export function redeem(
  entries: readonly TokenEntry[],
  { secret, wallNow }: { readonly secret: Uint8Array; readonly wallNow: Millis },
): { readonly entry: TokenEntry; readonly entries: readonly TokenEntry[] } {
  const hash = secretHash(secret)
  const entry = entries.find(each => each.hash === hash)
  if (entry === undefined || entry.usesLeft < 1) {
    throw new TrustError('TOKEN_UNKNOWN', {
      what: 'no such token is open here: it was used, or made by another node',
      hint: 'make a new one: `shoal invite`',
    })
  }
  if (wallNow >= entry.expiresAt) {
    const what = `the token expired ${Math.ceil((wallNow - entry.expiresAt) / 60_000)} minutes ago`
    throw new TrustError('TOKEN_EXPIRED', {
      what,
      hint: 'make a new one, if need be with a longer life: `shoal invite --ttl 48h`',
    })
  }
  const rest = entries.flatMap(each =>
    each !== entry ? [each] : entry.usesLeft > 1 ? [{ ...entry, usesLeft: entry.usesLeft - 1 }] : [],
  )
  return { entry, entries: rest }
}

/** Entries that can still be redeemed: the open tokens that keep a node from being fresh. */
export function dropExpired(entries: readonly TokenEntry[], wallNow: Millis): readonly TokenEntry[] {
  return entries.filter(entry => wallNow < entry.expiresAt && entry.usesLeft > 0)
}

/**
 * The joiner's check of who answered.
 * @throws {TrustError} TOKEN_OTHER_MESH
 */
export function checkTokenMesh(token: Token, mesh: MeshKey): void {
  if (meshDigest(mesh) === token.meshDigest) return
  throw new TrustError('TOKEN_OTHER_MESH', {
    what: `mesh ${meshIdOf(mesh)} answered, the token names mesh ${token.meshId}`,
    hint: 'another node has taken the address of the one that invited: make a new token there and check its address',
  })
}

/** Whole addresses only, as many as fit the caps. */
function writeToken(mesh: MeshKey, secret: Uint8Array, addresses: readonly string[]): string {
  const head = `shoal1-${meshDigest(mesh)}-${Buffer.from(secret).toString('hex')}-`
  let taken: readonly string[] = []
  for (const address of addresses.slice(0, trustLimits.tokenAddresses)) {
    checkAddress(address)
    if (head.length + pack([...taken, address]).length <= trustLimits.tokenChars) taken = [...taken, address]
  }
  if (taken.length === 0) throw malformed('there is no address to put into it')
  return head + pack(taken)
}

function pack(addresses: readonly string[]): string {
  return Buffer.from(addresses.join(',')).toString('base64url')
}

function checkAddress(address: string): void {
  try {
    if (
      multiaddr(address)
        .getComponents()
        .some(part => part.name === 'p2p')
    )
      return
  } catch (cause) {
    throw malformed(`"${address.slice(0, 80)}" is no address`, cause)
  }
  throw malformed(`the address "${address.slice(0, 80)}" names no peer`)
}

function secretHash(secret: Uint8Array): string {
  return createHash('sha256').update('shoal-token/1\0').update(secret).digest('hex')
}

function malformed(why: string, cause?: unknown): TrustError {
  return new TrustError('TOKEN_MALFORMED', {
    what: `this is no token: ${why}`,
    hint: 'copy the whole line that `shoal invite` printed',
    cause,
  })
}
