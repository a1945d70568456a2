// The checkpoint driver for engines that run containers with runc: CRIU through runc on the source, CRIU through the runtime shim on the
// target (shim/shoal-runtime.sh). Everything lies below `runDir`, a tmpfs, and is named by the move: checkpoint/<move> going out,
// incoming/<move> coming in, restore/<container> armed for the shim, restoring/<container> claimed by it.

import { spawn } from 'node:child_process'
import { open, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../placement/clock.ts'
import type { Millis } from '../../placement/view.ts'
import { MoveError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { ContainerFacts } from '../ports.ts'
import { packFolder, unpackFolder } from '../transfer/checkpoint-dir.ts'
import { checkDisk, layerBytes, packLayer, unpackLayer } from '../transfer/layer.ts'
import { pause } from '../within.ts'
import type { RunCommand } from './command.ts'
import type { CheckpointAbility, CheckpointDriver, PackedBytes } from './driver.ts'
import { criuError } from './dump-log.ts'
import { networkCut } from './network-cut.ts'
import type { NetworkCut } from './network-cut.ts'
import { refuseObstacles } from './obstacles.ts'
import { containerProcesses, upperDirectory } from './process-facts.ts'
import type { ContainerProcesses } from './process-facts.ts'
import { runcContainer } from './runc-state.ts'
import { checkRoom, roomAt } from './tmpfs-room.ts'

export interface RuncCriuParts {
  /** A tmpfs; `/run/shoal`. */
  readonly runDir: string
  readonly run: RunCommand
  readonly clock: Clock
  /** What was probed at start: `criu` is null where stateful moves do not work. */
  readonly ability: CheckpointAbility
}

export const runcCriuDriver = (parts: RuncCriuParts): CheckpointDriver => new RuncCriu(parts)

class RuncCriu implements CheckpointDriver {
  readonly #parts: RuncCriuParts
  readonly #network: NetworkCut

  constructor(parts: RuncCriuParts) {
    this.#parts = parts
    this.#network = networkCut(parts.run)
  }

  #folder(kind: 'checkpoint' | 'incoming' | 'restore' | 'restoring', name: string, ...below: readonly string[]): string {
    return join(this.#parts.runDir, kind, name, ...below)
  }

  async ability(): Promise<CheckpointAbility> {
    return this.#parts.ability
  }

  async checkMovable(container: ContainerFacts, signal: AbortSignal): Promise<void> {
    if (this.#parts.ability.criu === null) {
      throw new MoveError('MOVE_MODE_UNAVAILABLE', {
        what: 'this node cannot write the memory of a service down',
        hint: '`shoal doctor` says what is missing, `shoal setup` sets it up',
      })
    }
    refuseObstacles(`container ${short(container)}`, container, await this.#processes(container))
    await this.#ends(container, signal)
  }

  async memoryBytes(container: ContainerFacts): Promise<number> {
    const { processes } = await this.#processes(container)
    return processes.reduce((sum, process) => sum + process.memoryBytes, 0)
  }

  async #processes(container: ContainerFacts): Promise<ContainerProcesses> {
    return containerProcesses(await runcContainer(container.id))
  }

  async checkRoom(bytes: number): Promise<void> {
    const { runDir } = this.#parts
    await mkdir(runDir, { recursive: true })
    checkRoom(await roomAt(runDir), bytes, runDir)
  }

  /** The host's ends of its network. */
  async #ends(container: ContainerFacts, signal: AbortSignal): Promise<readonly string[]> {
    const { pid } = await runcContainer(container.id)
    return this.#network.find(pid, signal)
  }

  async cut(container: ContainerFacts, signal: AbortSignal): Promise<void> {
    await this.#network.set(await this.#ends(container, signal), 'down', signal)
  }

  async heal(container: ContainerFacts, signal: AbortSignal): Promise<void> {
    await this.#network.set(await this.#ends(container, signal), 'up', signal)
  }

  async checkpoint(move: string, container: ContainerFacts): Promise<void> {
    const base = this.#folder('checkpoint', move)
    await remove(base)
    await mkdir(join(base, 'images'), { recursive: true, mode: 0o700 })
    await mkdir(join(base, 'work'), { mode: 0o700 })
    const { root } = await runcContainer(container.id)
    const status = await dump(base, dumpWords({ root, base, id: container.id }))
    if (status === 0) return
    const log = await tail(join(base, 'work', 'dump.log'))
    const said = await tail(join(base, 'work', 'runc.log'))
    throw criuError(log === '' ? said : log, {
      name: `container ${short(container)}`,
      otherwise: 'MOVE_CHECKPOINT_FAILED',
      cause: new Error(`runc checkpoint exited with ${status}: ${said.trim().slice(-500)}`),
    })
  }

  async dumpEnded(move: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    const giveUpMs = clock.now() + LIMITS.checkpointMs
    while (await dumpRuns(this.#folder('checkpoint', move))) {
      if (clock.now() > giveUpMs) {
        throw new MoveError('MOVE_THAW_FAILED', {
          what: `a dump of move ${move} has been running for ${LIMITS.checkpointMs / 1000} s`,
          hint: 'look for `runc checkpoint` on this node and for what it waits',
        })
      }
      await pause(clock, LIMITS.dumpPollMs, signal)
    }
  }

  packCheckpoint(move: string): Promise<PackedBytes> {
    return packFolder(this.#folder('checkpoint', move, 'images'))
  }

  async unpackCheckpoint(move: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await remove(this.#folder('incoming', move))
    await unpackFolder(this.#folder('incoming', move, 'images'), chunks)
  }

  async packLayer(container: ContainerFacts, signal: AbortSignal): Promise<PackedBytes> {
    const { pid } = await runcContainer(container.id)
    const upper = upperDirectory(await readFile(`/proc/${pid}/mountinfo`, 'utf8')) ?? container.upperDir
    if (upper === null || !upper.startsWith('/')) throw noUpper(short(container))
    // Most services write nothing: then no program is started while the service stands still.
    if ((await readdir(upper)).length === 0) return { chunks: nothing(), atMostBytes: 0 }
    return { chunks: packLayer(upper, signal), atMostBytes: await layerBytes(upper, this.#parts.run, signal) }
  }

  async unpackLayer(container: ContainerFacts, { chunks, atMostBytes }: PackedBytes, signal: AbortSignal): Promise<void> {
    if (container.upperDir === null) throw noUpper(short(container))
    if (atMostBytes === 0) return
    await checkDisk(container.upperDir, atMostBytes)
    await unpackLayer(container.upperDir, chunks, signal)
  }

  discard(move: string): Promise<void> {
    return remove(this.#folder('checkpoint', move))
  }

  /** Renamed whole and marked last: the shim never sees half of it. */
  async arm(move: string, containerId: string): Promise<void> {
    const incoming = this.#folder('incoming', move)
    await mkdir(join(incoming, 'work'), { recursive: true, mode: 0o700 })
    await mkdir(join(this.#parts.runDir, 'restore'), { recursive: true, mode: 0o700 })
    await rename(incoming, this.#folder('restore', containerId))
    await writeFile(this.#folder('restore', containerId, 'armed'), '')
  }

  async restoredAtWallMs(containerId: string): Promise<Millis | null> {
    const status = await stat(this.#folder('restoring', containerId, 'status')).catch(() => undefined)
    return status === undefined ? null : status.mtimeMs
  }

  async restoreFailure(containerId: string, cause: unknown): Promise<Error> {
    const log = await tail(this.#folder('restoring', containerId, 'work', 'restore.log'))
    const engine = cause instanceof Error ? cause.message : String(cause)
    const name = `the copy ${containerId.slice(0, 12)}`
    return criuError(log === '' ? engine : log, { name, otherwise: 'MOVE_RESTORE_FAILED', cause })
  }

  async discardRestore(move: string, containerId: string | undefined): Promise<void> {
    await remove(this.#folder('incoming', move))
    if (containerId === undefined) return
    await remove(this.#folder('restore', containerId))
    await remove(this.#folder('restoring', containerId))
  }
}

const short = (container: ContainerFacts): string => container.id.slice(0, 12)
const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true })

interface Dump {
  readonly root: string
  readonly base: string
  readonly id: string
}

/** runc's command line, as measured: the container was paused before and stays so; the cgroups are the engine's. */
const dumpWords = ({ root, base, id }: Dump): string[] => [
  ...['runc', '--root', root, 'checkpoint', '--image-path', join(base, 'images'), '--work-path', join(base, 'work')],
  ...['--leave-running', '--empty-ns', 'network', '--manage-cgroups-mode', 'ignore', '--file-locks', id],
]

/** Runs a dump to its end in a session of its own: half-way, CRIU's code is in the program, so nothing of ours may take it down. */
async function dump(base: string, [program = '', ...words]: readonly string[]): Promise<number> {
  const out = await open(join(base, 'work', 'runc.log'), 'w', 0o600)
  try {
    const child = spawn(program, words, { detached: true, stdio: ['ignore', out.fd, out.fd] })
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', code => resolve(code ?? -1))
    })
  } finally {
    await out.close()
  }
}
/** Whether a process works on this folder: a dump outlives a daemon that was killed. */
async function dumpRuns(base: string): Promise<boolean> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    if (command.includes('checkpoint') && command.includes(join(base, 'images'))) return true
  }
  return false
}

/** The end of a log, or nothing when there is none. */
async function tail(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return ''
  try {
    const { size } = await file.stat()
    const length = Math.min(size, LIMITS.logBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

const noUpper = (container: string): MoveError =>
  new MoveError('MOVE_STORE_UNSUPPORTED', {
    what: `the engine does not say where the writable layer of ${container} lies`,
    hint: "set the engine's storage driver to overlay2 without the containerd store (`features: {containerd-snapshotter: false}`)",
  })

/** A layer without files. */
async function* nothing(): AsyncGenerator<Uint8Array> {}
