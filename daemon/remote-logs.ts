// The log of any service, from any node: the owner's lines over one stream, with back-pressure, followed to the next owner when the service
// moves. Both sides stand here: `serveLogs` answers other nodes, `followLogs` is what the API calls. Messages: service-messages.ts.

import type { ByteStream } from '../gossip/byte-stream.ts'
import type { Mesh } from '../gossip/mesh.ts'
import { ShoalError } from '../placement/shoal-error.ts'
import type { ServiceId, ServiceRecord } from '../placement/view.ts'
import type { LogLine, LogQuery } from './api/schema/service.ts'
import { errorWords } from './error-words.ts'
import { jsonLine, readJsonLines } from './json-lines.ts'
import { LOG_REOPEN_MS, LOG_REQUEST_MS, LOG_STREAMS_MAX, LOG_VALUE_BYTES_MAX } from './service-bounds.ts'
import { ServiceError } from './service-errors.ts'
import { pause } from './service-logs.ts'
import { type LogRequest, LOGS_PROTOCOL, readLogLine, readLogOpening, readLogRequest } from './service-messages.ts'
import type { Clock } from '../placement/clock.ts'

export interface LogParts {
  readonly mesh: Pick<Mesh, 'id' | 'services' | 'openStream' | 'onStream'>
  readonly clock: Clock
  /** Lines of a service of this node. */
  readonly ownLines: (request: Omit<LogRequest, 'v'>, signal: AbortSignal) => AsyncIterable<LogLine>
}

/** Answers the log streams of other nodes, until `signal`. */
export function serveLogs(parts: LogParts, signal: AbortSignal): void {
  const open = new Set<ByteStream>()
  parts.mesh.onStream(LOGS_PROTOCOL, async stream => {
    if (signal.aborted || open.size >= LOG_STREAMS_MAX) {
      stream.abort(new Error(`this node serves ${LOG_STREAMS_MAX} logs already`))
      return
    }
    open.add(stream)
    const gone = new AbortController()
    try {
      await serveOne(parts, stream, AbortSignal.any([signal, gone.signal]), () => gone.abort())
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    } finally {
      gone.abort()
      open.delete(stream)
    }
  })
}

async function serveOne(parts: LogParts, stream: ByteStream, signal: AbortSignal, hungUp: () => void): Promise<void> {
  const incoming = readJsonLines(stream.incoming, LOG_VALUE_BYTES_MAX)
  const cancel = parts.clock.after(LOG_REQUEST_MS, () => stream.abort(new Error('no request came')))
  const first = await incoming.next().finally(cancel)
  if (first.done === true) return stream.closeWrite()
  try {
    const { v: _, ...request } = readLogRequest(first.value)
    ownRecord(parts, request.id)
    // The asker says nothing more: whatever ends its side ends this.
    void incoming.next().then(hungUp, hungUp)
    await stream.write(jsonLine({ ok: true }), signal)
    for await (const line of parts.ownLines(request, signal)) await stream.write(jsonLine(line), signal)
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    await stream.write(jsonLine({ ok: false, code: error.code, what: error.message, hint: error.hint }), signal)
  }
  await stream.closeWrite()
}

function ownRecord(parts: LogParts, id: ServiceId): ServiceRecord {
  const record = parts.mesh.services.get(id)
  if (record === undefined || record.deleted || record.owner !== parts.mesh.id) {
    throw new ServiceError('SERVICE_NOT_HERE', { what: 'the service is not on this node', hint: 'ask its new node' })
  }
  return record
}

/**
 * Lines of a service wherever it lives; resolves when its owner has answered. With `follow` it goes on at the new owner after a move.
 * @throws ServiceError, or what the owner refused with
 */
export async function followLogs(
  parts: LogParts,
  record: ServiceRecord,
  query: LogQuery,
  signal: AbortSignal,
): Promise<AsyncIterable<LogLine>> {
  const request = { id: record.id, ...query, follow: query.follow ?? false }
  const first = await linesAt(parts, record, request, signal)
  return goOn(parts, record, request, first, signal)
}

type Wish = Omit<LogRequest, 'v'>

async function* goOn(
  parts: LogParts,
  record: ServiceRecord,
  request: Wish,
  first: AsyncIterable<LogLine>,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void, void> {
  let at = record
  let lines = first
  for (;;) {
    for await (const line of lines) yield line
    const next = request.follow ? await nextOwner(parts, at, signal) : undefined
    if (next === undefined) return
    at = next
    // The copy's own log begins with the move, and the two clocks need not agree: all of it.
    lines = await linesAt(parts, next, { id: request.id, follow: true }, signal)
  }
}

/** The record after the service has moved on; undefined when it has not within a few looks, or the caller left. */
async function nextOwner(parts: LogParts, at: ServiceRecord, signal: AbortSignal): Promise<ServiceRecord | undefined> {
  for (let look = 0; look < 10 && !signal.aborted; look += 1) {
    const record = parts.mesh.services.get(at.id)
    if (record === undefined || record.deleted) return undefined
    if (record.owner !== at.owner) return record
    if (record.state !== 'moving' && look > 2) return undefined
    await pause(parts.clock, LOG_REOPEN_MS, signal)
  }
  return undefined
}

async function linesAt(
  parts: LogParts,
  record: ServiceRecord,
  request: Wish,
  signal: AbortSignal,
): Promise<AsyncIterable<LogLine>> {
  if (record.owner === parts.mesh.id) return parts.ownLines(request, signal)
  const stream = await parts.mesh.openStream(record.owner, LOGS_PROTOCOL, signal)
  const onAbort = (): void => stream.abort(new Error('the reader left'))
  signal.addEventListener('abort', onAbort, { once: true })
  await stream.write(jsonLine({ v: 1, ...request }), signal)
  const values = readJsonLines(stream.incoming, LOG_VALUE_BYTES_MAX)
  const opening = await values.next()
  if (opening.done === true) throw broken(record, 'it ended before it began')
  const answer = readLogOpening(opening.value)
  if (!answer.ok) {
    await stream.closeWrite()
    throw new ShoalError(answer.code, { what: answer.what, hint: answer.hint })
  }
  return remoteLines(record, stream, values, signal, () => signal.removeEventListener('abort', onAbort))
}

async function* remoteLines(
  record: ServiceRecord,
  stream: ByteStream,
  values: AsyncIterable<unknown>,
  signal: AbortSignal,
  done: () => void,
): AsyncGenerator<LogLine, void, void> {
  try {
    for await (const value of values) yield readLogLine(value)
    await stream.closeWrite()
  } catch (error) {
    if (!signal.aborted) throw broken(record, errorWords(error))
  } finally {
    done()
    stream.abort(new Error('the reader left'))
  }
}

const broken = (record: ServiceRecord, why: string): ServiceError =>
  new ServiceError('LOGS_BROKEN', {
    what: `the log of ${record.spec.name} broke off: ${why}`,
    hint: 'ask again; `shoal node ls` shows whether its node is reachable',
  })
