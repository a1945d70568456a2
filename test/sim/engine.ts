// A container engine that exists in memory only, for tests of services, moves and the control loop. It passes test/contracts/engine.contract.ts,
// so what holds against it holds against Docker as far as that contract goes. Containers do what they are told and nothing else; a test ends
// them with `exit`, lets them print with `print`, and makes a call fail with `failNext`.

import type {
  ContainerDetail,
  ContainerPlan,
  ContainerState,
  ContainerSummary,
  ContainerUse,
  Engine,
  EngineEvent,
  EngineInfo,
  ImageFacts,
  Limits,
  LogChunk,
  LogOptions,
} from '../../daemon/engine.ts'
import { EngineError, type EngineErrorCode } from '../../daemon/errors.ts'

export interface SimImage {
  readonly reference: string
  readonly layers: readonly string[]
  /** RAM and CPU a started container of it uses. */
  readonly ramBytes?: number
  readonly cores?: number
}

interface SimContainer {
  readonly id: string
  readonly plan: ContainerPlan
  readonly image: SimImage
  state: ContainerState
  exitCode: number | null
  startedAt: number | null
  limits: Limits
  cpuNs: number
  log: string[]
}

export interface SimEngineOptions {
  readonly images: readonly SimImage[]
  readonly runtimes?: readonly string[]
  /** Wall time in ms for events; stands still if absent. */
  readonly wallNow?: () => number
}

type Operation =
  | 'create'
  | 'start'
  | 'stop'
  | 'kill'
  | 'pause'
  | 'unpause'
  | 'remove'
  | 'setLimits'
  | 'loadImage'
  | 'inspect'
  | 'list'

/** The simulated engine, and the strings a test pulls. */
export class SimEngine implements Engine {
  readonly #images = new Map<string, SimImage>()
  readonly #containers = new Map<string, SimContainer>()
  readonly #runtimes: readonly string[]
  readonly #wallNow: () => number
  readonly #failures = new Map<Operation, Error>()
  /** Wakes whoever waits for a log line, an end or an event. */
  #wake = Promise.withResolvers<undefined>()
  #events: EngineEvent[] = []
  #count = 0

  constructor({ images, runtimes = ['runc', 'shoal'], wallNow = () => 0 }: SimEngineOptions) {
    for (const image of images) this.#images.set(image.reference, image)
    this.#runtimes = runtimes
    this.#wallNow = wallNow
  }

  // What a test may do.

  /** The program ends by itself. */
  exit(id: string, exitCode: number): void {
    this.#end(this.#known(id), exitCode)
  }

  /** The kernel takes it for want of memory. */
  oom(id: string): void {
    this.#tell(this.#known(id), 'oom')
    this.exit(id, 137)
  }

  print(id: string, text: string): void {
    this.#known(id).log.push(text)
    this.#notify()
  }

  /** The container has used so much CPU time more. */
  burn(id: string, cpuNs: number): void {
    this.#known(id).cpuNs += cpuNs
  }

  /** The next call of that kind throws. */
  failNext(operation: Operation, error: Error): void {
    this.#failures.set(operation, error)
  }

  /** The event stream breaks and is back. */
  breakEvents(): void {
    this.#events.push({ kind: 'gap', at: this.#wallNow() })
    this.#notify()
  }

  // The port.

  async info(signal: AbortSignal): Promise<EngineInfo> {
    signal.throwIfAborted()
    return {
      version: '28.5.2',
      apiVersion: '1.51',
      arch: 'x64',
      kernel: '6.18.0',
      runtimes: this.#runtimes,
      defaultRuntime: 'runc',
      cgroupVersion: '1',
      storageDriver: 'overlay2',
      rootDir: '/var/lib/docker',
      securityOptions: ['name=seccomp,profile=builtin'],
    }
  }

  async image(reference: string, signal: AbortSignal): Promise<ImageFacts | undefined> {
    signal.throwIfAborted()
    const image = this.#images.get(reference)
    return (
      image && {
        id: `sha256:${reference}`,
        platform: 'linux/amd64',
        layers: image.layers,
        entrypoint: [],
        cmd: ['run'],
        env: [],
        user: '',
      }
    )
  }

  async knownLayers(signal: AbortSignal): Promise<ReadonlySet<string>> {
    signal.throwIfAborted()
    return new Set([...this.#images.values()].flatMap(({ layers }) => layers))
  }

  async *saveImage(reference: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted()
    const image = this.#images.get(reference)
    if (image === undefined) throw refused('NO_SUCH_IMAGE', `no image ${reference}`)
    yield Buffer.from(JSON.stringify(image))
  }

  async loadImage(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string> {
    this.#may('loadImage', signal)
    const pieces: Uint8Array[] = []
    for await (const piece of tar) pieces.push(piece)
    try {
      const image: unknown = JSON.parse(Buffer.concat(pieces).toString())
      if (!isImage(image)) throw new Error('no manifest')
      this.#images.set(image.reference, image)
      return `Loaded image: ${image.reference}`
    } catch (cause) {
      throw new EngineError('IMAGE_LOAD_FAILED', { what: 'invalid tar header', hint: 'send an image', cause })
    }
  }

  async removeImage(reference: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.#images.delete(reference)
  }

  async list(signal: AbortSignal): Promise<readonly ContainerSummary[]> {
    this.#may('list', signal)
    return [...this.#containers.values()].map(({ id, plan, state }) => ({
      id,
      name: plan.name,
      image: plan.image,
      state,
      marks: plan.marks,
    }))
  }

  async inspect(containerId: string, signal: AbortSignal): Promise<ContainerDetail | undefined> {
    this.#may('inspect', signal)
    const container = this.#containers.get(containerId)
    if (container === undefined) return undefined
    const { id, plan, state, exitCode, startedAt, limits } = container
    return {
      id,
      name: plan.name,
      image: plan.image,
      state,
      marks: plan.marks,
      pid: state === 'running' || state === 'paused' ? 4711 : 0,
      exitCode,
      oomKilled: false,
      error: '',
      startedAt,
      hostname: plan.hostname ?? id.slice(0, 12),
      tty: plan.tty,
      limits,
      runtime: plan.runtime ?? 'runc',
      restart: 'no',
      privileged: false,
      pidMode: '',
      ipcMode: 'private',
      networkMode: 'default',
      devices: [],
      mounts: [],
      upperDir: null,
    }
  }

  async create(plan: ContainerPlan, signal: AbortSignal): Promise<string> {
    this.#may('create', signal)
    const image = this.#images.get(plan.image)
    if (image === undefined) throw refused('NO_SUCH_IMAGE', `no image ${plan.image}`)
    if ([...this.#containers.values()].some(other => other.plan.name === plan.name))
      throw refused('NAME_TAKEN', `the name ${plan.name} is taken`)
    if (plan.runtime !== undefined && !this.#runtimes.includes(plan.runtime))
      throw refused('RUNTIME_MISSING', `no runtime ${plan.runtime}`)
    this.#count += 1
    const id = this.#count.toString(16).padStart(64, '0')
    const container: SimContainer = {
      id,
      plan,
      image,
      state: 'created',
      exitCode: null,
      startedAt: null,
      limits: plan.limits,
      cpuNs: 0,
      log: [],
    }
    this.#containers.set(id, container)
    this.#tell(container, 'create')
    return id
  }

  async start(containerId: string, signal: AbortSignal): Promise<void> {
    this.#may('start', signal)
    const container = this.#known(containerId)
    if (container.state === 'running') return
    if (container.state === 'paused') throw refused('START_FAILED', 'cannot start a paused container')
    container.state = 'running'
    container.exitCode = null
    container.startedAt = this.#wallNow()
    container.cpuNs = 1e6
    container.log.push(`${container.plan.marks.service} started\n`)
    this.#tell(container, 'start')
  }

  async stop(containerId: string, _graceMs: number, signal: AbortSignal): Promise<void> {
    this.#may('stop', signal)
    const container = this.#containers.get(containerId)
    if (container !== undefined) this.#end(container, 143)
  }

  async kill(containerId: string, signal: AbortSignal): Promise<void> {
    this.#may('kill', signal)
    const container = this.#containers.get(containerId)
    if (container !== undefined) this.#end(container, 137)
  }

  async pause(containerId: string, signal: AbortSignal): Promise<void> {
    this.#may('pause', signal)
    const container = this.#known(containerId)
    if (container.state === 'paused') return
    if (container.state !== 'running') throw refused('ENGINE_REFUSED', 'is not running')
    container.state = 'paused'
    this.#tell(container, 'pause')
  }

  async unpause(containerId: string, signal: AbortSignal): Promise<void> {
    this.#may('unpause', signal)
    const container = this.#known(containerId)
    if (container.state !== 'paused') return
    container.state = 'running'
    this.#tell(container, 'unpause')
  }

  async remove(containerId: string, signal: AbortSignal): Promise<void> {
    this.#may('remove', signal)
    const container = this.#containers.get(containerId)
    if (container === undefined) return
    this.#end(container, 137)
    this.#containers.delete(containerId)
    this.#tell(container, 'destroy')
  }

  async setLimits(containerId: string, limits: Limits, signal: AbortSignal): Promise<void> {
    this.#may('setLimits', signal)
    const container = this.#known(containerId)
    const used = container.state === 'running' ? (container.image.ramBytes ?? 1024 ** 2) : 0
    if (limits.ramBytes !== null && limits.ramBytes < used) throw refused('LIMITS_REFUSED', `${used} bytes are in use`)
    container.limits = limits
  }

  async use(containerId: string, signal: AbortSignal): Promise<ContainerUse | undefined> {
    signal.throwIfAborted()
    const container = this.#containers.get(containerId)
    if (container === undefined || (container.state !== 'running' && container.state !== 'paused')) return undefined
    return { cpuNs: container.cpuNs, ramBytes: container.image.ramBytes ?? 1024 ** 2 }
  }

  async *logs(containerId: string, { follow, tail }: LogOptions, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const container = this.#known(containerId)
    let at = tail === undefined ? 0 : Math.max(0, container.log.length - tail)
    while (!signal.aborted) {
      const line = container.log[at]
      if (line !== undefined) {
        at += 1
        yield { stream: 'stdout', bytes: Buffer.from(line) }
      } else if (!follow || (container.state !== 'running' && container.state !== 'paused')) return
      else await this.#woken(signal)
    }
  }

  async *events(signal: AbortSignal): AsyncGenerator<EngineEvent> {
    let at = this.#events.length
    if (!signal.aborted) yield { kind: 'gap', at: this.#wallNow() }
    while (!signal.aborted) {
      const event = this.#events[at]
      if (event === undefined) await this.#woken(signal)
      else {
        at += 1
        yield event
      }
    }
  }

  #known(id: string): SimContainer {
    const container = this.#containers.get(id)
    if (container === undefined) throw refused('NO_SUCH_CONTAINER', `no container ${id.slice(0, 12)}`)
    return container
  }

  #may(operation: Operation, signal: AbortSignal): void {
    signal.throwIfAborted()
    const failure = this.#failures.get(operation)
    if (failure === undefined) return
    this.#failures.delete(operation)
    throw failure
  }

  #end(container: SimContainer, exitCode: number): void {
    if (container.state !== 'running' && container.state !== 'paused') return
    container.state = 'exited'
    container.exitCode = exitCode
    this.#tell(container, 'die', exitCode)
  }

  #tell({ id, plan }: SimContainer, kind: Exclude<EngineEvent['kind'], 'gap'>, exitCode: number | null = null): void {
    this.#events.push({ kind, at: this.#wallNow(), containerId: id, marks: plan.marks, exitCode })
    this.#notify()
  }

  #notify(): void {
    this.#wake.resolve(undefined)
    this.#wake = Promise.withResolvers()
  }

  async #woken(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<undefined>()
    const stop = (): void => aborted.resolve(undefined)
    signal.addEventListener('abort', stop, { once: true })
    await Promise.race([this.#wake.promise, aborted.promise])
    signal.removeEventListener('abort', stop)
  }
}

function refused(code: EngineErrorCode, what: string): EngineError {
  return new EngineError(code, { what, hint: 'this is a simulation' })
}

function isImage(value: unknown): value is SimImage {
  return (
    typeof value === 'object' &&
    value !== null &&
    'reference' in value &&
    typeof value.reference === 'string' &&
    'layers' in value &&
    Array.isArray(value.layers)
  )
}
