// What the daemon asks of a container engine, in Shoal's words: the port between services, moves and load sampling on one side and Docker on
// the other. Implemented by docker-engine.ts (real) and test/sim/engine.ts (simulated); both pass test/contracts/engine.contract.ts.
// Every failure is an EngineError (errors.ts) with a hint; every wait takes a signal.

import type { Millis, RestartPolicy, ServiceId } from '../placement/view.ts'

/** What the engine is. `apiVersion` is the one agreed on, not the newest either side knows. */
export interface EngineInfo {
  readonly version: string
  readonly apiVersion: string
  /** As Node.js names it: `x64`, `arm64` … */
  readonly arch: string
  readonly kernel: string
  /** Names of the OCI runtimes registered in the engine. */
  readonly runtimes: readonly string[]
  readonly defaultRuntime: string
  readonly cgroupVersion: '1' | '2'
  readonly storageDriver: string
  /** Directory the engine keeps its data in. */
  readonly rootDir: string
  readonly securityOptions: readonly string[]
}

/** An image by its content: ids differ between stores, diff ids do not. */
export interface ImageFacts {
  readonly id: string
  /** `os/arch`, e.g. `linux/amd64`. */
  readonly platform: string
  /** RootFS.Layers: diff ids, lowest first. */
  readonly layers: readonly string[]
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly env: readonly string[]
  readonly user: string
}

/** Limits of a container, enforced by its cgroup. `null`: not limited. Swap is never given: memory and swap together are `ramBytes`. */
export interface Limits {
  readonly cores: number | null
  readonly ramBytes: number | null
}

/** What Shoal marks its containers with; read back from the engine's labels. A label cannot change after create. */
export interface Marks {
  readonly service: ServiceId
  /** The epoch this copy was created for. */
  readonly epoch: number
  readonly mesh: string
  /** The move that made this copy, if one did. */
  readonly move?: string
}

/** Everything needed to create one container. Restart policy in the engine is always `no`. See container-plan.ts for the one of a service. */
export interface ContainerPlan {
  readonly name: string
  readonly image: string
  /** Replaces the image's command; empty keeps it. */
  readonly args: readonly string[]
  readonly env: readonly string[]
  readonly tty: boolean
  readonly marks: Marks
  readonly limits: Limits
  /** Kept over a move; absent: the engine's default. */
  readonly hostname?: string
  /** A registered runtime's name; absent: the engine's default. */
  readonly runtime?: string
}

export type ContainerState = 'created' | 'running' | 'paused' | 'exited'

/** One line of the list of all containers, foreign ones included. */
export interface ContainerSummary {
  readonly id: string
  readonly name: string
  readonly image: string
  readonly state: ContainerState
  /** Undefined: not one of Shoal's. */
  readonly marks: Marks | undefined
}

/** All of one container that Shoal reads. Satisfies migrate's ContainerFacts. */
export interface ContainerDetail extends ContainerSummary {
  /** The engine's process id of it, 0 when it does not run. With a holder it is the holder's. */
  readonly pid: number
  /** Null while it runs, was never started, or the engine did not say. */
  readonly exitCode: number | null
  readonly oomKilled: boolean
  /** The engine's last error for it, empty when none. */
  readonly error: string
  /** Wall time in ms, null when never started. */
  readonly startedAt: Millis | null
  readonly hostname: string
  readonly tty: boolean
  readonly limits: Limits
  readonly runtime: string
  /** The engine's own policy; `no` for every container of ours. */
  readonly restart: RestartPolicy
  readonly privileged: boolean
  readonly pidMode: string
  readonly ipcMode: string
  readonly networkMode: string
  readonly devices: readonly string[]
  readonly mounts: readonly { readonly kind: 'bind' | 'volume' | 'tmpfs'; readonly source: string; readonly target: string }[]
  /** Upper directory as the graph driver tells it, or null (containerd's store does not tell). */
  readonly upperDir: string | null
}

/** A running container's use so far. `cpuNs` only grows within one life of it. */
export interface ContainerUse {
  readonly cpuNs: number
  /** Working set: usage without inactive file cache. */
  readonly ramBytes: number
}

export interface LogOptions {
  readonly follow: boolean
  /** Lines from the end to begin with; absent: all. */
  readonly tail?: number
  /** Wall time in ms: only what was written since. */
  readonly sinceMs?: Millis
  /** Put the engine's RFC 3339 time before each line. */
  readonly timestamps?: boolean
}

export interface LogChunk {
  readonly stream: 'stdout' | 'stderr'
  readonly bytes: Uint8Array
}

/** `gap`: events may have been missed (the stream broke and is back): look at all containers again. */
export type EngineEvent =
  | { readonly kind: 'gap'; readonly at: Millis }
  | {
      readonly kind: 'create' | 'start' | 'die' | 'oom' | 'pause' | 'unpause' | 'destroy'
      /** Wall time in ms by the engine. */
      readonly at: Millis
      readonly containerId: string
      readonly marks: Marks | undefined
      /** Of `die`. */
      readonly exitCode: number | null
    }

/**
 * The engine. `start`, `stop`, `kill`, `pause`, `unpause`, `remove` are idempotent: asking for what already is, is no error; only `start`, `pause`,
 * `unpause` and `setLimits` of a container that does not exist throw NO_SUCH_CONTAINER.
 */
export interface Engine {
  /** Also proves that the engine answers. Throws ENGINE_UNREACHABLE or ENGINE_TOO_OLD. */
  info(signal: AbortSignal): Promise<EngineInfo>

  /** Undefined when this node has no image of that name; nothing is ever pulled. */
  image(reference: string, signal: AbortSignal): Promise<ImageFacts | undefined>
  /** Diff ids of all layers of all images here. */
  knownLayers(signal: AbortSignal): Promise<ReadonlySet<string>>
  /** `docker save`, with back-pressure. Throws NO_SUCH_IMAGE. */
  saveImage(reference: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** `docker load`. Throws IMAGE_LOAD_FAILED also when the engine answers 200 with an error in its text. Returns the engine's text. */
  loadImage(tar: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string>
  removeImage(reference: string, signal: AbortSignal): Promise<void>

  /** All containers, running or not, foreign ones too. */
  list(signal: AbortSignal): Promise<readonly ContainerSummary[]>
  /** Undefined when there is no such container. Waits while the engine holds its lock (a start under way). */
  inspect(containerId: string, signal: AbortSignal): Promise<ContainerDetail | undefined>
  /** Creates without starting; answers the full id. Throws NO_SUCH_IMAGE, NAME_TAKEN, RUNTIME_MISSING, ENGINE_REFUSED. */
  create(plan: ContainerPlan, signal: AbortSignal): Promise<string>
  /** Resolves when the engine has answered the start: with the shim, when the restore is done. Throws START_FAILED. */
  start(containerId: string, signal: AbortSignal): Promise<void>
  /** SIGTERM, then SIGKILL after `graceMs` (whole seconds, rounded up). Never on a paused copy under a move: use `kill`. */
  stop(containerId: string, graceMs: Millis, signal: AbortSignal): Promise<void>
  /** SIGKILL; works on a paused container. */
  kill(containerId: string, signal: AbortSignal): Promise<void>
  pause(containerId: string, signal: AbortSignal): Promise<void>
  unpause(containerId: string, signal: AbortSignal): Promise<void>
  /** `rm -f`, anonymous volumes too. Returns when it is gone. */
  remove(containerId: string, signal: AbortSignal): Promise<void>
  /** Changes the limits of a container in place, running or not. `null` lifts one. Throws LIMITS_REFUSED. */
  setLimits(containerId: string, limits: Limits, signal: AbortSignal): Promise<void>
  /** Undefined when it does not run. */
  use(containerId: string, signal: AbortSignal): Promise<ContainerUse | undefined>
  /** Ends at the container's end (follow) or at the end of what there is; leaving the loop or aborting closes the engine's stream. */
  logs(containerId: string, options: LogOptions, signal: AbortSignal): AsyncIterable<LogChunk>
  /** Never ends by itself: reconnects, and says `gap` when it did. Leaving the loop or aborting ends it. */
  events(signal: AbortSignal): AsyncIterable<EngineEvent>
}
