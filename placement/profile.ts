// What does a service need on a given node? Reads profiles as people write them (`0.5`, `256Mi`, `10%`) and resolves them per node.
// Called by the round and by admission (needs in percent of the target), and by daemon/ (cgroup limits in cores and bytes).

import { refused } from './errors.ts'
import {
  MAX_AMOUNT_CHARS,
  MAX_PROFILE_CORES,
  MAX_PROFILE_GPUS,
  MAX_PROFILE_RAM_BYTES,
  MIN_NEED_CPU_PCT,
  MIN_PROFILE_CORES,
  MIN_PROFILE_RAM_BYTES,
} from './limits.ts'
import type { Capacity, Profile, ServiceSpec, Vec } from './view.ts'

/** One amount: a share of the host in percent, or an absolute figure (cores, bytes, GPUs). */
export type Amount = { readonly unit: 'percent'; readonly value: number } | { readonly unit: 'absolute'; readonly value: number }

/** A profile that was understood. Absent: not limited in that dimension. */
export interface Quota {
  readonly cpu?: Amount
  readonly ram?: Amount
  readonly gpu?: Amount
}

/** What a service asks of any node: its quota where there is one, else what it was measured to use. */
export interface Demand {
  readonly quota: Quota
  /** Measured. */
  readonly cpuCores: number
  /** Measured; also what a stateful move has to carry. */
  readonly ramBytes: number
  /** Measured, in GPUs (0.5 = half of one). */
  readonly gpus: number
}

/** Limits for the cgroup on one node. Absent: none. */
export interface Limits {
  readonly cpuCores?: number
  readonly ramBytes?: number
  readonly gpus?: number
}

interface Kind {
  readonly what: 'cpu' | 'ram' | 'gpu'
  readonly example: string
  readonly min: number
  readonly max: number
  readonly unit: string
  read(text: string): number | null
}

const plainNumber = (text: string): number | null => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : null)

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

function bytes(text: string): number | null {
  const parts = /^(\d+(?:\.\d+)?)([A-Za-z]*?)B?$/.exec(text)
  const factor = byteUnits[parts?.[2] ?? '?']
  return factor === undefined ? null : Math.round(Number(parts?.[1]) * factor)
}

const kinds = {
  cpu: {
    what: 'cpu',
    example: '`0.5` (cores) or `10%` (of the host)',
    min: MIN_PROFILE_CORES,
    max: MAX_PROFILE_CORES,
    unit: 'cores',
    read: plainNumber,
  },
  ram: {
    what: 'ram',
    example: '`256Mi`, `1Gi`, `500M` or `10%` (of the host)',
    min: MIN_PROFILE_RAM_BYTES,
    max: MAX_PROFILE_RAM_BYTES,
    unit: 'bytes',
    read: bytes,
  },
  gpu: {
    what: 'gpu',
    example: '`1`, `0.5` (GPUs) or `10%` (of the host)',
    min: 0.01,
    max: MAX_PROFILE_GPUS,
    unit: 'GPUs',
    read: plainNumber,
  },
} as const satisfies Readonly<Record<string, Kind>>

function parseAmount(kind: Kind, written: string): Amount {
  const text = written.trim()
  const shown = text.length > MAX_AMOUNT_CHARS ? `${text.slice(0, MAX_AMOUNT_CHARS)}…` : text
  const bad = (why: string): Error =>
    refused('PROFILE_REFUSED', { what: `profile: ${kind.what} "${shown}" ${why}`, hint: `write ${kind.example}` })
  if (text.length > MAX_AMOUNT_CHARS) throw bad('is too long')
  if (text.endsWith('%')) {
    const value = plainNumber(text.slice(0, -1).trim())
    if (value === null) throw bad('is not a percentage')
    if (value <= 0 || value > 100) throw bad('must be more than 0 % and at most 100 %')
    return { unit: 'percent', value }
  }
  const value = kind.read(text)
  if (value === null) throw bad('cannot be read')
  if (value < kind.min) throw bad(`is below the smallest possible ${kind.min} ${kind.unit}`)
  if (value > kind.max) throw bad(`is above the largest possible ${kind.max} ${kind.unit}`)
  return { unit: 'absolute', value }
}

/**
 * Reads a profile as it was written.
 * @throws PlacementError PROFILE_REFUSED naming the amount and how to write it.
 */
export function parseProfile(profile: Profile | undefined): Quota {
  return {
    ...(profile?.cpu === undefined ? {} : { cpu: parseAmount(kinds.cpu, profile.cpu) }),
    ...(profile?.ram === undefined ? {} : { ram: parseAmount(kinds.ram, profile.ram) }),
    ...(profile?.gpu === undefined ? {} : { gpu: parseAmount(kinds.gpu, profile.gpu) }),
  }
}

const absolute = (amount: Amount, whole: number): number =>
  amount.unit === 'percent' ? (amount.value / 100) * whole : amount.value

/** The cgroup limits a quota means on a node of this capacity: cores and bytes. */
export function limitsOn(quota: Quota, capacity: Capacity): Limits {
  return {
    ...(quota.cpu === undefined ? {} : { cpuCores: Math.max(MIN_PROFILE_CORES, absolute(quota.cpu, capacity.cores)) }),
    ...(quota.ram === undefined
      ? {}
      : { ramBytes: Math.max(MIN_PROFILE_RAM_BYTES, Math.round(absolute(quota.ram, capacity.ramBytes))) }),
    ...(quota.gpu === undefined ? {} : { gpus: absolute(quota.gpu, capacity.gpus) }),
  }
}

const share = (amount: Amount | undefined, whole: number, measured: number): number => {
  if (amount?.unit === 'percent') return amount.value
  const wanted = amount?.value ?? measured
  if (wanted <= 0) return 0
  return whole > 0 ? (wanted / whole) * 100 : Number.POSITIVE_INFINITY
}

/**
 * What the service adds to a node of this capacity, in percent of it. Without a profile: the measured use, at least 1 % CPU, and the RAM
 * in use. A dimension the node does not have at all (no GPU) gives Infinity where something is asked of it.
 */
export function needOn(demand: Demand, capacity: Capacity): Vec {
  const cpuPct = share(demand.quota.cpu, capacity.cores, demand.cpuCores)
  const gpuPct = share(demand.quota.gpu, capacity.gpus, demand.gpus)
  return {
    cpuPct: demand.quota.cpu === undefined ? Math.max(MIN_NEED_CPU_PCT, cpuPct) : cpuPct,
    ramPct: share(demand.quota.ram, capacity.ramBytes, demand.ramBytes),
    gpuPct: capacity.gpus === 0 && gpuPct > 0 ? Number.POSITIVE_INFINITY : gpuPct,
  }
}

/** An image reference without what engines leave out: `docker.io/library/nginx:latest` is `nginx`. */
export function shortImage(image: string): string {
  return image.replace(/^docker\.io\/(library\/)?/, '').replace(/:latest$/, '')
}

/** The profile that counts for a service: one set for its name wins over one set for its image, that over the one it was run with. */
export function pickProfile(
  spec: Pick<ServiceSpec, 'name' | 'image' | 'profile'>,
  book: readonly { readonly match: string; readonly profile: Profile }[],
): Profile | undefined {
  const image = shortImage(spec.image)
  return (
    book.find(entry => entry.match === spec.name)?.profile ??
    book.find(entry => shortImage(entry.match) === image)?.profile ??
    spec.profile
  )
}
