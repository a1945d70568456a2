// What did a service of this node print? Cuts what the engine keeps into lines with their time, follows it over restarts, and ends when the
// service stops, is removed or has moved away. Read by remote-logs.ts, for callers on this node and on others.

import type { Clock } from '../placement/clock.ts'
import type { ServiceId, ServiceRecord } from '../placement/view.ts'
import type { LogLine } from './api/schema/service.ts'
import type { Engine, LogChunk } from './engine.ts'
import { LOG_LINE_BYTES_MAX, LOG_REOPEN_MS } from './service-bounds.ts'

export interface LogSource {
  readonly engine: Pick<Engine, 'logs'>
  readonly clock: Clock
  readonly containerOf: (id: ServiceId) => string | undefined
  /** The record while this node owns the service. */
  readonly recordOf: (id: ServiceId) => ServiceRecord | undefined
}

export interface LogWish {
  readonly id: ServiceId
  readonly follow: boolean
  readonly tail?: number
  readonly sinceMs?: number
}

/** A line with the engine's own time in full, by which a line already shown is known. */
interface StampedLine {
  readonly stream: LogLine['stream']
  readonly stamp: string
  readonly line: string
}

const NEWLINE = 10

/** Whole lines of both streams, in the order they came; a line over {@link LOG_LINE_BYTES_MAX} comes in pieces. */
export async function* linesOf(
  chunks: AsyncIterable<LogChunk>,
): AsyncGenerator<{ stream: LogLine['stream']; text: string }, void, void> {
  const open = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  for await (const { stream, bytes } of chunks) {
    let rest = open[stream].length === 0 ? Buffer.from(bytes) : Buffer.concat([open[stream], bytes])
    for (let cut = rest.indexOf(NEWLINE); cut !== -1; cut = rest.indexOf(NEWLINE)) {
      yield { stream, text: rest.subarray(0, cut).toString('utf8') }
      rest = rest.subarray(cut + 1)
    }
    while (rest.length > LOG_LINE_BYTES_MAX) {
      yield { stream, text: rest.subarray(0, LOG_LINE_BYTES_MAX).toString('utf8') }
      rest = rest.subarray(LOG_LINE_BYTES_MAX)
    }
    open[stream] = rest
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    if (open[stream].length > 0) yield { stream, text: open[stream].toString('utf8') }
  }
}

/** `2026-01-02T03:04:05.678901234Z text` → its parts; a piece of a long line has no time and keeps that of the line before. */
export function splitStamp(text: string, before: string): { readonly stamp: string; readonly line: string } {
  const cut = text.indexOf(' ')
  const stamp = cut === -1 ? text : text.slice(0, cut)
  if (!/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(stamp)) return { stamp: before, line: text }
  return { stamp, line: cut === -1 ? '' : text.slice(cut + 1).replace(/\r$/, '') }
}

const msOf = (stamp: string): number => (stamp === '' ? 0 : Date.parse(stamp))

async function* stamped(
  source: LogSource,
  containerId: string,
  wish: LogWish,
  signal: AbortSignal,
): AsyncGenerator<StampedLine, void, void> {
  const { follow, tail, sinceMs } = wish
  const options = {
    follow,
    timestamps: true,
    ...(tail === undefined ? {} : { tail }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  }
  let before = ''
  for await (const { stream, text } of linesOf(source.engine.logs(containerId, options, signal))) {
    const { stamp, line } = splitStamp(text, before)
    before = stamp
    yield { stream, stamp, line }
  }
}

/** Lines of a service of this node. With `follow` it goes on over restarts and ends when the service should not run here any more. */
export async function* serviceLines(
  source: LogSource,
  wish: LogWish,
  node: string,
  signal: AbortSignal,
): AsyncGenerator<LogLine, void, void> {
  let asked = wish
  let shown = ''
  for (;;) {
    const containerId = source.containerOf(wish.id)
    if (containerId === undefined) return
    // After a reopening the engine gives the last millisecond again.
    const seen = asked === wish ? '' : shown
    for await (const { stream, stamp, line } of stamped(source, containerId, asked, signal)) {
      if (stamp <= seen && seen !== '') continue
      if (stamp > shown) shown = stamp
      yield { atMs: msOf(stamp), stream, line, node }
    }
    if (!wish.follow || signal.aborted || !goesOn(source.recordOf(wish.id))) return
    await pause(source.clock, LOG_REOPEN_MS, signal)
    if (signal.aborted || !goesOn(source.recordOf(wish.id))) return
    asked = { id: wish.id, follow: true, ...(shown === '' ? {} : { sinceMs: msOf(shown) }) }
  }
}

const goesOn = (record: ServiceRecord | undefined): boolean =>
  record !== undefined &&
  !record.deleted &&
  (record.state === 'running' || record.state === 'starting' || record.state === 'moving')

/** Resolves after `ms`, or at once when the signal fires. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}
