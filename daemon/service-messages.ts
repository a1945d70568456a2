// What nodes ask each other about services: one request per verb (`service/run` …) on the standing request stream, and a stream of log lines.
// Schema first; spoken by remote-services.ts and remote-logs.ts on both sides. See docs/protocols/service.md for the table.

import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ServiceRecord } from '../placement/view.ts'
import { ServiceDetail, LogLine, RunBody } from './api/schema/service.ts'
import { STOP_GRACE_MAX_S } from './service-bounds.ts'
import { ServiceError } from './service-errors.ts'

const Id = Type.String({ minLength: 1, maxLength: 256 })
const version = { v: Type.Literal(1) } as const

/** The spec with its name: whoever was asked first draws one where none was given. */
const RunRequest = Type.Object({
  ...version,
  spec: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 63, pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]*$' }),
    type: Type.Union([Type.Literal('stateful'), Type.Literal('stateless')]),
    image: RunBody.properties.image,
    args: Type.Array(Type.String(), { maxItems: 256 }),
    env: Type.Array(Type.String(), { maxItems: 256 }),
    restart: ServiceDetail.properties.restart,
    tty: Type.Boolean(),
    profile: Type.Optional(
      Type.Object({ cpu: Type.Optional(Type.String()), ram: Type.Optional(Type.String()), gpu: Type.Optional(Type.String()) }),
    ),
  }),
})
const StopRequest = Type.Object({
  ...version,
  id: Id,
  timeoutS: Type.Optional(Type.Integer({ minimum: 0, maximum: STOP_GRACE_MAX_S })),
})
const StartRequest = Type.Object({ ...version, id: Id })
const RemoveRequest = Type.Object({ ...version, id: Id, force: Type.Boolean() })

/** The answer to all of them: where the record stands now. `deleted` after a removal. */
const RecordAnswer = Type.Object({
  v: Type.Literal(1),
  record: Type.Object({
    id: Id,
    spec: RunRequest.properties.spec,
    owner: Id,
    epoch: Type.Integer({ minimum: 0 }),
    counter: Type.Integer({ minimum: 0 }),
    state: ServiceDetail.properties.state,
    reason: Type.String(),
    deleted: Type.Boolean(),
  }),
})

/** First line of a log stream, sent by who asks. */
const LogRequest = Type.Object({
  ...version,
  id: Id,
  follow: Type.Boolean(),
  tail: Type.Optional(Type.Integer({ minimum: 0 })),
  sinceMs: Type.Optional(Type.Integer({ minimum: 0 })),
})

/** First line of the answer; lines of {@link LogLine} follow when `ok`. */
const LogOpening = Type.Union([
  Type.Object({ ok: Type.Literal(true) }),
  Type.Object({ ok: Type.Literal(false), code: Type.String(), what: Type.String(), hint: Type.String() }),
])

export type RunRequest = Static<typeof RunRequest>
export type StopRequest = Static<typeof StopRequest>
export type StartRequest = Static<typeof StartRequest>
export type RemoveRequest = Static<typeof RemoveRequest>
export type LogRequest = Static<typeof LogRequest>
export type LogOpening = Static<typeof LogOpening>

/** Protocol of a log stream. */
export const LOGS_PROTOCOL = '/shoal/logs/1'

const checks = {
  run: Compile(RunRequest),
  stop: Compile(StopRequest),
  start: Compile(StartRequest),
  remove: Compile(RemoveRequest),
  record: Compile(RecordAnswer),
  logRequest: Compile(LogRequest),
  logOpening: Compile(LogOpening),
  logLine: Compile(LogLine),
} as const

interface Checker<T> {
  Check(value: unknown): value is T
  Errors(value: unknown): readonly { readonly instancePath: string; readonly message: string }[]
}

/** The value as its schema says. @throws ServiceError NODE_ANSWER_INVALID naming the field */
function checked<T>(checker: Checker<T>, value: unknown, says: string): T {
  if (checker.Check(value)) return value
  const [first] = checker.Errors(value)
  const where = first === undefined ? '' : ` (${first.instancePath === '' ? 'the whole' : first.instancePath} ${first.message})`
  throw new ServiceError('NODE_ANSWER_INVALID', {
    what: `${says} is not in the form this version knows${where}`,
    hint: 'run the same release of Shoal on all nodes',
  })
}

export const readRun = (payload: unknown): RunRequest => checked(checks.run, payload, 'a request to run a service')
export const readStop = (payload: unknown): StopRequest => checked(checks.stop, payload, 'a request to stop a service')
export const readStart = (payload: unknown): StartRequest => checked(checks.start, payload, 'a request to start a service')
export const readRemove = (payload: unknown): RemoveRequest => checked(checks.remove, payload, 'a request to remove a service')
export const readLogRequest = (payload: unknown): LogRequest => checked(checks.logRequest, payload, 'a request for logs')
export const readLogOpening = (payload: unknown): LogOpening =>
  checked(checks.logOpening, payload, 'the answer to a request for logs')
export const readLogLine = (payload: unknown): LogLine => checked(checks.logLine, payload, 'a line of logs')

/** The record an owner answered with. */
export function readRecord(payload: unknown): ServiceRecord {
  const { spec, ...record } = checked(checks.record, payload, 'the answer about a service').record
  const { profile, ...plain } = spec
  return { ...record, spec: profile === undefined ? plain : { ...plain, profile } }
}

export const recordAnswer = (record: ServiceRecord): unknown => ({ v: 1, record })
