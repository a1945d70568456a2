// What happens to containers while we do not look? The engine's event stream as values, opened again whenever it breaks. Used by docker-engine.ts.

import { Value } from 'typebox/value'
import type { Clock } from '../placement/clock.ts'
import { EventLine, marksOf } from './docker-replies.ts'
import { type DockerHttp, failure } from './docker-http.ts'
import { jsonLines } from './docker-streams.ts'
import type { EngineEvent } from './engine.ts'
import { EngineError } from './errors.ts'
import { EVENTS_RETRY_MS } from './limits.ts'

type Kind = Exclude<EngineEvent['kind'], 'gap'>
const KINDS: ReadonlySet<string> = new Set<Kind>(['create', 'start', 'die', 'oom', 'pause', 'unpause', 'destroy'])

/** Ends when `signal` fires. Says `gap` each time the stream is open (again): whoever hears it looks at all containers. */
export async function* dockerEvents(http: DockerHttp, clock: Clock, signal: AbortSignal): AsyncGenerator<EngineEvent> {
  let pauseMs: number = EVENTS_RETRY_MS.first
  while (!signal.aborted) {
    try {
      for await (const event of oneStream(http, clock, signal)) {
        pauseMs = EVENTS_RETRY_MS.first
        yield event
      }
    } catch (error) {
      // A broken stream is not the end: the next `gap` tells that something may have been missed. A bug is no broken stream.
      if (!signal.aborted && !isBroken(error)) throw error
    }
    await pause(clock, pauseMs, signal)
    pauseMs = Math.min(pauseMs * 2, EVENTS_RETRY_MS.last)
  }
}

async function* oneStream(http: DockerHttp, clock: Clock, signal: AbortSignal): AsyncGenerator<EngineEvent> {
  const request = { method: 'GET', path: '/events', query: { filters: '{"type":["container"]}' }, signal } as const
  const answer = await http.stream(request)
  if (!answer.ok) throw failure(request, answer)
  yield { kind: 'gap', at: clock.wallNow() }
  for await (const line of jsonLines(answer.value)) {
    if (!Value.Check(EventLine, line)) {
      yield { kind: 'gap', at: clock.wallNow() }
      continue
    }
    const { Action, Actor, timeNano } = line
    if (!isKind(Action)) continue
    const exitCode = Action === 'die' ? Number.parseInt(Actor.Attributes?.['exitCode'] ?? '', 10) : Number.NaN
    yield {
      kind: Action,
      at: timeNano / 1e6,
      containerId: Actor.ID,
      marks: marksOf(Actor.Attributes),
      exitCode: Number.isNaN(exitCode) ? null : exitCode,
    }
  }
}

function isKind(action: string): action is Kind {
  return KINDS.has(action)
}

/** Errors of the connection, as opposed to errors of ours. */
function isBroken(error: unknown): boolean {
  return error instanceof EngineError || (error instanceof Error && 'code' in error)
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    const done = (): void => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    signal.addEventListener('abort', done)
  })
}
