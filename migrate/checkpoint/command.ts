// How are the host's programs run (runc, criu, ip, tar)? With arguments as a list, a deadline, and bounded output. Used by this folder and
// transfer/layer.ts; tests pass a function of their own.

import { spawn } from 'node:child_process'
import { MoveError } from '../errors.ts'
import type { Millis } from '../../placement/view.ts'

const OUTPUT_BYTES = 1024 * 1024

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. Rejects when it cannot be started or outlives `ms`; an exit status other than 0 is an answer. */
export type RunCommand = (
  words: readonly string[],
  limits: { readonly ms: Millis; readonly signal: AbortSignal },
) => Promise<CommandResult>

/** The real one. Output beyond a megabyte is dropped. */
export const runCommand: RunCommand = ([program = '', ...words], { ms, signal }) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], signal, timeout: ms, killSignal: 'SIGKILL' })
    const out = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8')
      child[name].on('data', (text: string) => {
        if (out[name].length < OUTPUT_BYTES) out[name] += text
      })
    }
    child.once('error', error => reject(missing(program, error)))
    child.once('close', (code, killedBy) => {
      if (killedBy === null) resolve({ code: code ?? -1, ...out })
      else reject(missing(program, new Error(`it was ended by ${killedBy} after at most ${ms} ms`)))
    })
  })

const missing = (program: string, cause: Error): MoveError =>
  new MoveError('MOVE_ENGINE_FAILED', {
    what: `${program} could not be run: ${cause.message}`,
    hint: `is ${program} installed on this node? \`shoal doctor\` lists what is needed`,
    cause,
  })
