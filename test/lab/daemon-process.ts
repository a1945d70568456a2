// One Shoal daemon in one node: started, stopped, killed and restarted without touching the node's engine.

import { closeSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs'
import type Docker from 'dockerode'
import { LabError } from './errors.ts'
import { eventually } from './eventually.ts'
import { daemonStopMs, daemonUpMs } from './limits.ts'

export const daemonLogPath = '/var/log/shoal.log'
export const daemonSocketPath = '/run/shoal/shoal.sock'
const tailBytes = 4_000

export interface DaemonStart {
  /** `SHOAL_*` and others, on top of the node's environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Arguments after `shoal up`. */
  readonly flags?: readonly string[]
  readonly deadlineMs?: number
}

/** What a daemon needs of the node it runs in. */
export interface DaemonHome {
  readonly name: string
  /** The node as a container of the outer engine: processes started through it count to the node's limits. */
  readonly container: Docker.Container
  /** A path of the node as a path of this machine. */
  path(inside: string): string
  /** Resolves when the daemon answers on its socket. */
  answers(): Promise<boolean>
}

/** The last bytes of a file, whole lines; empty when there is none. */
function tail(path: string): string {
  let size: number
  try {
    size = statSync(path).size
  } catch {
    return ''
  }
  const from = Math.max(0, size - tailBytes)
  const buffer = Buffer.alloc(size - from)
  const file = openSync(path, 'r')
  try {
    readSync(file, buffer, 0, buffer.length, from)
  } finally {
    closeSync(file)
  }
  const text = buffer.toString('utf8')
  return from === 0 ? text : text.slice(text.indexOf('\n') + 1)
}

/** A running (or ended) daemon. Its pid is the one this machine sees. */
export class DaemonProcess {
  readonly #home: DaemonHome
  readonly #exec: Docker.Exec
  readonly pid: number

  private constructor(home: DaemonHome, exec: Docker.Exec, pid: number) {
    this.#home = home
    this.#exec = exec
    this.pid = pid
  }

  /**
   * Runs `shoal up FLAGS` in the node, its output appended to /var/log/shoal.log, and waits until it answers.
   * @throws LabError LAB_DAEMON_ENDED with the end of its log when it ends instead, LAB_NOT_IN_TIME when it does neither.
   */
  static async start(home: DaemonHome, { env = {}, flags = [], deadlineMs = daemonUpMs }: DaemonStart): Promise<DaemonProcess> {
    // A killed daemon leaves its socket behind; the next one is up when a new one is there.
    rmSync(home.path(daemonSocketPath), { force: true })
    const exec = await home.container.exec({
      Cmd: ['/bin/sh', '-c', `exec shoal up "$@" >>${daemonLogPath} 2>&1 </dev/null`, 'shoal', ...flags],
      Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    })
    await exec.start({ Detach: true })
    const pid = await eventually(async () => (await exec.inspect()).Pid, {
      deadlineMs,
      says: `${home.name}: the daemon has a process`,
      everyMs: 20,
    })
    const daemon = new DaemonProcess(home, exec, pid)
    const outcome = await eventually(
      async () => {
        const code = await daemon.exitCode()
        if (code !== undefined) return { code }
        return (await home.answers()) ? 'up' : undefined
      },
      { deadlineMs, says: `${home.name}: the daemon answers; its log ends: ${tail(home.path(daemonLogPath))}`, everyMs: 50 },
    )
    if (outcome !== 'up') {
      throw new LabError('LAB_DAEMON_ENDED', {
        what: `${home.name}: shoal up ended with code ${outcome.code}: ${daemon.logTail()}`,
        hint: `its whole log is ${daemonLogPath} in the node`,
      })
    }
    return daemon
  }

  /** Exit code, or undefined while it runs. */
  async exitCode(): Promise<number | undefined> {
    const { Running, ExitCode } = await this.#exec.inspect()
    return Running ? undefined : (ExitCode ?? -1)
  }

  /** Sends a signal and waits for the end. Resolves with the exit code (137 after SIGKILL). */
  async end(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT', deadlineMs = daemonStopMs): Promise<number> {
    if ((await this.exitCode()) === undefined) process.kill(this.pid, signal)
    const ended = await eventually(async () => ({ code: await this.exitCode() }), {
      deadlineMs,
      says: `${this.#home.name}: the daemon ends after ${signal}`,
      until: value => value.code !== undefined,
      everyMs: 20,
    })
    return ended.code ?? -1
  }

  /** The end of the daemon's log. */
  logTail(): string {
    return tail(this.#home.path(daemonLogPath))
  }
}

/** The whole log of the daemons that ran in this node; empty before the first. */
export function daemonLog(home: Pick<DaemonHome, 'path'>): string {
  try {
    return readFileSync(home.path(daemonLogPath), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
