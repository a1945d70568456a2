// The HTTP API: one builder, two listeners (TCP on loopback, the unix socket of the CLI). Validates by the schemas, guards TCP, turns every error
// into {code, message, hint}. Called by compose.ts (`openApi`) and, without a socket, by tests (`buildApi(…).inject`).

import { chmod, lstat, mkdir, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyError } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import Value from 'typebox/value'
import { nearest } from '../nearest.ts'
import { ApiError } from './api-errors.ts'
import { BODY_BYTES_MAX, CONNECTIONS_MAX, REQUEST_RECEIVE_MS } from './bounds.ts'
import { errorReply } from './error-reply.ts'
import { admitRequest, type Guard } from './guard.ts'
import type { NodeActions } from './node-actions.ts'
import { eventRoutes } from './routes/events.ts'
import { membershipRoutes } from './routes/membership.ts'
import { moveRoutes } from './routes/moves.ts'
import { nodeRoutes } from './routes/nodes.ts'
import { serviceRoutes } from './routes/services.ts'
import { settingRoutes } from './routes/settings.ts'

export interface ApiParts {
  readonly actions: NodeActions
  /** Undefined on the unix socket. */
  readonly guard: Guard | undefined
  /** Errors that are ours, with their cause. */
  readonly onInternalError: (error: unknown, where: string) => void
}

/** A fastify instance with the schemas' types. */
export type Api = ReturnType<typeof bareApi>

function bareApi() {
  return fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_RECEIVE_MS,
    forceCloseConnections: true,
    // A long image name in a path is 255 characters, escaped.
    routerOptions: { maxParamLength: 1024 },
  }).withTypeProvider<TypeBoxTypeProvider>()
}

/** The whole API, not listening yet. */
export function buildApi({ actions, guard, onInternalError }: ApiParts): Api {
  const api = bareApi()
  // Text and forms are what a page of another site can send without asking: only JSON is read.
  api.removeContentTypeParser('text/plain')
  api.setValidatorCompiler<TSchema>(({ schema, httpPart }) => {
    const checker = Compile(schema)
    return (given: unknown) => {
      // What stands in the path and the query is text: numbers and booleans are read from it. A body says its own types.
      const value = httpPart === 'body' ? (given ?? {}) : Value.Convert(schema, given)
      return checker.Check(value) ? { value } : { error: invalid(httpPart ?? 'request', schema, checker.Errors(value)) }
    }
  })
  api.addHook('onRequest', async request => {
    const { host, origin, authorization } = request.headers
    const fetchSite = request.headers['sec-fetch-site']
    if (guard !== undefined) {
      admitRequest(guard, { host, origin, authorization, fetchSite: typeof fetchSite === 'string' ? fetchSite : undefined })
    }
  })
  api.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
  })
  api.setErrorHandler<Error>((error, request, reply) => {
    const known = ofFastify(error)
    const { status, body } = errorReply(known)
    if (status === 500 && body.code === 'INTERNAL') onInternalError(error, `${request.method} ${request.url}`)
    return reply.code(status).type('application/json').send(body)
  })
  api.setNotFoundHandler((request, reply) => {
    const { status, body } = errorReply(
      new ApiError('API_NO_SUCH_ROUTE', {
        what: `${request.method} ${request.url} is nothing here`,
        hint: 'docs/api.md lists the routes',
      }),
    )
    return reply.code(status).send(body)
  })
  for (const routes of [nodeRoutes, serviceRoutes, moveRoutes, settingRoutes, membershipRoutes, eventRoutes]) routes(api, actions)
  return api
}

type Complaint = ReturnType<ReturnType<typeof Compile>['Errors']>[number]

/** The keys an object of the schema may have at a JSON pointer. */
function keysAt(schema: TSchema, pointer: string): readonly string[] {
  const inner = (of: object, key: string): object => Object(Object.getOwnPropertyDescriptor(of, key)?.value)
  const at = pointer
    .split('/')
    .slice(1)
    .reduce<object>((found, key) => inner(inner(found, 'properties'), key), schema)
  return Object.keys(inner(at, 'properties'))
}

function invalid(part: string, schema: TSchema, errors: readonly Complaint[]): ApiError {
  for (const error of errors) {
    if (error.keyword !== 'additionalProperties') continue
    const key = String(error.params.additionalProperties[0]).slice(0, 64)
    const within = error.instancePath.slice(1).replaceAll('/', '.')
    const known = keysAt(schema, error.instancePath)
    const meant = nearest(key, known)
    return new ApiError('API_REQUEST_INVALID', {
      what: `the ${part}${within === '' ? '' : `'s ${within}`} has the unknown key "${key}"`,
      hint: meant === undefined ? `it may have ${known.join(', ') || 'no key'}` : `did you mean ${meant}?`,
    })
  }
  // The checker names the closed object too; the leaf's own line says more.
  const first = errors.find(({ instancePath }) => instancePath !== '') ?? errors[0]
  const where = (first?.instancePath ?? '').slice(1).replaceAll('/', '.')
  return new ApiError('API_REQUEST_INVALID', {
    what: `the ${part}${where === '' ? '' : `'s ${where}`} ${first?.message ?? 'is not valid'}`,
    hint: 'docs/api.md shows what the route takes',
  })
}

/** Fastify's own refusals in our words; anything else as it is. */
function ofFastify(error: FastifyError | Error): unknown {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new ApiError('API_BODY_TOO_LARGE', {
      what: `the body is larger than ${BODY_BYTES_MAX} bytes`,
      hint: 'send less',
      cause: error,
    })
  }
  if (error instanceof SyntaxError || code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return new ApiError('API_REQUEST_INVALID', {
      what: `the body is no JSON: ${error.message}`,
      hint: 'send one JSON value; mind quotes and commas',
      cause: error,
    })
  }
  if (code === 'FST_ERR_BAD_URL') {
    return new ApiError('API_REQUEST_INVALID', { what: error.message, hint: 'escape the path with %XX', cause: error })
  }
  if (code.startsWith('FST_ERR_CTP')) {
    return new ApiError('API_REQUEST_INVALID', {
      what: error.message,
      hint: 'send JSON with content-type application/json',
      cause: error,
    })
  }
  return error
}

export interface ApiAddress {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Path of the unix socket; undefined: none. */
  readonly socket: string | undefined
}

export interface OpenApi {
  /** Where TCP is listened on, with the port taken. */
  readonly url: string
  close(): Promise<void>
}

/**
 * Listens on both. The socket is for its owner and group (0660).
 * @throws ApiError API_PORT_TAKEN, API_SOCKET_TAKEN
 */
export async function openApi(parts: Omit<ApiParts, 'guard'>, guard: Guard, address: ApiAddress): Promise<OpenApi> {
  const tcp = buildApi({ ...parts, guard })
  const local = buildApi({ ...parts, guard: undefined })
  tcp.server.maxConnections = CONNECTIONS_MAX
  local.server.maxConnections = CONNECTIONS_MAX
  const close = async (): Promise<void> => {
    await Promise.all([tcp.close(), local.close()])
  }
  try {
    const { host, port, socket } = address
    const url = await tcp.listen({ host, port }).catch((error: unknown) => {
      throw taken('API_PORT_TAKEN', `${host}:${port}`, 'set another `api` address, or stop what listens there', error)
    })
    if (socket !== undefined) await listenOnSocket(local, socket)
    return { url, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function listenOnSocket(local: Api, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  const there = await lstat(path).catch(() => undefined) // nothing there: the usual case
  if (there?.isSocket() === true) {
    if (await answers(path))
      throw taken('API_SOCKET_TAKEN', path, 'stop that daemon, or give this one its own --data-dir', undefined)
    await unlink(path) // left behind by a daemon that fell
  }
  await local.listen({ path }).catch((error: unknown) => {
    throw taken('API_SOCKET_TAKEN', path, 'remove what stands there, or set another `socket`', error)
  })
  await chmod(path, 0o660)
}

function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const probe = connect(path)
  probe.once('connect', () => resolve(true))
  probe.once('error', () => resolve(false))
  return promise.finally(() => probe.destroy())
}

const taken = (code: 'API_PORT_TAKEN' | 'API_SOCKET_TAKEN', where: string, hint: string, cause: unknown): ApiError =>
  new ApiError(code, { what: `${where} cannot be listened on`, hint, cause })
