// Runs one command on this machine with a deadline and keeps what it said. Everything the lab does by a program goes through here.

import { spawn } from 'node:child_process'
import { LabError } from './errors.ts'
import { commandMs, outputBytes } from './limits.ts'

export interface CommandResult {
  readonly stdout: string
  readonly stderr: string
  /** Exit code; 128 + signal when it was killed. */
  readonly code: number
}

export interface CommandOptions {
  /** The command and all it started are killed after this; the result is then an error. */
  readonly deadlineMs?: number
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Written to its standard input, which is closed otherwise. */
  readonly input?: string | Uint8Array
  readonly signal?: AbortSignal
}

const signalCode = 128
const killCode = 9

/** Text of a stream up to a bound; what was dropped is counted. */
function collector(): { add(chunk: Buffer): void; text(): string } {
  const chunks: Buffer[] = []
  let kept = 0
  let dropped = 0
  return {
    add(chunk) {
      const room = outputBytes - kept
      if (chunk.length > room) dropped += chunk.length - room
      if (room <= 0) return
      chunks.push(chunk.subarray(0, room))
      kept += Math.min(room, chunk.length)
    },
    text() {
      return Buffer.concat(chunks).toString('utf8') + (dropped > 0 ? `\n[${dropped} bytes dropped]` : '')
    },
  }
}

/**
 * Runs `argv` and resolves with its output and exit code, whatever the code is.
 * @throws LabError LAB_COMMAND_FAILED when it cannot be started, runs past its deadline, or `signal` aborts.
 */
export function command(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program, ...args] = argv
  if (program === undefined) throw new LabError('LAB_COMMAND_FAILED', { what: 'an empty command', hint: 'name a program' })
  const deadlineMs = options.deadlineMs ?? commandMs
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>()
  // A process group of its own, so that a deadline ends what the command started too.
  const child = spawn(program, args, {
    detached: true,
    cwd: options.cwd,
    env: options.env === undefined ? process.env : { ...process.env, ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  const stdout = collector()
  const stderr = collector()
  const fail = (why: string, cause?: unknown) => {
    const what = `${argv.join(' ')}: ${why}${stderr.text() === '' ? '' : `; it said: ${stderr.text().slice(-2000)}`}`
    reject(
      new LabError('LAB_COMMAND_FAILED', { what, hint: 'run it by hand to see more', ...(cause === undefined ? {} : { cause }) }),
    )
  }
  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch (error) {
      // Gone already: that is what was wanted.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
  const timer = setTimeout(() => {
    killGroup()
    fail(`still running after ${deadlineMs} ms`)
  }, deadlineMs)
  const onAbort = () => {
    killGroup()
    fail('aborted', options.signal?.reason)
  }
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const settle = () => {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', onAbort)
  }
  child.stdout?.on('data', (chunk: Buffer) => stdout.add(chunk))
  child.stderr?.on('data', (chunk: Buffer) => stderr.add(chunk))
  // A command that ends before it has read its input is judged by its exit code.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(options.input)
  child.once('error', error => {
    settle()
    fail('could not be started', error)
  })
  child.once('close', code => {
    settle()
    resolve({ stdout: stdout.text(), stderr: stderr.text(), code: code ?? signalCode + killCode })
  })
  if (options.signal?.aborted === true) onAbort()
  return promise
}

/** As {@link command}, and an exit code other than 0 is an error too. Resolves with standard output, trimmed. */
export async function output(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { stdout, stderr, code } = await command(argv, options)
  if (code !== 0) {
    throw new LabError('LAB_COMMAND_FAILED', {
      what: `${argv.join(' ')}: exit code ${code}; it said: ${(stderr || stdout).slice(-2000).trim()}`,
      hint: 'run it by hand to see more',
    })
  }
  return stdout.trim()
}
