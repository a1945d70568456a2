// Which settings does a node have, with what bounds and defaults? The one schema behind the file, `SHOAL_*` and the flags.
// Read by config.ts, which merges the layers; docs/configuration.md is kept equal to it by a test.

import { type Static, Type } from 'typebox'
import { lan } from '../placement/presets.ts'

const HOUR_MS = 3_600_000
const closed = { additionalProperties: false } as const

const oneOf = <const T extends readonly string[]>(values: T, options: { default: T[number]; description: string }) =>
  Type.Unsafe<T[number]>(Type.String({ enum: [...values], ...options }))
const millis = (value: number, max: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: max, default: value, description: `${description} (ms)` })
const percent = (value: number, description: string) =>
  Type.Number({ exclusiveMinimum: 0, maximum: 100, default: value, description: `${description} (%)` })

const Thresholds = Type.Object(
  {
    cpuPct: percent(lan.threshold.cpuPct, 'a node is red at or above this share of its CPU'),
    ramPct: percent(lan.threshold.ramPct, 'the same for RAM'),
    gpuPct: percent(lan.threshold.gpuPct, 'the same for the GPU, where there is one'),
    greenBelowPts: Type.Number({
      minimum: 0,
      maximum: 50,
      default: lan.greenBelowPts,
      description: 'a red node is called green again this far below its threshold (points)',
    }),
  },
  closed,
)

const Smoothing = Type.Object(
  {
    ewma: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1,
      default: lan.ewmaWeight,
      description: 'weight of the newest sample; 1 turns smoothing off',
    }),
    samples: Type.Integer({
      minimum: 1,
      maximum: 100,
      default: lan.redAfterSamples,
      description: 'smoothed samples in a row that make a node red',
    }),
  },
  closed,
)

const Cooldown = Type.Object(
  {
    serviceMs: millis(lan.serviceCooldownMs, 24 * HOUR_MS, 'rest of a service after a move'),
    nodeMs: millis(lan.nodeCooldownMs, 24 * HOUR_MS, 'rest of a node between two moves it starts'),
    leftGuardMs: millis(
      lan.leftGuardMs,
      24 * HOUR_MS,
      'a service does not go back to a node it left within this time, unless nothing else fits',
    ),
    retryMs: millis(lan.retryMs, HOUR_MS, 'wait after a failed move, doubled with each further failure'),
    movesPerServiceHour: Type.Integer({
      minimum: 1,
      maximum: 3600,
      default: lan.maxMovesPerServiceHour,
      description: 'moves of one service in an hour, at most',
    }),
    movesAtATime: Type.Integer({
      minimum: 1,
      maximum: 64,
      default: lan.movesAtATime,
      description: 'moves this node runs at a time as their source',
    }),
  },
  closed,
)

const Strategy = Type.Object(
  {
    name: oneOf(['algorithm-1', 'algorithm-2'], { default: 'algorithm-1', description: 'how a target is chosen' }),
    exact: Type.Boolean({ default: lan.exact, description: 'best of all candidates instead of the better of two random ones' }),
    order: oneOf(['fewest-moves', 'as-deployed'], {
      default: lan.order,
      description: 'which services of a red node leave first',
    }),
  },
  closed,
)

const CapacityOverride = Type.Object(
  {
    cores: Type.Optional(
      Type.Number({ exclusiveMinimum: 0, maximum: 4096, description: 'cores this node counts as its own; found out if absent' }),
    ),
    ram: Type.Optional(
      Type.String({
        pattern: '^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti)?$',
        description: 'RAM this node counts as its own, e.g. 2Gi; found out if absent',
      }),
    ),
  },
  closed,
)

/** The whole configuration. Every leaf has a default or is optional; every leaf says what it is. */
export const ConfigSchema = Type.Object(
  {
    version: Type.Integer({
      minimum: 1,
      default: 1,
      description: 'version of the file; older ones are read and brought up to date in memory',
    }),
    preset: oneOf(['lan', 'lab'], {
      default: 'lan',
      description: 'set of defaults: `lan` for real nodes, `lab` for tests with short times',
    }),
    name: Type.String({
      pattern: '^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$',
      default: 'node',
      description: 'name of this node; the host name if absent',
    }),
    role: oneOf(['edge', 'cloud', 'client'], {
      default: 'edge',
      description: '`edge` hosts services, `cloud` as the last resort, `client` none',
    }),
    intervalMs: Type.Integer({
      minimum: 100,
      maximum: 600_000,
      default: 5000,
      description: 'time between two load samples (ms)',
    }),
    thresholds: Thresholds,
    smoothing: Smoothing,
    cooldown: Cooldown,
    strategy: Strategy,
    listenAddress: Type.String({
      minLength: 2,
      maxLength: 255,
      default: '0.0.0.0',
      description: 'address the mesh port listens on',
    }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 4747, description: 'mesh port (tcp); 0 takes a free one' }),
    mdns: Type.Boolean({ default: true, description: 'find and be found on the local network' }),
    listenMs: millis(3000, 60_000, 'a fresh node listens this long for others before it founds a mesh'),
    waitMs: millis(10_000, 600_000, 'a fresh node waits this long for the lowest one heard to found, then founds itself'),
    trust: oneOf(['default', 'lan', 'ask'], {
      default: 'default',
      description: 'who is let in without a click: `default` in the join window only, `lan` always, `ask` never',
    }),
    windowMs: millis(15 * 60_000, 24 * HOUR_MS, 'how long the join window stays open after a mesh is founded'),
    api: Type.String({
      pattern: '^(\\[[0-9a-fA-F:]+\\]|[^:\\s]+):[0-9]{1,5}$',
      default: '127.0.0.1:4748',
      description: 'address of the HTTP API',
    }),
    apiAllowRemote: Type.Boolean({
      default: false,
      description: 'let `api` be no loopback address; nobody is asked who they are: closed networks only',
    }),
    socket: Type.String({
      minLength: 2,
      maxLength: 107,
      default: '/run/shoal/shoal.sock',
      description: 'unix socket of the CLI',
    }),
    dataDir: Type.String({ minLength: 1, maxLength: 1024, default: '/var/lib/shoal', description: 'identity, store' }),
    runDir: Type.String({
      minLength: 1,
      maxLength: 1024,
      default: '/run/shoal',
      description: 'socket and what need not survive a reboot',
    }),
    engineSocket: Type.String({
      minLength: 2,
      maxLength: 107,
      default: '/run/docker.sock',
      description: 'socket of the container engine',
    }),
    statelessOnly: Type.Boolean({ default: false, description: 'never restore memory here, even where it would work' }),
    networkId: Type.Optional(
      Type.String({
        pattern: '^[a-zA-Z0-9_.:-]{1,64}$',
        description: 'nodes with the same one are near; made from the gateway if absent',
      }),
    ),
    capacity: CapacityOverride,
    logLevel: oneOf(['debug', 'info', 'warn', 'error'], { default: 'info', description: 'how much the log says' }),
  },
  closed,
)

export type Config = DeepReadonly<Static<typeof ConfigSchema>>
export type PresetName = Config['preset']

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

/** The version the schema above describes. */
export const CONFIG_VERSION = 1

/** One setting that holds a value. `key` is dotted, e.g. `thresholds.cpuPct`. */
export interface Setting {
  readonly key: string
  readonly schema: SettingSchema
  readonly optional: boolean
}

/** What of a leaf's JSON Schema is read here. */
export interface SettingSchema {
  readonly type?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
  readonly description?: string
}

/** All settings, in the schema's order. */
export function settings(): readonly Setting[] {
  return leaves(ConfigSchema, '')
}

/** A node of the JSON Schema as `leaves` walks it. */
interface SchemaGroup extends SettingSchema {
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
}

function leaves(group: SchemaGroup, at: string): readonly Setting[] {
  const required = new Set(group.required ?? [])
  return Object.entries(group.properties ?? {}).flatMap(([name, below]): readonly Setting[] => {
    if (!isGroup(below)) return []
    const key = at === '' ? name : `${at}.${name}`
    return below.properties === undefined ? [{ key, schema: below, optional: !required.has(name) }] : leaves(below, key)
  })
}

function isGroup(value: unknown): value is SchemaGroup {
  return typeof value === 'object' && value !== null
}

/** `thresholds.cpuPct` → `SHOAL_THRESHOLDS_CPU_PCT`. */
export function envName(key: string): string {
  return `SHOAL_${key
    .replaceAll('.', '_')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toUpperCase()}`
}

/** `thresholds.cpuPct` → `--thresholds-cpu-pct`. */
export function flagName(key: string): string {
  return `--${envName(key).slice('SHOAL_'.length).toLowerCase().replaceAll('_', '-')}`
}
