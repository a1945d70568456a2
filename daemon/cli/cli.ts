// What a verb of the CLI works with: where data and hints go, how the daemon is reached, what ends it. Passed to every verb, so that a test
// can run one with its own streams and its own daemon.

import type { Command } from 'commander'
import { ApiError } from '../api/api-errors.ts'
import { type ApiClient, apiClient, type Target } from './client.ts'
import type { HostActions } from './host-actions.ts'

export interface Cli {
  /** Data, and only data: standard output. */
  readonly out: (text: string) => void
  /** Progress and hints: standard error. */
  readonly hint: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether `out` is a terminal. */
  readonly terminal: boolean
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal
  /** The exit status when nothing is thrown; 0 unless a verb says otherwise. */
  readonly exit: { code: number }
  readonly readFile: (path: string) => Promise<string>
  /** Asks the person at the terminal; the answer, empty when there is none. */
  readonly ask: (question: string) => Promise<string>
  readonly host: HostActions
}

/** Options every verb takes, before the verb. */
interface GlobalOptions {
  readonly host?: string
  readonly socket?: string
}

const DEFAULT_SOCKET = '/run/shoal/shoal.sock'

/** Which daemon is asked: flags over variables over this host's own socket. @throws ApiError USAGE */
export function targetOf(options: GlobalOptions, env: Cli['env']): Target {
  if (options.socket !== undefined) return { kind: 'socket', path: options.socket }
  if (options.host !== undefined) return urlTarget(options.host, env)
  if (env['SHOAL_SOCKET'] !== undefined) return { kind: 'socket', path: env['SHOAL_SOCKET'] }
  if (env['SHOAL_HOST']?.includes('://') === true) return urlTarget(env['SHOAL_HOST'], env)
  const runDir = env['SHOAL_RUN_DIR'] ?? (env['SHOAL_DATA_DIR'] === undefined ? undefined : `${env['SHOAL_DATA_DIR']}/run`)
  return { kind: 'socket', path: runDir === undefined ? DEFAULT_SOCKET : `${runDir}/shoal.sock` }
}

function urlTarget(text: string, env: Cli['env']): Target {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url?.protocol !== 'http:') {
    throw new ApiError('USAGE', { what: `${text} is no address of an API`, hint: 'write http://HOST:4748' })
  }
  return { kind: 'url', url, token: env['SHOAL_TOKEN'] }
}

/** The daemon this command line speaks to. */
export function clientFor(cli: Cli, command: Command): ApiClient {
  return apiClient(targetOf(command.optsWithGlobals<GlobalOptions>(), cli.env), cli.signal)
}

/** A part of a path: names may hold what a URL may not. */
export const part = (text: string): string => encodeURIComponent(text)

/** Two examples, as every verb's `--help` ends. */
export const examples = (first: string, second: string): string => `\nExamples:\n  $ ${first}\n  $ ${second}`
