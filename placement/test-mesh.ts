// Nodes and services as tests write them: short, with sane defaults. Imported by tests only.

import type { PlacementSettings } from './presets.ts'
import { lab } from './presets.ts'
import { parseProfile } from './profile.ts'
import type { RoundInput } from './round.ts'
import type { Movable } from './strategy.ts'
import { ZERO } from './vec.ts'
import type { Capability, Capacity, NodeView, Profile, ServiceType, Vec } from './view.ts'

const GiB = 2 ** 30

export const vec = (cpuPct: number, ramPct = 0, gpuPct = 0): Vec => ({ cpuPct, ramPct, gpuPct })

export const capacity = (cores = 8, ramBytes = 16 * GiB, gpus = 0): Capacity => ({ cores, ramBytes, gpus })

export const capability: Capability = {
  arch: 'amd64',
  kernel: '6.12.0',
  engine: '28.5.2',
  criu: '4.2',
  shim: true,
  cpuDigest: 'c0ffee',
  modes: ['stateless', 'stop-copy'],
}

/** An idle green edge node on LAN A. */
export function node(name: string, cpuPct: number, more: Partial<NodeView> = {}): NodeView {
  return {
    id: name,
    name,
    role: 'edge',
    state: 'green',
    network: 'lan-a',
    capacity: capacity(),
    load: vec(cpuPct),
    outside: vec(cpuPct),
    reserved: ZERO,
    committedRamPct: 0,
    ageMs: 0,
    rttMs: 1,
    capability,
    ...more,
  }
}

export const cloudNode = (name: string, cpuPct = 0, more: Partial<NodeView> = {}): NodeView =>
  node(name, cpuPct, { role: 'cloud', network: 'wan', rttMs: 40, ...more })

export interface ServiceWish {
  readonly profile?: Profile
  readonly type?: ServiceType
  /** Percent of the node it runs on. */
  readonly use?: Vec
  readonly cpuCores?: number
  readonly ramBytes?: number
}

/** A stateful service that uses nothing and needs 10 % of any host, as the thesis's. */
export function service(name: string, wish: ServiceWish = {}): Movable {
  const type = wish.type ?? 'stateful'
  return {
    id: name,
    name,
    type,
    mode: type === 'stateless' ? 'stateless' : 'stop-copy',
    demand: {
      quota: parseProfile(wish.profile ?? { cpu: '10%' }),
      cpuCores: wish.cpuCores ?? 0,
      ramBytes: wish.ramBytes ?? 0,
      gpus: 0,
    },
    use: wish.use ?? ZERO,
  }
}

/** A round of the thesis: lab preset, nothing in flight, no history. */
export function roundOf(
  more: Partial<RoundInput> & Pick<RoundInput, 'self' | 'services' | 'peers'>,
  settings: Partial<PlacementSettings> = {},
): RoundInput {
  return {
    now: 0,
    random: () => 0.5,
    reason: 'red',
    departing: ZERO,
    history: new Map(),
    emergency: false,
    settings: { ...lab, ...settings },
    ...more,
  }
}
