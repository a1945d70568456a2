// How does a container's writable layer travel? The overlay's upper directory by GNU tar, which alone keeps whiteouts, opaque marks, binary
// attributes, capabilities, holes and hard links; straight into the upper directory of a copy that was created and never started.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { statfs } from 'node:fs/promises'
import { MoveError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { bytesOf } from './bytes.ts'
import type { RunCommand } from '../checkpoint/command.ts'

const keepAll = ['--xattrs', '--xattrs-include=*', '--acls', '--sparse', '--numeric-owner']

const failed = (what: string, cause?: unknown): MoveError =>
  new MoveError('MOVE_LAYER_FAILED', {
    what: `the writable layer: ${what}`,
    hint: 'is GNU tar installed, and the disk of both nodes well?',
    cause,
  })

/** Ends when the child did; throws what it complained of. */
async function success(child: ChildProcess, complaints: () => string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  if (child.exitCode !== 0)
    throw failed(`tar exited with ${child.exitCode ?? child.signalCode}: ${complaints().slice(-500).trim()}`)
}

function complaintsOf(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (more: string) => {
    text = (text + more).slice(-4096)
  })
  return () => text
}

/** Bytes the layer may take as a tar: what its files occupy, twice, and a little. Sockets are left out: CRIU makes bound ones anew. */
export async function layerBytes(upper: string, run: RunCommand, signal: AbortSignal): Promise<number> {
  const { code, stdout, stderr } = await run(['du', '-s', '--block-size=1', upper], { ms: LIMITS.commandMs, signal })
  const bytes = Number(/^\d+/.exec(stdout)?.[0] ?? Number.NaN)
  if (code !== 0 || !Number.isFinite(bytes)) throw failed(`du: ${stderr.trim()}`)
  return 2 * bytes + 1024 * 1024
}

/** The layer as a tar. The container stands still meanwhile. */
export async function* packLayer(upper: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const child = spawn('tar', ['--create', ...keepAll, '--directory', upper, '--file', '-', '.'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  })
  const complaints = complaintsOf(child)
  const broken = once(child, 'error').then(([cause]) => Promise.reject(failed('tar could not be started', cause)))
  broken.catch(() => undefined)
  try {
    yield* bytesOf(child.stdout)
    await Promise.race([success(child, complaints), broken])
  } finally {
    child.kill('SIGKILL')
  }
}

/** Unpacks it into `upper`; `bytes` is what was announced, and must fit on the disk. */
export async function unpackLayer(upper: string, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const child = spawn(
    'tar',
    ['--extract', ...keepAll, '--preserve-permissions', '--same-owner', '--directory', upper, '--file', '-'],
    {
      stdio: ['pipe', 'ignore', 'pipe'],
      signal,
    },
  )
  const complaints = complaintsOf(child)
  const broken = once(child, 'error').then(([cause]) => Promise.reject(failed('tar could not be started', cause)))
  broken.catch(() => undefined)
  // A tar that fails closes its input; its exit says why.
  child.stdin.on('error', () => undefined)
  try {
    for await (const chunk of chunks) {
      if (child.exitCode !== null) break
      if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, 'drain'), once(child, 'close'), broken])
    }
    child.stdin.end()
    await Promise.race([success(child, complaints), broken])
  } finally {
    child.kill('SIGKILL')
  }
}

/** Throws `MOVE_NO_ROOM` unless `bytes` fit on the file system of `folder`. */
export async function checkDisk(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize >= bytes) return
  throw new MoveError('MOVE_NO_ROOM', {
    what: `the writable layer takes up to ${bytes} bytes, ${bavail * bsize} are left on the disk of the target's engine`,
    hint: 'free disk space there (`docker system df`)',
  })
}
