// How is the engine's HTTP API called? One place for every request: dockerode's connection, a deadline, cancellation, and engine answers turned
// into EngineErrors. Used by docker-engine.ts and its parts; knows nothing of containers.

import { Agent } from 'node:http'
import { addAbortSignal, Readable } from 'node:stream'
import Docker from 'dockerode'
import type { TSchema, Static } from 'typebox'
import { Value } from 'typebox/value'
import { EngineError, type EngineErrorCode } from './errors.ts'
import { ENGINE_CALL_MS, ENGINE_HELLO_MS, NEWEST_ENGINE_API, OLDEST_ENGINE_API } from './limits.ts'
import { VersionReply } from './docker-replies.ts'

export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: Readonly<Record<string, unknown>>
  /** A tar to send instead of a body. */
  readonly file?: Readable
  readonly signal: AbortSignal
  /** Absent: ENGINE_CALL_MS. `null`: only `signal` ends the wait. */
  readonly deadlineMs?: number | null
}

/** An answer of the engine that is no success. Callers turn the ones they know into their own words. */
export interface EngineRefusal {
  readonly status: number
  readonly says: string
}

/** Either what was asked for, or what the engine said instead. */
export type Answer<T> = { readonly ok: true; readonly value: T } | ({ readonly ok: false } & EngineRefusal)

const DONE = [200, 201, 204, 304]

export class DockerHttp {
  readonly socketPath: string
  readonly #plain: Docker
  #agreed: { readonly client: Docker; readonly version: Static<typeof VersionReply>; readonly apiVersion: string } | undefined

  constructor(socketPath: string) {
    this.socketPath = socketPath
    this.#plain = this.#client()
  }

  /** Agrees on an API version once; a failure is tried again by the next call. Throws ENGINE_UNREACHABLE, ENGINE_TOO_OLD. */
  async agree(signal: AbortSignal) {
    if (this.#agreed !== undefined) return this.#agreed
    const request: EngineRequest = { method: 'GET', path: '/version', signal, deadlineMs: ENGINE_HELLO_MS }
    const version = this.#read(await this.#dial(this.#plain, request), VersionReply, request)
    if (olderApi(version.ApiVersion, OLDEST_ENGINE_API)) {
      throw new EngineError('ENGINE_TOO_OLD', {
        what: `the engine ${version.Version} speaks API ${version.ApiVersion}, Shoal needs ${OLDEST_ENGINE_API}`,
        hint: 'install Docker 20.10 or newer',
      })
    }
    const apiVersion = olderApi(version.ApiVersion, NEWEST_ENGINE_API) ? version.ApiVersion : NEWEST_ENGINE_API
    this.#agreed = { client: this.#client(`v${apiVersion}`), version, apiVersion }
    return this.#agreed
  }

  /** The reply as `schema` says. Throws what {@link fail} makes of a refusal. */
  async get<S extends TSchema>(request: EngineRequest, schema: S): Promise<Answer<Static<S>>> {
    const answer = await this.send(request)
    return answer.ok ? { ok: true, value: this.#read(answer, schema, request) } : answer
  }

  /** The parsed reply, unread. */
  async send(request: EngineRequest): Promise<Answer<unknown>> {
    const { client } = await this.agree(request.signal)
    return this.#dial(client, request)
  }

  /** The reply as a stream, which `signal` destroys. The deadline counts until the engine begins to answer. */
  async stream(request: EngineRequest): Promise<Answer<Readable>> {
    const { client } = await this.agree(request.signal)
    const answer = await this.#dial(client, request, 'stream')
    if (!answer.ok) return answer
    if (!(answer.value instanceof Readable)) throw failure(request, { status: 200, says: 'the engine sent no stream' })
    addAbortSignal(request.signal, answer.value)
    return { ok: true, value: answer.value }
  }

  #client(version?: string): Docker {
    // No kept connections: one that the engine closed while idle would fail a call that cannot be repeated.
    const agent = new Agent({ keepAlive: false })
    // dockerode hands it down to its connection; its types do not know the option.
    const options = { socketPath: this.socketPath, agent, ...(version === undefined ? {} : { version }) }
    return new Docker(options)
  }

  #read<S extends TSchema>(answer: Answer<unknown>, schema: S, request: EngineRequest): Static<S> {
    if (!answer.ok) throw failure(request, answer)
    if (Value.Check(schema, answer.value)) return answer.value
    const first = Value.Errors(schema, answer.value)[0]
    const says = `an answer Shoal cannot read: ${first?.instancePath ?? ''} ${first?.message ?? ''}`
    throw failure(request, { status: 200, says })
  }

  async #dial(client: Docker, request: EngineRequest, how?: 'stream'): Promise<Answer<unknown>> {
    const { method, path, query, body, file, signal } = request
    signal.throwIfAborted()
    const limitMs = request.deadlineMs === undefined ? ENGINE_CALL_MS : request.deadlineMs
    // A stream is cut by `signal` alone once it flows: its deadline must end with the wait for the answer.
    const wait = new AbortController()
    const timer = limitMs === null ? undefined : setTimeout(() => wait.abort(), limitMs)
    const options = {
      path: query === undefined ? path : `${path}?`,
      method,
      // An empty body sends none: `start` refuses any.
      options: { _body: body ?? {}, ...(query === undefined ? {} : { _query: query }) },
      abortSignal: AbortSignal.any([signal, wait.signal]),
      isStream: how === 'stream',
      statusCodes: Object.fromEntries(DONE.map(status => [status, true])),
      ...(file === undefined ? {} : { file }),
    }
    try {
      return await new Promise<Answer<unknown>>((resolve, reject) => {
        client.modem.dial(options, (error: unknown, value: unknown) => {
          if (error === null || error === undefined) return resolve({ ok: true, value })
          const refusal = refusalOf(error)
          if (refusal === undefined) reject(error)
          else resolve({ ok: false, ...refusal })
        })
      })
    } catch (cause) {
      signal.throwIfAborted()
      throw this.#unreachable(cause, wait.signal.aborted ? limitMs : null, request)
    } finally {
      clearTimeout(timer)
    }
  }

  #unreachable(cause: unknown, limitMs: number | null, { method, path }: EngineRequest): EngineError {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    const why =
      limitMs !== null
        ? `no answer to ${method} ${path} within ${limitMs / 1000} s`
        : code === 'ENOENT'
          ? 'there is no such socket'
          : code === 'ECONNREFUSED'
            ? 'nobody listens there'
            : code === 'EACCES'
              ? 'this user may not open it'
              : `${method} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`
    const hint =
      code === 'EACCES'
        ? 'run as root, or as a member of the group docker'
        : 'start the engine (`systemctl start docker`), or set engineSocket'
    return new EngineError('ENGINE_UNREACHABLE', {
      what: `the engine does not answer on ${this.socketPath}: ${why}`,
      hint,
      cause,
    })
  }
}

/** What dockerode's connection throws for an HTTP status it was not told to expect. */
function refusalOf(error: unknown): EngineRefusal | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return undefined
  const json: unknown = 'json' in error ? error.json : undefined
  const message = typeof json === 'object' && json !== null && 'message' in json ? json.message : undefined
  return { status: error.statusCode, says: (typeof message === 'string' ? message : error.message).trim() }
}

/** The error for a refusal nobody expected; `code` where the caller knows better. */
export function failure({ method, path }: EngineRequest, { status, says }: EngineRefusal, code?: EngineErrorCode): EngineError {
  if (/no space left on device/i.test(says)) {
    return new EngineError('DISK_FULL', {
      what: `the engine's disk is full: ${says}`,
      hint: 'free space where the engine keeps its data',
    })
  }
  const chosen = code ?? (status >= 500 ? 'ENGINE_FAILED' : 'ENGINE_REFUSED')
  return new EngineError(chosen, {
    what: `the engine answered ${method} ${path} with ${status}: ${says}`,
    hint: HINTS[chosen] ?? 'look into the log of the engine',
  })
}

const HINTS: Partial<Record<EngineErrorCode, string>> = {
  START_FAILED: 'look at the command, the limits and the runtime; `shoal doctor` checks the runtime',
  LIMITS_REFUSED: 'choose a profile that this host can give',
  NO_SUCH_CONTAINER: 'somebody removed it behind our back; `shoal ls` shows what is there',
}

/** `1.41` is older than `1.51`. */
export function olderApi(a: string, b: string): boolean {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number)
  const [majorB = 0, minorB = 0] = b.split('.').map(Number)
  return majorA < majorB || (majorA === majorB && minorA < minorB)
}
