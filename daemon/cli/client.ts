// How does the CLI speak to a daemon? HTTP over the unix socket of this host, or to the URL in `--host` / SHOAL_HOST. An answer that is an error
// becomes an ApiReplyError with its status. Nothing heavy is imported here: a verb must answer in an instant.

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { ShoalError } from '../../placement/shoal-error.ts'
import { ApiError } from '../api/api-errors.ts'
import type { ErrorBody } from '../api/schema/error.ts'
import { readJsonLines } from '../json-lines.ts'

/** Where a daemon is asked. */
export type Target =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'url'; readonly url: URL; readonly token: string | undefined }

/** An error the daemon answered with, its code and hint as they came. */
export class ApiReplyError extends ShoalError {
  readonly status: number

  constructor(status: number, body: ErrorBody) {
    super(body.code, { what: body.message, hint: body.hint })
    this.status = status
  }
}

export interface ApiClient {
  get<T>(path: string): Promise<T>
  send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T>
  /** NDJSON, one value per line. */
  lines<T>(path: string): AsyncIterable<T>
  /** Server-sent events: the data of each. */
  events<T>(path: string): AsyncIterable<T>
}

/** Bytes of one answer that is read whole: ten thousand services with their reasons. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024
/** Bytes of one line of a stream. */
const LINE_BYTES_MAX = 1024 * 1024
/** A daemon that does not take the connection at once is not there, ms. */
const CONNECT_MS = 5_000

/** A client for one daemon; everything it waits for ends with `signal`. */
export function apiClient(target: Target, signal: AbortSignal): ApiClient {
  const ask = (method: string, path: string, body?: unknown): Promise<IncomingMessage> =>
    send(target, { method, path, body, signal })

  const whole = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const text = await textOf(await ask(method, path, body))
    return asAnswer<T>(text === '' ? undefined : parsed(text))
  }

  return {
    get: path => whole('GET', path),
    send: (method, path, body) => whole(method, path, body),
    async *lines<T>(path: string) {
      for await (const value of readJsonLines(await ask('GET', path), LINE_BYTES_MAX)) yield asAnswer<T>(value)
    },
    async *events<T>(path: string) {
      for await (const data of eventData(await ask('GET', path))) yield asAnswer<T>(parsed(data))
    },
  }
}

/**
 * The daemon writes its answers by the schema that `T` comes from (fastify serialises by it), and both ship in one bundle. Checking again here
 * would load the schema library, 90 ms of a verb that takes 70.
 */
function asAnswer<T>(value: unknown): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above: the one place where an answer gets its type
  return value as T
}

interface Ask {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly signal: AbortSignal
}

async function send(target: Target, { method, path, body, signal }: Ask): Promise<IncomingMessage> {
  const json = body === undefined ? undefined : JSON.stringify(body)
  const headers = {
    host: target.kind === 'url' ? target.url.host : 'localhost',
    accept: 'application/json',
    ...(json === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(json)) }),
    ...(target.kind === 'url' && target.token !== undefined ? { authorization: `Bearer ${target.token}` } : {}),
  }
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const where =
    target.kind === 'socket'
      ? { socketPath: target.path }
      : { hostname: target.url.hostname.replaceAll(/[[\]]/g, ''), port: target.url.port || 80 }
  const request = httpRequest({ ...where, method, path, headers, signal }, resolve)
  request.once('socket', socket => {
    if (!socket.connecting) return
    const late = setTimeout(() => request.destroy(new Error(`no connection within ${CONNECT_MS} ms`)), CONNECT_MS)
    socket.once('connect', () => clearTimeout(late))
    socket.once('close', () => clearTimeout(late))
  })
  request.once('error', error => reject(signal.aborted ? signal.reason : unreachable(target, error)))
  request.end(json)
  const response = await promise
  const status = response.statusCode ?? 500
  if (status < 400) return response
  throw new ApiReplyError(status, errorBody(await textOf(response), status))
}

function unreachable(target: Target, cause: Error): ApiError {
  const where = target.kind === 'socket' ? target.path : target.url.href
  const denied = 'code' in cause && cause.code === 'EACCES'
  return new ApiError('DAEMON_UNREACHABLE', {
    what: `no daemon answers at ${where} (${cause.message === '' ? cause.name : cause.message})`,
    hint: denied
      ? 'the socket is for root and its group: run this as root'
      : 'start one with `shoal up`, or say where it is with --socket, --host or SHOAL_HOST',
    cause,
  })
}

function errorBody(text: string, status: number): ErrorBody {
  const value = text.startsWith('{') ? parsed(text) : undefined
  if (typeof value === 'object' && value !== null && 'code' in value && 'message' in value && 'hint' in value) {
    return { code: String(value.code), message: String(value.message), hint: String(value.hint) }
  }
  return { code: 'API_ANSWER_INVALID', message: `the answer was ${status} without a reason`, hint: 'is that a Shoal daemon?' }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ApiError('API_ANSWER_INVALID', { what: 'the answer is no JSON', hint: 'is that a Shoal daemon?', cause: error })
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let have = 0
  for await (const part of chunksOf(response)) {
    have += part.length
    if (have > ANSWER_BYTES_MAX) {
      throw new ApiError('API_ANSWER_INVALID', {
        what: `the answer is over ${ANSWER_BYTES_MAX} bytes`,
        hint: 'is that a Shoal daemon?',
      })
    }
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

async function* chunksOf(response: IncomingMessage): AsyncGenerator<Buffer, void, void> {
  for await (const chunk of response) yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk))
}

async function* eventData(response: IncomingMessage): AsyncGenerator<string, void, void> {
  let rest = ''
  response.setEncoding('utf8')
  for await (const chunk of response) {
    rest += String(chunk)
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    if (rest.length > LINE_BYTES_MAX)
      throw new ApiError('API_ANSWER_INVALID', { what: 'an event is too long', hint: 'is that a Shoal daemon?' })
    for (const block of blocks) {
      const data = block.split('\n').find(line => line.startsWith('data: '))
      if (data !== undefined) yield data.slice('data: '.length)
    }
  }
}
