// Who is this node? Its Ed25519 key, made at first start and kept in a file only root may read; its peer id follows from the key.
// Called once by compose.ts. A key is never made anew where one was: a damaged file stops the daemon, because a new key is a new node.

import { randomBytes } from 'node:crypto'
import { chmod, lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { NodeId } from '../placement/view.ts'
import { IdentityError } from './errors.ts'
import { IDENTITY_FILE_BYTES } from './limits.ts'

export interface Identity {
  readonly id: NodeId
  /** libp2p private key, Ed25519. */
  readonly privateKey: PrivateKey
  /** True when this call made it. */
  readonly fresh: boolean
}

const FIRST_LINE = 'shoal-identity-1'

/**
 * Reads the key of `dataDir`, or makes one there (directory 0700, file 0600, on disk before this resolves).
 * Throws IDENTITY_EXPOSED when others may read it, IDENTITY_CORRUPT when it is no key, IDENTITY_UNREADABLE for anything else.
 */
export async function openIdentity(dataDir: string): Promise<Identity> {
  const path = join(dataDir, 'identity')
  const text = await readPrivate(path)
  if (text === undefined) return create(path)
  const [head, body = ''] = text.split('\n')
  try {
    if (head !== FIRST_LINE) throw new Error(`its first line is not "${FIRST_LINE}"`)
    const privateKey = privateKeyFromProtobuf(new Uint8Array(Buffer.from(body, 'base64')))
    if (privateKey.type !== 'Ed25519') throw new Error(`it is a key of the type ${privateKey.type}`)
    return { id: peerIdFromPrivateKey(privateKey).toString(), privateKey, fresh: false }
  } catch (cause) {
    throw new IdentityError('IDENTITY_CORRUPT', {
      what: `${path} is no key of a node: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: 'put it back from a backup; or move it away, and this becomes a new node that has to join again',
      cause,
    })
  }
}

async function create(path: string): Promise<Identity> {
  const dir = dirname(path)
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await chmod(dir, 0o700)
    const privateKey = await generateKeyPair('Ed25519')
    const body = Buffer.from(privateKeyToProtobuf(privateKey)).toString('base64')
    await writeDurably(path, `${FIRST_LINE}\n${body}\n`)
    return { id: peerIdFromPrivateKey(privateKey).toString(), privateKey, fresh: true }
  } catch (cause) {
    throw unreadable(path, cause, `make ${dir} writable, or give another --data-dir`)
  }
}

/** The file's text; undefined when there is none. Refuses one that group or others may read, before it is read. */
async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const stat = await lstat(path)
    if (!stat.isFile() || stat.size > IDENTITY_FILE_BYTES) {
      throw new IdentityError('IDENTITY_CORRUPT', {
        what: `${path} is ${stat.isFile() ? `${stat.size} bytes long` : 'no plain file'}, no key of a node`,
        hint: 'put it back from a backup, or move it away',
      })
    }
    if ((stat.mode & 0o077) !== 0) {
      throw new IdentityError('IDENTITY_EXPOSED', {
        what: `${path} may be read by others than its owner (mode ${(stat.mode & 0o777).toString(8)})`,
        hint: `if nobody has copied it: chmod 600 ${path}; else move it away, and this becomes a new node`,
      })
    }
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw unreadable(path, cause, 'run as the user the file belongs to (root), or look at its disk')
  }
}

function unreadable(path: string, cause: unknown, hint: string): IdentityError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new IdentityError('IDENTITY_UNREADABLE', { what: `${path} cannot be read or made: ${why}`, hint, cause })
}

/** Beside it, flushed, then renamed over it, then the directory flushed: after a crash there is a whole file or none. */
async function writeDurably(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    const file = await open(beside, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  const dir = await open(dirname(path), 'r')
  try {
    await dir.sync()
  } finally {
    await dir.close()
  }
}
