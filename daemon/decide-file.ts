// A view of a mesh given as a file, for `npm run decide`: its form, its defaults, and what it becomes for placement/. Documented with an example
// in docs/placement.md. Every mistake is one error that names the place in the file.

import { type Static, type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { PlacementError } from '../placement/errors.ts'
import { lab, type PlacementSettings } from '../placement/presets.ts'
import { type Limits, limitsOn, parseProfile } from '../placement/profile.ts'
import type { RoundInput } from '../placement/round.ts'
import { seeded } from '../placement/seeded.ts'
import type { Movable, MoveReason } from '../placement/strategy.ts'
import { strategyNamed, strategyNames } from '../placement/strategies.ts'
import { ZERO } from '../placement/vec.ts'
import type { NodeView, Profile, Vec } from '../placement/view.ts'
import { bad, fileInForm, loadsInForm, nodeInForm, serviceInForm } from './decide-words.ts'
import { nearest } from './nearest.ts'

/** Nodes and services a file may name; a decision scans ten thousand peers in milliseconds. */
const MOST_NODES = 100_000
const MOST_SERVICES = 10_000

const closed = { additionalProperties: false } as const
const Name = Type.String({ minLength: 1, maxLength: 256 })
const Percent = Type.Number({ minimum: 0, maximum: 10_000 })
const Amount = Type.Union([Type.Number(), Type.String()])
const optional = <T extends TSchema>(schema: T) => Type.Optional(schema)

const Loads = Type.Object({ cpu: optional(Percent), ram: optional(Percent), gpu: optional(Percent) }, closed)

const NodeEntry = Type.Object(
  {
    name: optional(Name),
    id: optional(Name),
    role: optional(Type.Enum(['edge', 'cloud', 'client'])),
    state: optional(Type.Enum(['green', 'red', 'draining', 'leaving', 'lost'])),
    network: optional(Type.String({ maxLength: 256 })),
    cpu: optional(Percent),
    ram: optional(Percent),
    gpu: optional(Percent),
    outside: optional(Loads),
    reserved: optional(Loads),
    committedRam: optional(Percent),
    cores: optional(Type.Number({ exclusiveMinimum: 0, maximum: 4096 })),
    ramBytes: optional(Amount),
    gpus: optional(Type.Integer({ minimum: 0, maximum: 64 })),
    rttMs: optional(Type.Union([Type.Number({ minimum: 0 }), Type.Null()])),
    ageMs: optional(Type.Number({ minimum: 0 })),
    arch: optional(Name),
    criu: optional(Type.Union([Name, Type.Null()])),
    shim: optional(Type.Boolean()),
    cpuDigest: optional(Type.String({ maxLength: 256 })),
    kernel: optional(Type.String({ maxLength: 256 })),
    engine: optional(Type.String({ maxLength: 256 })),
    modes: optional(Type.Array(Type.Enum(['stateless', 'stop-copy']))),
  },
  closed,
)
type NodeEntry = Static<typeof NodeEntry>

const ServiceEntry = Type.Object(
  {
    name: optional(Name),
    id: optional(Name),
    type: optional(Type.Enum(['stateful', 'stateless'])),
    cpu: optional(Amount),
    ram: optional(Amount),
    gpu: optional(Amount),
    node: optional(Name),
    image: optional(Type.String({ maxLength: 512 })),
    use: optional(
      Type.Object({ cpu: optional(Percent), ram: optional(Percent), ramBytes: optional(Amount), gpu: optional(Percent) }, closed),
    ),
  },
  closed,
)
type ServiceEntry = Static<typeof ServiceEntry>

const Options = Type.Object(
  {
    exact: optional(Type.Boolean()),
    order: optional(Type.Enum(['as-deployed', 'fewest-moves'])),
    intervalMs: optional(Type.Integer({ minimum: 1, maximum: 3_600_000 })),
    reason: optional(Type.Enum(['red', 'drain', 'person'])),
  },
  closed,
)

const File = Type.Object(
  {
    strategy: optional(Name),
    options: optional(Options),
    threshold: optional(Type.Unknown()),
    seed: optional(Type.Integer({ minimum: 0, maximum: 4_294_967_295 })),
    need: optional(Type.Unknown()),
    self: Type.Unknown(),
    services: Type.Array(Type.Unknown(), { maxItems: MOST_SERVICES }),
    nodes: optional(Type.Array(Type.Unknown(), { maxItems: MOST_NODES })),
    peers: optional(Type.Array(Type.Unknown(), { maxItems: MOST_NODES })),
    cloud: optional(Type.Unknown()),
  },
  closed,
)

/** The value at a JSON pointer. */
function valueAt(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce<unknown>(
      (at, key) => (typeof at === 'object' && at !== null ? Object.getOwnPropertyDescriptor(at, key)?.value : undefined),
      value,
    )
}

/** `value` as the schema says, or the first thing that is wrong with it, `at` being where it stands in the file. */
function checked<T extends TSchema>(schema: T, value: unknown, at: string): Static<T> {
  if (Value.Check(schema, value)) return value
  const errors = [...Value.Errors(schema, value)]
  const place = (pointer: string): string => `${at}${pointer.replaceAll('/', '.')}`.replace(/^\./, '') || 'the file'
  const unknown = errors.find(error => error.keyword === 'additionalProperties')
  if (unknown !== undefined && unknown.keyword === 'additionalProperties') {
    const key = String(unknown.params.additionalProperties[0])
    const known: readonly string[] =
      unknown.instancePath === '' && 'properties' in schema ? Object.keys(Object(schema.properties)) : []
    const meant = nearest(key, known)
    const hint = meant === undefined ? undefined : `did you mean ${meant}?`
    throw bad(`${place(unknown.instancePath)} has the unknown key "${key.slice(0, 64)}"`, hint)
  }
  const first = errors.find(error => error.keyword !== 'anyOf') ?? errors[0]
  const shown = JSON.stringify(valueAt(value, first?.instancePath ?? ''))?.slice(0, 64) ?? 'nothing'
  const allowed =
    first?.keyword === 'enum' ? `must be one of ${first.params.allowedValues.join(', ')}` : (first?.message ?? 'is not valid')
  throw bad(`${place(first?.instancePath ?? '')} ${allowed}, the file says ${shown}`)
}

const vec = (loads: Static<typeof Loads> | undefined): Vec => ({
  cpuPct: loads?.cpu ?? 0,
  ramPct: loads?.ram ?? 0,
  gpuPct: loads?.gpu ?? 0,
})

/** Bytes of an amount like `8Gi` or a number. */
function bytesOf(amount: number | string, at: string): number {
  const limits = quantity({ ram: String(amount) }, at)
  if (limits.ramBytes === undefined || String(amount).endsWith('%')) throw bad(`${at} must be bytes, e.g. 8Gi, not ${amount}`)
  return limits.ramBytes
}

function quantity(profile: Profile, at: string): Limits {
  try {
    return limitsOn(parseProfile(profile), { cores: 1, ramBytes: 1, gpus: 1 })
  } catch (cause) {
    const hint = cause instanceof PlacementError ? cause.hint : undefined
    throw bad(`${at}: ${cause instanceof Error ? cause.message : String(cause)}`, hint, cause)
  }
}

const GiB = 2 ** 30

function nodeOf(value: unknown, at: string, role?: 'cloud'): NodeView & { readonly entry: NodeEntry } {
  const entry = checked(NodeEntry, nodeInForm(value, at), at)
  const name = entry.name ?? entry.id
  if (name === undefined) throw bad(`${at} has no name`)
  const isRole = role ?? entry.role ?? 'edge'
  const load = vec(entry)
  return {
    entry,
    id: entry.id ?? name,
    name,
    role: isRole,
    state: entry.state ?? 'green',
    network: entry.network ?? (isRole === 'cloud' ? 'cloud' : 'lan'),
    capacity: {
      cores: entry.cores ?? 4,
      ramBytes: entry.ramBytes === undefined ? 8 * GiB : bytesOf(entry.ramBytes, `${at}.ramBytes`),
      gpus: entry.gpus ?? (entry.gpu === undefined ? 0 : 1),
    },
    load,
    outside: entry.outside === undefined ? load : vec(entry.outside),
    reserved: vec(entry.reserved),
    committedRamPct: entry.committedRam ?? 0,
    ageMs: entry.ageMs ?? 0,
    rttMs: entry.rttMs ?? null,
    capability: {
      arch: entry.arch ?? 'amd64',
      kernel: entry.kernel ?? '',
      engine: entry.engine ?? '',
      criu: entry.criu === undefined ? '4.2' : entry.criu,
      shim: entry.shim ?? true,
      cpuDigest: entry.cpuDigest ?? '',
      modes: entry.modes ?? ['stateless', 'stop-copy'],
    },
  }
}

/** A number without a unit: in JSON, or as text. */
const bare = (amount: number | string | undefined): number | undefined =>
  amount === undefined || !/^\s*\d+(\.\d+)?\s*$/.test(String(amount)) ? undefined : Number(amount)

/** Bare numbers of a service from which on they are taken for percent: nobody asks for so many cores, bytes or GPUs where all loads are percent. */
interface BareLimits {
  readonly cpu: number
  readonly ram: number
  readonly gpu: number
}

/** The least bare CPU figure that can be meant as percent. */
const LEAST_BARE_PERCENT = 5

/**
 * From when on bare numbers are percent. CPU: from 5 on, when no edge node of the file could take so many cores below the threshold; one such figure
 * makes all bare CPU figures of the file percent. RAM: up to 100 (a service of 100 bytes there is not). GPU: more than any node has.
 */
function bareLimits(entries: readonly ServiceEntry[], nodes: readonly NodeView[], threshold: Vec): BareLimits {
  const edges = nodes.filter(node => node.role !== 'cloud')
  const most = Math.max(0, ...edges.map(node => node.capacity.cores)) * (threshold.cpuPct / 100)
  const percent = entries.some(({ cpu }) => (bare(cpu) ?? 0) >= Math.max(LEAST_BARE_PERCENT, most))
  return { cpu: percent ? 0 : Number.POSITIVE_INFINITY, ram: 100, gpu: Math.max(1, ...nodes.map(node => node.capacity.gpus)) }
}

function profileOf(entry: ServiceEntry, limits: BareLimits): Profile {
  const text = (amount: number | string, isPercent: (value: number) => boolean): string => {
    const value = bare(amount)
    return value !== undefined && isPercent(value) ? `${value}%` : String(amount)
  }
  return {
    ...(entry.cpu === undefined ? {} : { cpu: text(entry.cpu, value => value > limits.cpu) }),
    ...(entry.ram === undefined ? {} : { ram: text(entry.ram, value => value <= limits.ram) }),
    ...(entry.gpu === undefined ? {} : { gpu: text(entry.gpu, value => value > limits.gpu) }),
  }
}

function serviceOf(entry: ServiceEntry, at: string, self: NodeView, limits: BareLimits): Movable {
  const name = entry.name ?? entry.id
  if (name === undefined) throw bad(`${at} has no name`)
  const profile = profileOf(entry, limits)
  quantity(profile, at)
  const { capacity } = self
  const ramBytes =
    entry.use?.ramBytes === undefined
      ? ((entry.use?.ram ?? 0) / 100) * capacity.ramBytes
      : bytesOf(entry.use.ramBytes, `${at}.use.ramBytes`)
  const use: Vec = {
    ...vec({ cpu: entry.use?.cpu ?? 0, gpu: entry.use?.gpu ?? 0 }),
    ramPct: (ramBytes / capacity.ramBytes) * 100,
  }
  const type = entry.type ?? 'stateful'
  return {
    id: entry.id ?? name,
    name,
    type,
    mode: type === 'stateful' ? 'stop-copy' : 'stateless',
    demand: {
      quota: parseProfile(profile),
      cpuCores: (use.cpuPct / 100) * capacity.cores,
      ramBytes,
      gpus: (use.gpuPct / 100) * capacity.gpus,
    },
    use,
  }
}

function thresholdOf(value: unknown): Vec {
  if (value === undefined) return lab.threshold
  const limit = Type.Number({ exclusiveMinimum: 0, maximum: 100 })
  if (typeof value === 'number') return { ...lab.threshold, cpuPct: checked(limit, value, 'threshold') }
  const Thresholds = Type.Object({ cpu: optional(limit), ram: optional(limit), gpu: optional(limit) }, closed)
  const { cpu, ram, gpu } = checked(Thresholds, loadsInForm(value, 'threshold'), 'threshold')
  return { cpuPct: cpu ?? lab.threshold.cpuPct, ramPct: ram ?? lab.threshold.ramPct, gpuPct: gpu ?? lab.threshold.gpuPct }
}

function unique(all: readonly { readonly id: string }[], what: string): void {
  const seen = new Set<string>()
  for (const { id } of all) {
    if (seen.has(id)) throw bad(`two ${what} are called "${id}"`, 'give each an id or a name of its own')
    seen.add(id)
  }
}

/** This node and the others, from `self`, `nodes`, `peers` and `cloud`; each of the first and last may be a name out of the lists. */
function placesOf(file: Static<typeof File>): { readonly self: ReturnType<typeof nodeOf>; readonly peers: readonly NodeView[] } {
  const clouds = file.cloud === undefined ? [] : Array.isArray(file.cloud) ? file.cloud : [file.cloud]
  const cloudNames = new Set(clouds.filter(cloud => typeof cloud === 'string'))
  const listed = [
    ...(file.nodes ?? []).map((node, index) => nodeOf(node, `nodes.${index}`)),
    ...(file.peers ?? []).map((node, index) => nodeOf(node, `peers.${index}`)),
  ].map(node => (cloudNames.has(node.name) ? { ...node, role: 'cloud' as const, network: node.entry.network ?? 'cloud' } : node))
  const named = (name: string, at: string): ReturnType<typeof nodeOf> => {
    const found = listed.find(node => node.name === name || node.id === name)
    if (found === undefined) throw bad(`${at} is "${name.slice(0, 64)}", and no node of the file is called so`)
    return found
  }
  for (const cloud of cloudNames) named(cloud, 'cloud')
  const apart = clouds.filter(cloud => typeof cloud !== 'string').map((node, index) => nodeOf(node, `cloud.${index}`, 'cloud'))
  const self = typeof file.self === 'string' ? named(file.self, 'self') : nodeOf(file.self, 'self')
  const peers = [...listed.filter(node => node.id !== self.id), ...apart]
  unique([self, ...peers], 'nodes')
  return { self, peers }
}

/** What a file asks to be decided. */
export interface Asked {
  readonly input: RoundInput
  readonly seed: number
}

/**
 * Reads the text of a file.
 * @throws PlacementError VIEW_REFUSED naming the place; STRATEGY_UNKNOWN
 */
export function readDecideFile(text: string): Asked {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw bad(`the file is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, undefined, cause)
  }
  const file = checked(File, fileInForm(value), '')
  const settings: PlacementSettings = {
    ...lab,
    strategy: strategyNamed(file.strategy ?? strategyNames[0] ?? '').name,
    threshold: thresholdOf(file.threshold),
    intervalMs: file.options?.intervalMs ?? 5000,
    exact: file.options?.exact ?? true,
    order: file.options?.order ?? 'as-deployed',
  }
  const { self, peers } = placesOf(file)
  const entries = file.services.map((service, index): ServiceEntry => {
    const at = `services.${index}`
    return checked(ServiceEntry, serviceInForm(service, at, file.need), at)
  })
  const limits = bareLimits(entries, [self, ...peers], settings.threshold)
  // A file may list the services of the whole mesh: a node decides for its own only.
  const services = entries.flatMap((entry, index) =>
    entry.node === undefined || entry.node === self.name || entry.node === self.id
      ? [serviceOf(entry, `services.${index}`, self, limits)]
      : [],
  )
  unique(services, 'services')
  // What no service uses is outside, unless the file says so itself.
  const used = (dimension: keyof Vec): number => services.reduce((sum, service) => sum + service.use[dimension], 0)
  const rest = (dimension: keyof Vec): number => Math.max(0, self.load[dimension] - used(dimension))
  const outside =
    self.entry.outside === undefined ? { cpuPct: rest('cpuPct'), ramPct: rest('ramPct'), gpuPct: rest('gpuPct') } : self.outside
  const reason: MoveReason = file.options?.reason ?? (self.entry.cpu === undefined ? 'person' : 'red')
  const seed = file.seed ?? 1
  return {
    seed,
    input: {
      now: 0,
      random: seeded(seed),
      reason,
      self: { ...self, outside },
      services,
      peers,
      departing: ZERO,
      history: new Map(),
      emergency: false,
      settings,
    },
  }
}
