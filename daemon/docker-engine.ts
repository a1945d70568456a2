// How does Shoal speak with Docker? The engine port over Docker's API (20.10 to 28), nothing but the one to the other. Built by compose.ts and
// doctor.ts; requests in docker-http.ts, replies in docker-replies.ts, streams in docker-streams.ts and docker-events.ts.

import { Readable } from 'node:stream'
import type { Clock } from '../placement/clock.ts'
import type { Millis } from '../placement/view.ts'
import { dockerEvents } from './docker-events.ts'
import { DockerHttp, type EngineRefusal, type EngineRequest, failure } from './docker-http.ts'
import {
  ContainerListReply,
  ContainerReply,
  CreatedReply,
  createBody,
  detailOf,
  engineInfo,
  ImageListReply,
  ImageReply,
  imageFacts,
  InfoReply,
  StatsReply,
  summaryOf,
  updateFields,
} from './docker-replies.ts'
import { demux, jsonLines, plainLog } from './docker-streams.ts'
import type {
  ContainerDetail,
  ContainerPlan,
  ContainerSummary,
  ContainerUse,
  Engine,
  EngineEvent,
  EngineInfo,
  ImageFacts,
  Limits,
  LogChunk,
  LogOptions,
} from './engine.ts'
import { EngineError, type EngineErrorCode } from './errors.ts'
import { ENGINE_REMOVE_MS, LOAD_TEXT_CHARS } from './limits.ts'

export interface DockerEngineOptions {
  readonly socketPath: string
  readonly clock: Clock
}

/** The engine behind a unix socket. Nothing is opened before the first call. */
export class DockerEngine implements Engine {
  readonly #http: DockerHttp
  readonly #clock: Clock
  /** Image id → its layers: an image never changes. Bounded by the images that are there. */
  #layers: ReadonlyMap<string, readonly string[]> = new Map()

  constructor({ socketPath, clock }: DockerEngineOptions) {
    this.#http = new DockerHttp(socketPath)
    this.#clock = clock
  }

  async info(signal: AbortSignal): Promise<EngineInfo> {
    const { version, apiVersion } = await this.#http.agree(signal)
    const request: EngineRequest = { method: 'GET', path: '/info', signal }
    const answer = await this.#http.get(request, InfoReply)
    if (!answer.ok) throw failure(request, answer)
    return engineInfo(version, apiVersion, answer.value)
  }

  async image(reference: string, signal: AbortSignal): Promise<ImageFacts | undefined> {
    const request: EngineRequest = { method: 'GET', path: `/images/${imagePath(reference)}/json`, signal }
    const answer = await this.#http.get(request, ImageReply)
    if (answer.ok) return imageFacts(answer.value)
    if (answer.status === 404) return undefined
    throw failure(request, answer)
  }

  async knownLayers(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const request: EngineRequest = { method: 'GET', path: '/images/json', signal }
    const answer = await this.#http.get(request, ImageListReply)
    if (!answer.ok) throw failure(request, answer)
    const now = new Map<string, readonly string[]>()
    for (const { Id } of answer.value) {
      const layers = this.#layers.get(Id) ?? (await this.image(Id, signal))?.layers
      if (layers !== undefined) now.set(Id, layers)
    }
    this.#layers = now
    return new Set([...now.values()].flat())
  }

  async *saveImage(reference: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const request: EngineRequest = { method: 'GET', path: `/images/${imagePath(reference)}/get`, signal }
    const answer = await this.#http.stream(request)
    // An unknown image is a 404 or, by some versions, a 500 with these words.
    if (!answer.ok)
      throw answer.status === 404 || /no such image|reference does not exist/i.test(answer.says)
        ? noSuchImage(reference)
        : failure(request, answer)
    yield* pieces(answer.value)
  }

  async loadImage(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
    const file = Readable.from(tar, { objectMode: false })
    const request: EngineRequest = { method: 'POST', path: '/images/load', query: { quiet: '1' }, file, signal, deadlineMs: null }
    try {
      const answer = await this.#http.stream(request)
      if (!answer.ok) throw failure(request, answer, 'IMAGE_LOAD_FAILED')
      return await loadText(answer.value)
    } catch (cause) {
      signal.throwIfAborted()
      if (cause instanceof EngineError && cause.code !== 'ENGINE_UNREACHABLE') throw cause
      // The tar's own source broke, or the engine closed the line in the middle.
      throw new EngineError('IMAGE_LOAD_FAILED', {
        what: `the image could not be handed to the engine: ${cause instanceof Error ? cause.message : String(cause)}`,
        hint: 'try again; look for a full disk and into the log of the engine',
        cause,
      })
    } finally {
      file.destroy()
    }
  }

  async removeImage(reference: string, signal: AbortSignal): Promise<void> {
    await this.#act({ method: 'DELETE', path: `/images/${imagePath(reference)}`, signal }, ({ status }) => status === 404)
  }

  async list(signal: AbortSignal): Promise<readonly ContainerSummary[]> {
    const request: EngineRequest = { method: 'GET', path: '/containers/json', query: { all: '1' }, signal }
    const answer = await this.#http.get(request, ContainerListReply)
    if (!answer.ok) throw failure(request, answer)
    return answer.value.map(summaryOf)
  }

  async inspect(containerId: string, signal: AbortSignal): Promise<ContainerDetail | undefined> {
    // The engine answers only when a start under way has ended: with a restore held in the shim that is as long as the move takes.
    const request: EngineRequest = { method: 'GET', path: `/containers/${containerId}/json`, signal, deadlineMs: null }
    const answer = await this.#http.get(request, ContainerReply)
    if (answer.ok) return detailOf(answer.value)
    if (answer.status === 404) return undefined
    throw failure(request, answer)
  }

  async create(plan: ContainerPlan, signal: AbortSignal): Promise<string> {
    const request: EngineRequest = {
      method: 'POST',
      path: '/containers/create',
      query: { name: plan.name },
      body: createBody(plan),
      signal,
    }
    const answer = await this.#http.get(request, CreatedReply)
    if (answer.ok) return answer.value.Id
    if (answer.status === 404 && /image/i.test(answer.says)) throw noSuchImage(plan.image)
    if (answer.status === 409) {
      throw new EngineError('NAME_TAKEN', {
        what: `the name ${plan.name} is taken: ${answer.says}`,
        hint: `remove that container: docker rm ${plan.name}`,
      })
    }
    if (/unknown( or invalid)? runtime|runtime .*not found/i.test(answer.says)) {
      throw new EngineError('RUNTIME_MISSING', {
        what: `the engine has no runtime ${plan.runtime ?? ''}: ${answer.says}`,
        hint: 'run `shoal setup` on this node, so that memory can be restored here',
      })
    }
    throw failure(request, answer)
  }

  async start(containerId: string, signal: AbortSignal): Promise<void> {
    const request: EngineRequest = { method: 'POST', path: `/containers/${containerId}/start`, signal, deadlineMs: null }
    await this.#act(request, () => false, 'START_FAILED')
  }

  async stop(containerId: string, graceMs: Millis, signal: AbortSignal): Promise<void> {
    const query = { t: String(Math.ceil(graceMs / 1000)) }
    const request: EngineRequest = {
      method: 'POST',
      path: `/containers/${containerId}/stop`,
      query,
      signal,
      deadlineMs: graceMs + ENGINE_REMOVE_MS,
    }
    await this.#act(request, ({ status }) => status === 404)
  }

  async kill(containerId: string, signal: AbortSignal): Promise<void> {
    const request: EngineRequest = { method: 'POST', path: `/containers/${containerId}/kill`, signal }
    await this.#act(request, ({ status, says }) => status === 404 || /is not running/i.test(says))
  }

  async pause(containerId: string, signal: AbortSignal): Promise<void> {
    await this.#act({ method: 'POST', path: `/containers/${containerId}/pause`, signal }, ({ says }) =>
      /already paused/i.test(says),
    )
  }

  async unpause(containerId: string, signal: AbortSignal): Promise<void> {
    await this.#act({ method: 'POST', path: `/containers/${containerId}/unpause`, signal }, ({ says }) =>
      /is not paused/i.test(says),
    )
  }

  async remove(containerId: string, signal: AbortSignal): Promise<void> {
    const query = { force: '1', v: '1' }
    const request: EngineRequest = {
      method: 'DELETE',
      path: `/containers/${containerId}`,
      query,
      signal,
      deadlineMs: ENGINE_REMOVE_MS,
    }
    await this.#act(request, ({ status, says }) => status === 404 || /already in progress/i.test(says))
    // Another removal may be under way: it is over when the engine does not know the container any more.
    const gone = AbortSignal.any([signal, AbortSignal.timeout(ENGINE_REMOVE_MS)])
    while ((await this.inspect(containerId, gone)) !== undefined) await sleep(this.#clock, 50, gone)
  }

  async setLimits(containerId: string, limits: Limits, signal: AbortSignal): Promise<void> {
    const { ramBytes } = limits
    const inUse = ramBytes === null ? undefined : await this.use(containerId, signal)
    if (ramBytes !== null && inUse !== undefined && inUse.ramBytes > ramBytes) {
      // cgroup v2 would take it, and kill inside the container.
      throw new EngineError('LIMITS_REFUSED', {
        what: `${mib(inUse.ramBytes)} of RAM are in use, the new limit would be ${mib(ramBytes)}`,
        hint: 'choose a larger profile, or restart the service under it',
      })
    }
    const body = updateFields(limits)
    await this.#act({ method: 'POST', path: `/containers/${containerId}/update`, body, signal }, () => false, 'LIMITS_REFUSED')
  }

  async use(containerId: string, signal: AbortSignal): Promise<ContainerUse | undefined> {
    const query = { stream: 'false', 'one-shot': 'true' }
    const request: EngineRequest = { method: 'GET', path: `/containers/${containerId}/stats`, query, signal }
    const answer = await this.#http.get(request, StatsReply)
    if (!answer.ok) {
      if (answer.status === 404 || answer.status === 409) return undefined
      throw failure(request, answer)
    }
    const { cpu_stats, memory_stats } = answer.value
    if (memory_stats.usage === undefined) return undefined
    const stats = memory_stats.stats ?? {}
    const idle = stats['total_inactive_file'] ?? stats['inactive_file'] ?? 0
    return { cpuNs: cpu_stats.cpu_usage.total_usage, ramBytes: Math.max(0, memory_stats.usage - idle) }
  }

  async *logs(
    containerId: string,
    { follow, tail, sinceMs, timestamps }: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<LogChunk> {
    const container = await this.inspect(containerId, signal)
    if (container === undefined) throw noSuchContainer(containerId)
    const query = {
      stdout: '1',
      stderr: '1',
      follow: follow ? '1' : '0',
      ...(tail === undefined ? {} : { tail: String(tail) }),
      ...(sinceMs === undefined ? {} : { since: (sinceMs / 1000).toFixed(3) }),
      ...(timestamps === true ? { timestamps: '1' } : {}),
    }
    const request: EngineRequest = { method: 'GET', path: `/containers/${containerId}/logs`, query, signal }
    const answer = await this.#http.stream(request)
    if (!answer.ok) throw failure(request, answer)
    try {
      yield* container.tty ? plainLog(answer.value) : demux(answer.value)
    } catch (error) {
      // The reader asked for the end; what the torn stream says of it is of no interest.
      if (!signal.aborted) throw error
    } finally {
      answer.value.destroy()
    }
  }

  events(signal: AbortSignal): AsyncIterable<EngineEvent> {
    return dockerEvents(this.#http, this.#clock, signal)
  }

  /** For calls that answer nothing. `isDone`: what the engine refuses because it is so already. */
  async #act(request: EngineRequest, isDone: (refusal: EngineRefusal) => boolean, code?: EngineErrorCode): Promise<void> {
    const answer = await this.#http.send(request)
    if (answer.ok || isDone(answer)) return
    if (answer.status === 404 && /no such container/i.test(answer.says)) throw noSuchContainer(request.path.split('/')[2] ?? '')
    throw failure(request, answer, code)
  }
}

async function* pieces(source: Readable): AsyncGenerator<Uint8Array> {
  for await (const piece of source) if (piece instanceof Uint8Array) yield piece
}

/** All the engine said; an error in it is an error, though the status was 200. */
async function loadText(source: Readable): Promise<string> {
  let text = ''
  for await (const line of jsonLines(source)) {
    const said = wordsOf(line)
    if (said.error !== undefined) text += said.error
    text = `${text}${said.stream ?? ''}`.slice(-LOAD_TEXT_CHARS)
    if (said.error !== undefined || /error unpacking image/i.test(text)) {
      throw new EngineError(/no space left on device/i.test(text) ? 'DISK_FULL' : 'IMAGE_LOAD_FAILED', {
        what: `the engine could not load the image: ${text.trim()}`,
        hint: 'look for a full disk; a layer it should have had may be missing',
      })
    }
  }
  return text.trim()
}

function wordsOf(line: unknown): { readonly stream?: string; readonly error?: string } {
  if (typeof line !== 'object' || line === null) return {}
  const stream = 'stream' in line && typeof line.stream === 'string' ? line.stream : undefined
  const error = 'error' in line && typeof line.error === 'string' ? line.error : undefined
  return { ...(stream === undefined ? {} : { stream }), ...(error === undefined ? {} : { error }) }
}

/** Image references go into the path; what is none never reaches the engine. */
function imagePath(reference: string): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.:/@-]{0,511}$/.test(reference) || reference.includes('..')) throw noSuchImage(reference)
  return reference.split('/').map(encodeURIComponent).join('/')
}

function noSuchImage(reference: string): EngineError {
  return new EngineError('NO_SUCH_IMAGE', {
    what: `this node has no image ${reference}`,
    hint: `bring it here: docker pull ${reference}, or docker load`,
  })
}

function noSuchContainer(id: string): EngineError {
  return new EngineError('NO_SUCH_CONTAINER', {
    what: `the engine knows no container ${id.slice(0, 12)}`,
    hint: '`shoal ls` shows what is there',
  })
}

function mib(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

function sleep(clock: Clock, ms: Millis, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    const stop = (): void => {
      cancel()
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}
