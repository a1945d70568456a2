// What is this node configured to do, and where does each value come from? Merges defaults, preset, file, `SHOAL_*` and flags, in that order,
// checks the result and freezes it. Called once by the composition root, and by `shoal config`.

import { isIP } from 'node:net'
import { join } from 'node:path'
import { Value } from 'typebox/value'
import { parseDocument } from 'yaml'
import { migrate } from './config-migrations.ts'
import {
  CONFIG_VERSION,
  type Config,
  ConfigSchema,
  envName,
  flagName,
  type PresetName,
  type Setting,
  settings,
} from './config-schema.ts'
import { ConfigError } from './errors.ts'
import { lab, type PlacementSettings } from '../placement/presets.ts'
import { nearest } from './nearest.ts'

/** Each preset as its difference from the defaults, by dotted key. `lan` is the defaults. */
export const PRESETS: Readonly<Record<PresetName, Readonly<Record<string, string | number | boolean>>>> = {
  lan: {},
  lab: { ...placementKeys(lab), listenMs: 1000 },
}

export interface ConfigSources {
  /** Text of the file and its path for messages; undefined when there is none. */
  readonly file?: { readonly path: string; readonly text: string }
  readonly env: Readonly<Record<string, string | undefined>>
  /** By dotted key, e.g. `{ 'thresholds.cpuPct': '60' }`; text is read as the key's type. */
  readonly flags: Readonly<Record<string, string | number | boolean>>
  readonly hostname: string
}

export interface LoadedConfig {
  readonly config: Config
  /** Dotted key → `default`, `preset lab`, `/etc/shoal/shoal.yaml`, `SHOAL_PORT`, `--port`, `host name`, `data dir`. */
  readonly origin: Readonly<Record<string, string>>
  /** Things that are no error, in words: an unknown `SHOAL_*`, a file that was brought up to date. */
  readonly warnings: readonly string[]
}

/** The settings of a node's decisions, as placement/ reads them. */
export function placementSettings(config: Config): PlacementSettings {
  const { thresholds, smoothing, cooldown, strategy } = config
  return {
    intervalMs: config.intervalMs,
    ewmaWeight: smoothing.ewma,
    redAfterSamples: smoothing.samples,
    threshold: { cpuPct: thresholds.cpuPct, ramPct: thresholds.ramPct, gpuPct: thresholds.gpuPct },
    greenBelowPts: thresholds.greenBelowPts,
    strategy: strategy.name,
    exact: strategy.exact,
    order: strategy.order,
    serviceCooldownMs: cooldown.serviceMs,
    nodeCooldownMs: cooldown.nodeMs,
    maxMovesPerServiceHour: cooldown.movesPerServiceHour,
    leftGuardMs: cooldown.leftGuardMs,
    retryMs: cooldown.retryMs,
    movesAtATime: cooldown.movesAtATime,
  }
}

/** The other way: a set of placement's as dotted keys of the configuration. */
function placementKeys(settings: PlacementSettings): Readonly<Record<string, string | number | boolean>> {
  return {
    intervalMs: settings.intervalMs,
    'thresholds.cpuPct': settings.threshold.cpuPct,
    'thresholds.ramPct': settings.threshold.ramPct,
    'thresholds.gpuPct': settings.threshold.gpuPct,
    'thresholds.greenBelowPts': settings.greenBelowPts,
    'smoothing.ewma': settings.ewmaWeight,
    'smoothing.samples': settings.redAfterSamples,
    'cooldown.serviceMs': settings.serviceCooldownMs,
    'cooldown.nodeMs': settings.nodeCooldownMs,
    'cooldown.leftGuardMs': settings.leftGuardMs,
    'cooldown.retryMs': settings.retryMs,
    'cooldown.movesPerServiceHour': settings.maxMovesPerServiceHour,
    'cooldown.movesAtATime': settings.movesAtATime,
    'strategy.name': settings.strategy,
    'strategy.exact': settings.exact,
    'strategy.order': settings.order,
  }
}

interface Layer {
  readonly values: ReadonlyMap<string, unknown>
  readonly from: (key: string) => string
}

/** Variables of the CLI and of tests: not settings, and no reason for a warning. */
const FOREIGN_ENV =
  /^SHOAL_(HOST|TOKEN|YES|CONFIG|CACHE|LAB|NET|BRIDGE|DIST|RATE|RUNTIME|PRIVILEGED)(_|$)|^SHOAL_[A-Z0-9]+_(CPUS|MEM)$/

/** Merges and checks. Throws a ConfigError that names the key, where it was set, and what it may be. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const known = settings()
  const warnings: string[] = []
  const file = fileLayer(sources.file, known, warnings)
  const env = envLayer(sources.env, known, warnings)
  const flags = flagLayer(sources.flags, known)
  const defaults: Layer = {
    values: new Map(known.filter(({ optional }) => !optional).map(({ key, schema }) => [key, schema.default])),
    from: () => 'default',
  }
  const host: Layer = { values: new Map([['name', hostName(sources.hostname)]]), from: () => 'host name' }
  const preset = presetLayer([file, env, flags])
  const merged = new Map<string, unknown>()
  const origin = new Map<string, string>()
  const put = (layer: Layer): void => {
    for (const [key, value] of layer.values) {
      merged.set(key, value)
      origin.set(key, layer.from(key))
    }
  }
  for (const layer of [defaults, host, preset, file, env, flags]) put(layer)
  derivePaths(merged, origin)
  const config = check(nest(merged), origin)
  crossCheck(config, origin)
  warnings.push(...openApiWarning(config))
  return { config: deepFreeze(config), origin: Object.freeze(Object.fromEntries(origin)), warnings }
}

function fileLayer(file: ConfigSources['file'], known: readonly Setting[], warnings: string[]): Layer {
  if (file === undefined) return { values: new Map(), from: () => '' }
  const parsed = parseDocument(file.text)
  const first = parsed.errors[0]
  if (first !== undefined) {
    throw new ConfigError('CONFIG_INVALID', {
      what: `${file.path} is no YAML: ${first.message.split('\n')[0]}`,
      hint: 'correct that line',
    })
  }
  const content: unknown = parsed.toJS()
  if (content !== null && content !== undefined && !isRecord(content)) {
    throw new ConfigError('CONFIG_INVALID', {
      what: `${file.path} holds no settings`,
      hint: 'write `key: value` lines, see docs/configuration.md',
    })
  }
  const { document, applied } = migrate(content ?? {}, CONFIG_VERSION)
  warnings.push(...applied.map(step => `${file.path} was read as if brought up to date, ${step}`))
  const values = new Map(flatten(document, ''))
  refuseUnknown([...values.keys()], known, file.path)
  return { values, from: () => file.path }
}

function envLayer(env: ConfigSources['env'], known: readonly Setting[], warnings: string[]): Layer {
  const byName = new Map(known.map(setting => [envName(setting.key), setting]))
  const values = new Map<string, unknown>()
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('SHOAL_') || text === undefined) continue
    const setting = byName.get(name)
    if (setting !== undefined) values.set(setting.key, coerce(text, setting))
    else if (!FOREIGN_ENV.test(name)) {
      const meant = nearest(name, [...byName.keys()])
      warnings.push(`the variable ${name} is no setting of Shoal${meant === undefined ? '' : `: did you mean ${meant}?`}`)
    }
  }
  return { values, from: envName }
}

function flagLayer(flags: ConfigSources['flags'], known: readonly Setting[]): Layer {
  refuseUnknown(Object.keys(flags), known, 'the command line')
  const byKey = new Map(known.map(setting => [setting.key, setting]))
  const values = new Map<string, unknown>()
  for (const [key, value] of Object.entries(flags)) {
    const setting = byKey.get(key)
    if (setting !== undefined) values.set(key, typeof value === 'string' ? coerce(value, setting) : value)
  }
  return { values, from: flagName }
}

function presetLayer(layers: readonly Layer[]): Layer {
  const asked = layers.map(layer => layer.values.get('preset')).findLast(value => value !== undefined) ?? 'lan'
  // Anything else fails the check of the key itself.
  if (asked !== 'lan' && asked !== 'lab') return { values: new Map(), from: () => '' }
  return { values: new Map(Object.entries(PRESETS[asked])), from: () => `preset ${asked}` }
}

function refuseUnknown(keys: readonly string[], known: readonly Setting[], where: string): void {
  const names = known.map(({ key }) => key)
  const unknown = keys.find(key => !names.includes(key))
  if (unknown === undefined) return
  const group = names.filter(name => name.startsWith(`${unknown}.`))
  const meant = nearest(unknown, names)
  throw new ConfigError('CONFIG_UNKNOWN_KEY', {
    what: group.length > 0 ? `${unknown} in ${where} is a group, not a value` : `${where} has the unknown key ${unknown}`,
    hint:
      group.length > 0
        ? `set ${group.join(', ')}`
        : meant === undefined
          ? 'see docs/configuration.md for all keys'
          : `did you mean ${meant}?`,
  })
}

/** Text of a variable or flag as the setting's type; what does not fit stays text and fails the check with its origin. */
function coerce(text: string, { schema }: Setting): unknown {
  if (schema.type === 'integer' || schema.type === 'number')
    return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
  if (schema.type !== 'boolean') return text
  if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return true
  return ['false', '0', 'no', 'off'].includes(text.toLowerCase()) ? false : text
}

/** `--data-dir` alone is enough for several nodes on one host: what is not said lies below it. */
function derivePaths(merged: Map<string, unknown>, origin: Map<string, string>): void {
  const derive = (key: string, from: string, name: string): void => {
    if (origin.get(key) !== 'default' || origin.get(from) === 'default') return
    merged.set(key, join(String(merged.get(from)), name))
    origin.set(key, from === 'dataDir' ? 'data dir' : 'run dir')
  }
  derive('runDir', 'dataDir', 'run')
  derive('socket', 'runDir', 'shoal.sock')
}

function check(candidate: unknown, origin: ReadonlyMap<string, string>): Config {
  if (Value.Check(ConfigSchema, candidate)) return candidate
  // The checker names the closed object too; the leaf's own line says more.
  const errors = Value.Errors(ConfigSchema, candidate)
  const first = errors.find(({ instancePath }) => instancePath !== '') ?? errors[0]
  const key = (first?.instancePath ?? '').slice(1).replaceAll('/', '.')
  const setting = settings().find(({ key: name }) => name === key)
  const allowed =
    setting?.schema.enum === undefined ? (first?.message ?? 'is not valid') : `must be one of ${setting.schema.enum.join(', ')}`
  throw new ConfigError('CONFIG_INVALID', {
    what: `${key} ${allowed}, but ${origin.get(key) ?? 'the configuration'} says ${JSON.stringify(valueAt(candidate, key))}`,
    hint: `${setting?.schema.description ?? 'see docs/configuration.md'}; correct it there`,
  })
}

function crossCheck(config: Config, origin: ReadonlyMap<string, string>): void {
  const refuse = (key: string, what: string, hint: string): never => {
    throw new ConfigError('CONFIG_INVALID', { what: `${what} (${key} by ${origin.get(key) ?? 'default'})`, hint })
  }
  const lowest = Math.min(config.thresholds.cpuPct, config.thresholds.ramPct, config.thresholds.gpuPct)
  if (config.thresholds.greenBelowPts >= lowest) {
    refuse(
      'thresholds.greenBelowPts',
      `a margin of ${config.thresholds.greenBelowPts} below a threshold of ${lowest} leaves no green`,
      'lower the margin',
    )
  }
  if (config.waitMs < config.listenMs)
    refuse('waitMs', `waitMs ${config.waitMs} is shorter than listenMs ${config.listenMs}`, 'raise waitMs')
  const { host, port } = apiAddress(config)
  if (port > 65_535) refuse('api', `${config.api} has no valid port`, 'use a port up to 65535')
  if (!isLoopback(host) && !config.apiAllowRemote) {
    refuse(
      'api',
      `${config.api} can be reached by others, and the API asks nobody who they are`,
      'use 127.0.0.1, or set apiAllowRemote on a closed network',
    )
  }
  if (port !== 0 && port === config.port)
    refuse('api', `the API and the mesh cannot both have port ${port}`, 'give them different ports')
  if (Buffer.byteLength(config.socket) > 107)
    refuse('socket', `the path ${config.socket} is too long for a unix socket`, 'use one of at most 107 bytes')
}

/** Allowed, and worth saying at every start: whoever reaches the API can run any container, as root. */
function openApiWarning(config: Config): readonly string[] {
  return isLoopback(apiAddress(config).host)
    ? []
    : [`the API on ${config.api} asks nobody who they are: whoever can reach it is root on this host (apiAllowRemote is set)`]
}

/** Host and port of `api`; a port of 0 takes a free one. */
export function apiAddress(config: Config): { readonly host: string; readonly port: number } {
  const cut = config.api.lastIndexOf(':')
  return { host: config.api.slice(0, cut).replaceAll(/[[\]]/g, ''), port: Number(config.api.slice(cut + 1)) }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** `2Gi`, `512Mi`, `1048576` → bytes. The schema has checked the form. */
export function bytesOf(text: string): number {
  const [, amount = '0', unit = ''] = /^([0-9.]+)(Ki|Mi|Gi|Ti)?$/.exec(text) ?? []
  return Math.round(Number(amount) * 1024 ** ['', 'Ki', 'Mi', 'Gi', 'Ti'].indexOf(unit))
}

/** A host's name as a node's: cut at the first dot, odd characters replaced. */
function hostName(name: string): string {
  const short = (name.split('.')[0] ?? '').replaceAll(/[^a-zA-Z0-9_-]/g, '-').replace(/^[^a-zA-Z0-9]+/, '')
  return short === '' ? 'node' : short.slice(0, 63)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function flatten(value: Readonly<Record<string, unknown>>, at: string): [string, unknown][] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const key = at === '' ? name : `${at}.${name}`
    return isRecord(inner) ? flatten(inner, key) : [[key, inner] satisfies [string, unknown]]
  })
}

function nest(flat: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const root: Record<string, unknown> = { capacity: {} }
  for (const [key, value] of flat) {
    const path = key.split('.')
    const last = path.pop() ?? key
    let at = root
    for (const name of path) {
      const below = at[name]
      const next = isRecord(below) ? { ...below } : {}
      at[name] = next
      at = next
    }
    at[last] = value
  }
  return root
}

function valueAt(value: unknown, key: string): unknown {
  return key.split('.').reduce((at: unknown, name) => (isRecord(at) ? at[name] : undefined), value)
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner)
    Object.freeze(value)
  }
  return value
}
