// What of the engine's replies do we read, and into which words? Schemas name only the fields used; the engine may send more, and null for many.
// Used by docker-engine.ts and its parts. Checked against Docker 20.10 and 28.

import { type Static, Type } from 'typebox'
import type { RestartPolicy } from '../placement/view.ts'
import type {
  ContainerDetail,
  ContainerPlan,
  ContainerState,
  ContainerSummary,
  EngineInfo,
  ImageFacts,
  Limits,
  Marks,
} from './engine.ts'

const maybe = <T extends Parameters<typeof Type.Array>[0]>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const Words = maybe(Type.Array(Type.String()))
const Labels = maybe(Type.Record(Type.String(), Type.String()))

export const VersionReply = Type.Object({
  Version: Type.String(),
  ApiVersion: Type.String({ pattern: '^[0-9]+\\.[0-9]+$' }),
  Arch: Type.String(),
})

export const InfoReply = Type.Object({
  KernelVersion: Type.String(),
  Runtimes: maybe(Type.Record(Type.String(), Type.Unknown())),
  DefaultRuntime: Type.Optional(Type.String()),
  CgroupVersion: Type.Optional(Type.String()),
  Driver: Type.String(),
  DockerRootDir: Type.String(),
  SecurityOptions: Words,
})

export const ImageListReply = Type.Array(Type.Object({ Id: Type.String() }))

export const ImageReply = Type.Object({
  Id: Type.String(),
  Os: Type.String(),
  Architecture: Type.String(),
  RootFS: Type.Optional(Type.Object({ Layers: Words })),
  Config: maybe(
    Type.Object({
      Entrypoint: maybe(Type.Union([Type.Array(Type.String()), Type.String()])),
      Cmd: Words,
      Env: Words,
      User: maybe(Type.String()),
    }),
  ),
})

export const ContainerListReply = Type.Array(
  Type.Object({
    Id: Type.String(),
    Names: Words,
    Image: Type.String(),
    State: Type.String(),
    Labels,
  }),
)

export const ContainerReply = Type.Object({
  Id: Type.String(),
  Name: Type.String(),
  State: Type.Object({
    Status: Type.String(),
    Pid: Type.Number(),
    ExitCode: Type.Number(),
    OOMKilled: Type.Optional(Type.Boolean()),
    Error: Type.Optional(Type.String()),
    StartedAt: Type.Optional(Type.String()),
  }),
  Config: Type.Object({ Image: Type.String(), Hostname: Type.String(), Tty: Type.Boolean(), Labels }),
  HostConfig: Type.Object({
    NanoCpus: maybe(Type.Number()),
    CpuQuota: maybe(Type.Number()),
    CpuPeriod: maybe(Type.Number()),
    Memory: maybe(Type.Number()),
    Runtime: maybe(Type.String()),
    RestartPolicy: maybe(Type.Object({ Name: Type.String() })),
    Privileged: Type.Optional(Type.Boolean()),
    PidMode: Type.Optional(Type.String()),
    IpcMode: Type.Optional(Type.String()),
    NetworkMode: Type.Optional(Type.String()),
    Devices: maybe(Type.Array(Type.Object({ PathOnHost: Type.String() }))),
    Tmpfs: Labels,
  }),
  Mounts: maybe(
    Type.Array(
      Type.Object({
        Type: Type.String(),
        Name: Type.Optional(Type.String()),
        Source: Type.Optional(Type.String()),
        Destination: Type.String(),
      }),
    ),
  ),
  GraphDriver: maybe(Type.Object({ Data: maybe(Type.Record(Type.String(), Type.Unknown())) })),
})

export const CreatedReply = Type.Object({ Id: Type.String() })

export const StatsReply = Type.Object({
  cpu_stats: Type.Object({ cpu_usage: Type.Object({ total_usage: Type.Number() }) }),
  memory_stats: Type.Object({ usage: Type.Optional(Type.Number()), stats: maybe(Type.Record(Type.String(), Type.Number())) }),
})

export const EventLine = Type.Object({
  Action: Type.String(),
  Actor: Type.Object({ ID: Type.String(), Attributes: Labels }),
  timeNano: Type.Number(),
})

const NODE_ARCH: Readonly<Record<string, string>> = { amd64: 'x64', '386': 'ia32' }

export function engineInfo(version: Static<typeof VersionReply>, apiVersion: string, info: Static<typeof InfoReply>): EngineInfo {
  return {
    version: version.Version,
    apiVersion,
    arch: NODE_ARCH[version.Arch] ?? version.Arch,
    kernel: info.KernelVersion,
    runtimes: Object.keys(info.Runtimes ?? {}).toSorted(),
    defaultRuntime: info.DefaultRuntime ?? '',
    cgroupVersion: info.CgroupVersion === '2' ? '2' : '1',
    storageDriver: info.Driver,
    rootDir: info.DockerRootDir,
    securityOptions: info.SecurityOptions ?? [],
  }
}

export function imageFacts(reply: Static<typeof ImageReply>): ImageFacts {
  const entrypoint = reply.Config?.Entrypoint ?? []
  return {
    id: reply.Id,
    platform: `${reply.Os}/${reply.Architecture}`,
    layers: reply.RootFS?.Layers ?? [],
    entrypoint: typeof entrypoint === 'string' ? [entrypoint] : entrypoint,
    cmd: reply.Config?.Cmd ?? [],
    env: reply.Config?.Env ?? [],
    user: reply.Config?.User ?? '',
  }
}

const LABELS = { service: 'shoal.service', epoch: 'shoal.epoch', mesh: 'shoal.mesh', move: 'shoal.move' } as const

/** Our labels, or undefined for a container that is not ours: one with a service but no whole epoch counts as foreign too. */
export function marksOf(labels: Readonly<Record<string, string>> | null | undefined): Marks | undefined {
  const service = labels?.[LABELS.service]
  const epoch = Number(labels?.[LABELS.epoch])
  if (service === undefined || service === '' || !Number.isSafeInteger(epoch) || epoch < 0) return undefined
  const move = labels?.[LABELS.move]
  return { service, epoch, mesh: labels?.[LABELS.mesh] ?? '', ...(move === undefined ? {} : { move }) }
}

export function stateOf(status: string): ContainerState {
  switch (status) {
    case 'created':
      return 'created'
    case 'running':
    case 'restarting':
      return 'running'
    case 'paused':
      return 'paused'
    default:
      // `exited`, `dead`, `removing`: none of them runs, and none will again by itself.
      return 'exited'
  }
}

export function summaryOf(reply: Static<typeof ContainerListReply>[number]): ContainerSummary {
  const name = (reply.Names?.[0] ?? reply.Id.slice(0, 12)).replace(/^\//, '')
  return { id: reply.Id, name, image: reply.Image, state: stateOf(reply.State), marks: marksOf(reply.Labels) }
}

export function detailOf(reply: Static<typeof ContainerReply>): ContainerDetail {
  const { State, Config, HostConfig } = reply
  const state = stateOf(State.Status)
  const startedAt = Date.parse(State.StartedAt ?? '')
  const upper = reply.GraphDriver?.Data?.['UpperDir']
  return {
    id: reply.Id,
    name: reply.Name.replace(/^\//, ''),
    image: Config.Image,
    state,
    marks: marksOf(Config.Labels),
    pid: State.Pid,
    exitCode: state === 'exited' ? State.ExitCode : null,
    oomKilled: State.OOMKilled ?? false,
    error: State.Error ?? '',
    // Never started is year 1 for the engine.
    startedAt: Number.isNaN(startedAt) || startedAt <= 0 ? null : startedAt,
    hostname: Config.Hostname,
    tty: Config.Tty,
    limits: limitsOf(HostConfig),
    runtime: HostConfig.Runtime ?? '',
    restart: restartOf(HostConfig.RestartPolicy?.Name),
    privileged: HostConfig.Privileged ?? false,
    pidMode: HostConfig.PidMode ?? '',
    ipcMode: HostConfig.IpcMode ?? '',
    networkMode: HostConfig.NetworkMode ?? '',
    devices: (HostConfig.Devices ?? []).map(device => device.PathOnHost),
    mounts: [
      ...(reply.Mounts ?? []).map(mount => ({
        kind: mount.Type === 'volume' ? ('volume' as const) : mount.Type === 'tmpfs' ? ('tmpfs' as const) : ('bind' as const),
        source: mount.Type === 'volume' ? (mount.Name ?? mount.Source ?? '') : (mount.Source ?? ''),
        target: mount.Destination,
      })),
      ...Object.keys(HostConfig.Tmpfs ?? {}).map(target => ({ kind: 'tmpfs' as const, source: '', target })),
    ],
    upperDir: typeof upper === 'string' && upper !== '' ? upper : null,
  }
}

function restartOf(name: string | undefined): RestartPolicy {
  return name === 'always' || name === 'on-failure' || name === 'unless-stopped' ? name : 'no'
}

const CPU_PERIOD_US = 100_000

function limitsOf(host: Static<typeof ContainerReply>['HostConfig']): Limits {
  const quota = host.CpuQuota ?? 0
  const nano = host.NanoCpus ?? 0
  const cores = nano > 0 ? nano / 1e9 : quota > 0 ? quota / (host.CpuPeriod || CPU_PERIOD_US) : null
  const bytes = host.Memory ?? 0
  return { cores, ramBytes: bytes > 0 && bytes < NO_LIMIT_BYTES ? bytes : null }
}

/** The engine takes no "unlimited" in an update of memory (0 means "leave it"): a pebibyte is one. */
const NO_LIMIT_BYTES = 2 ** 50

/** Limits of a new container: what is not limited is not mentioned. */
export function createFields({ cores, ramBytes }: Limits): Readonly<Record<string, number>> {
  return { ...(cores === null ? {} : cpuFields(cores)), ...(ramBytes === null ? {} : memoryFields(ramBytes)) }
}

/** Limits of a container that is there: what is not limited is lifted. */
export function updateFields({ cores, ramBytes }: Limits): Readonly<Record<string, number>> {
  return { ...(cores === null ? { CpuQuota: -1 } : cpuFields(cores)), ...memoryFields(ramBytes ?? NO_LIMIT_BYTES) }
}

/** CFS quota rather than NanoCpus, which the engine refuses above its own count of CPUs. The kernel's least quota is 1 ms. */
function cpuFields(cores: number): Readonly<Record<string, number>> {
  return { CpuPeriod: CPU_PERIOD_US, CpuQuota: Math.max(1000, Math.round(cores * CPU_PERIOD_US)) }
}

/** No swap: memory and swap together are the limit of memory. */
function memoryFields(bytes: number): Readonly<Record<string, number>> {
  return { Memory: Math.ceil(bytes), MemorySwap: Math.ceil(bytes) }
}

/** The engine's create request. */
export function createBody(plan: ContainerPlan): Readonly<Record<string, unknown>> {
  const { marks } = plan
  return {
    Image: plan.image,
    ...(plan.args.length === 0 ? {} : { Cmd: plan.args }),
    Env: plan.env,
    Tty: plan.tty,
    ...(plan.hostname === undefined ? {} : { Hostname: plan.hostname }),
    Labels: {
      [LABELS.service]: marks.service,
      [LABELS.epoch]: String(marks.epoch),
      [LABELS.mesh]: marks.mesh,
      ...(marks.move === undefined ? {} : { [LABELS.move]: marks.move }),
    },
    HostConfig: {
      RestartPolicy: { Name: 'no' },
      ...createFields(plan.limits),
      ...(plan.runtime === undefined ? {} : { Runtime: plan.runtime }),
    },
  }
}
