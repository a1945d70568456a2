// Which words may a view file use? People write one view in several natural ways (`cpu`, `cpuPct`, `load: { cpu }`; services inside `self`): all become
// the one form that decide-file.ts checks and docs/placement.md describes. Unknown words pass, so that the check can name them.

import { PlacementError } from '../placement/errors.ts'

export const bad = (
  what: string,
  hint = 'docs/placement.md describes the file, with an example',
  cause?: unknown,
): PlacementError => new PlacementError('VIEW_REFUSED', { what, hint, ...(cause === undefined ? {} : { cause }) })

type Entry = Readonly<Record<string, unknown>>

export const isEntry = (value: unknown): value is Entry => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Known word → the other ways to write it, in small letters without separators. */
type Words = Readonly<Record<string, readonly string[]>>

const loadWords: Words = {
  cpu: [
    'cpupct',
    'cpupercent',
    'cpuload',
    'cpuuse',
    'cpuusage',
    'cpuutilization',
    'cpuutilisation',
    'utilization',
    'utilisation',
  ],
  ram: ['rampct', 'rampercent', 'ramload', 'ramuse', 'ramusage', 'mem', 'mempct', 'memory', 'memorypct', 'memorypercent'],
  gpu: ['gpupct', 'gpupercent', 'gpuload', 'gpuuse', 'gpuusage'],
}
const capacityWords: Words = {
  cores: ['cpucores', 'cpucount'],
  ramBytes: ['memorybytes', 'membytes'],
  gpus: ['gpucount'],
}
const nodeWords: Words = {
  ...loadWords,
  ...capacityWords,
  name: ['hostname'],
  id: ['nodeid', 'peerid'],
  role: ['kind', 'type'],
  state: ['status'],
  network: ['networkid', 'networkname', 'net', 'lan', 'subnet'],
  outside: [],
  reserved: [],
  committedRam: ['committedrampct'],
  rttMs: ['rtt', 'latencyms'],
  ageMs: ['age'],
  cpuDigest: [],
}
const serviceWords: Words = {
  name: ['service'],
  id: ['serviceid'],
  type: ['kind'],
  need: ['needs', 'profile', 'quota', 'demand', 'requires', 'request', 'requests', 'limits', 'resources'],
  use: ['usage', 'used', 'uses', 'load', 'measured'],
  node: ['on', 'owner', 'host', 'runson'],
  cpuPct: ['cpupercent', 'needpct', 'needcpupct', 'needcpu'],
  ramPct: ['rampercent', 'mempct', 'memorypct', 'needrampct', 'needram'],
  gpuPct: ['gpupercent', 'needgpupct', 'needgpu'],
  cores: ['cpucores', 'needcores'],
  ramBytes: ['memorybytes', 'membytes'],
  ram: ['mem', 'memory'],
}
const fileWords: Words = {
  strategy: ['algorithm'],
  threshold: ['thresholds', 'thresholdpct', 'thresholdcpu', 'cputhreshold'],
  self: ['me', 'from', 'source', 'node', 'decider'],
  services: ['apps', 'containers'],
  nodes: ['members', 'mesh'],
  peers: ['others', 'neighbours', 'neighbors'],
  cloud: ['clouds', 'clouddevice', 'cloudnode'],
  need: ['needs', 'profile'],
  options: ['settings'],
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[^a-z0-9]/g, '')

/** `entry` with every word as the form has it. Two words for one thing are refused: which of them is meant? */
function inOneForm(entry: Entry, at: string, words: Words): Record<string, unknown> {
  const known = new Map(
    Object.entries(words).flatMap(([word, others]) => [plain(word), ...others].map(one => [one, word] as const)),
  )
  const result: Record<string, unknown> = {}
  const from = new Map<string, string>()
  for (const [word, value] of Object.entries(entry)) {
    const to = Object.hasOwn(words, word) ? word : (known.get(plain(word)) ?? word)
    const before = from.get(to)
    if (before !== undefined) throw bad(`${at} says ${to} twice: "${before}" and "${word}"`, 'leave one of them out')
    from.set(to, word)
    result[to] = value
  }
  return result
}

/** Takes `key` out of `entry` and puts what stands in it beside the rest. */
function unfold(entry: Record<string, unknown>, key: string, at: string, words: Words): void {
  const inner = entry[key]
  delete entry[key]
  if (inner === undefined || inner === null) return
  const found = inOneForm(isEntry(inner) ? inner : { cpu: inner }, `${at}.${key}`, words)
  for (const [word, value] of Object.entries(found)) {
    if (Object.hasOwn(entry, word)) throw bad(`${at} says ${word} twice: beside and inside ${key}`, 'leave one of them out')
    entry[word] = value
  }
}

/** `"38%"` → 38; all loads are in percent. Other texts stay, to be refused. */
const percent = (value: unknown): unknown => {
  const [, number] = typeof value === 'string' ? (/^\s*(\d+(?:\.\d+)?)\s*%?\s*$/.exec(value) ?? []) : []
  return number === undefined ? value : Number(number)
}

/** Loads written as one number (CPU) or by any word for them. */
export function loadsInForm(value: unknown, at: string): unknown {
  if (value === undefined) return undefined
  if (!isEntry(value)) return typeof value === 'number' || typeof value === 'string' ? { cpu: percent(value) } : value
  const loads = inOneForm(value, at, { ...loadWords, ramBytes: capacityWords['ramBytes'] ?? [] })
  for (const word of ['cpu', 'ram', 'gpu']) if (Object.hasOwn(loads, word)) loads[word] = percent(loads[word])
  return loads
}

/** A node's entry in the form of the check; its services are taken out first (`servicesWithin`). */
export function nodeInForm(value: unknown, at: string): unknown {
  if (!isEntry(value)) return value
  const node = inOneForm(value, at, nodeWords)
  delete node['services']
  unfold(node, 'load', at, loadWords)
  unfold(node, 'capacity', at, capacityWords)
  unfold(node, 'capability', at, { cpuDigest: [], criu: [], shim: [], arch: ['architecture'] })
  for (const word of ['cpu', 'ram', 'gpu', 'committedRam']) if (Object.hasOwn(node, word)) node[word] = percent(node[word])
  for (const word of ['outside', 'reserved']) if (Object.hasOwn(node, word)) node[word] = loadsInForm(node[word], `${at}.${word}`)
  if (node['cloud'] === true && !Object.hasOwn(node, 'role')) node['role'] = 'cloud'
  if (typeof node['cloud'] === 'boolean') delete node['cloud']
  if (typeof node['role'] === 'string') node['role'] = node['role'].toLowerCase()
  return node
}

/** A share in percent as a profile has it. */
const share = (value: unknown): unknown => (typeof value === 'number' ? `${value}%` : value)

/** What stands in `need`: shares in percent like the nodes' loads, but a number below 1 is cores (or GPUs), as in a profile. */
const needed = (value: unknown): unknown => (typeof value === 'number' && value >= 1 ? share(value) : value)

/** A service's entry in the form of the check. A name alone is one; `need` is what the file says for all. */
export function serviceInForm(value: unknown, at: string, need: unknown): unknown {
  if (typeof value === 'string') return serviceInForm({ name: value }, at, need)
  if (!isEntry(value)) return value
  const service = inOneForm(value, at, serviceWords)
  if (typeof service['stateful'] === 'boolean' && !Object.hasOwn(service, 'type')) {
    service['type'] = service['stateful'] ? 'stateful' : 'stateless'
    delete service['stateful']
  }
  const says = ['need', 'cpu', 'ram', 'gpu', 'cpuPct', 'ramPct', 'gpuPct', 'cores', 'ramBytes'].some(word =>
    Object.hasOwn(service, word),
  )
  if (!says && need !== undefined) service['need'] = need
  const inNeed = service['need']
  if (inNeed !== undefined) {
    const entry = isEntry(inNeed) ? inNeed : { cpu: inNeed }
    const texts = Object.entries(inOneForm(entry, `${at}.need`, serviceWords))
    service['need'] = Object.fromEntries(
      texts.map(([word, one]) => [word, ['cpu', 'ram', 'gpu'].includes(word) ? needed(one) : one]),
    )
  }
  unfold(service, 'need', at, serviceWords)
  const rename = (from: string, to: string, how: (value: unknown) => unknown): void => {
    if (!Object.hasOwn(service, from)) return
    if (Object.hasOwn(service, to)) throw bad(`${at} says ${to} twice: as ${from} too`, 'leave one of them out')
    service[to] = how(service[from])
    delete service[from]
  }
  for (const word of ['cpu', 'ram', 'gpu']) rename(`${word}Pct`, word, value => share(percent(value)))
  rename('cores', 'cpu', String)
  rename('ramBytes', 'ram', String)
  if (Object.hasOwn(service, 'use')) service['use'] = loadsInForm(service['use'], `${at}.use`)
  return service
}

const strategies: Readonly<Record<string, string>> = { 1: 'algorithm-1', i: 'algorithm-1', 2: 'algorithm-2', ii: 'algorithm-2' }

/** `Algorithm II`, `algorithm2`, `II`, 2 → `algorithm-2`; anything else as it is. */
function strategyInForm(value: unknown): unknown {
  if (typeof value !== 'string' && typeof value !== 'number') return value
  return strategies[plain(String(value)).replace(/^algorithm/, '')] ?? value
}

/** Nodes listed by name (`{ "vrone": { … } }`) as a list. */
function listed(value: unknown): unknown {
  if (!isEntry(value)) return value
  return Object.entries(value).map(([name, node]) => (isEntry(node) ? { name, ...node } : { name, cpu: node }))
}

/** Services listed by name, each with its entry or what it needs, as a list. */
function listedServices(value: unknown): unknown {
  if (!isEntry(value)) return value
  return Object.entries(value).map(([name, service]) => (isEntry(service) ? { name, ...service } : { name, need: service }))
}

/** The services written inside a node's entry; undefined when it has none. */
const servicesWithin = (node: unknown): unknown => (isEntry(node) ? (node['services'] ?? node['apps']) : undefined)

/** The services of the node that decides, where they stand in its own entry, there or in the lists. */
function ownServices(file: Entry): unknown {
  const { self } = file
  if (typeof self !== 'string') return servicesWithin(self)
  const lists = [file['nodes'], file['peers'], file['cloud']].flat()
  return servicesWithin(lists.find(node => isEntry(node) && [node['name'], node['id'], node['hostname']].includes(self)))
}

/** The whole file in the form of the check, but for the entries of its lists. */
export function fileInForm(value: unknown): unknown {
  if (!isEntry(value)) return value
  const file = inOneForm(value, 'the file', fileWords)
  unfold(file, 'view', 'the file', fileWords)
  if (Object.hasOwn(file, 'strategy')) file['strategy'] = strategyInForm(file['strategy'])
  for (const list of ['nodes', 'peers']) if (Object.hasOwn(file, list)) file[list] = listed(file[list])
  for (const option of ['exact', 'order', 'intervalMs', 'reason']) {
    if (!Object.hasOwn(file, option)) continue
    file['options'] = { ...(isEntry(file['options']) ? file['options'] : {}), [option]: file[option] }
    delete file[option]
  }
  const within = ownServices(file)
  if (within !== undefined && file['services'] !== undefined) {
    throw bad('the services are given twice: in services and in the entry of self', 'leave one of them out')
  }
  file['services'] = listedServices(within ?? file['services'])
  if (file['services'] === undefined) delete file['services']
  return file
}
