// How loaded is this node, and by whom? One reading of the kernel's accounts per interval, in percent of the node's own capacity: services of the
// mesh, everything else ("outside"), and what moves cost, apart. Called by the control loop; smoothing and colours are placement/'s.
//
// Moves apart: a checkpoint, a restore and an image load burn CPU and RAM in processes of ours, of the engine and of CRIU, and those of one
// hundred milliseconds are gone before anyone could count them one by one. So the rest (all that no service uses) may fall but not rise while a move
// runs, and in the sample that still overlaps it; what it would have risen is called the cost of moves. The price: load from outside that begins
// during a move is seen when the move is over, at the latest after MOVE_HOLD_MS.

import type { Clock } from '../placement/clock.ts'
import type { Capacity, Millis, ServiceId, ServiceUse, Vec } from '../placement/view.ts'
import type { GroupUse, NodeCgroup } from './cgroup.ts'
import type { HostFiles } from './host-files.ts'
import { MOVE_HOLD_MS, SAMPLE_CONTAINERS, SAMPLE_GAP_MS } from './limits.ts'

/** The node's load over the time between two readings. */
export interface LoadSample {
  /** When the later reading was taken, monotonic. */
  readonly at: Millis
  readonly spanMs: Millis
  readonly capacity: Capacity
  /** Services and outside together. What moves cost is in neither. */
  readonly load: Vec
  readonly outside: Vec
  /** The part of `outside` that containers cause which are not ours. */
  readonly foreign: Vec
  /** What running moves cost on top. */
  readonly moveCost: Vec
  readonly services: readonly ServiceUse[]
}

export interface SamplerParts {
  readonly clock: Clock
  readonly files: HostFiles
  /** Undefined: no cgroups here; the machine's own figures count. */
  readonly cgroup: NodeCgroup | undefined
  /** The services this node owns and their containers, as of now. */
  readonly services: () => readonly { readonly id: ServiceId; readonly containerId: string }[]
  /** For a container without a group of its own here: what the engine says. */
  readonly useOf: (containerId: string) => Promise<GroupUse | undefined>
  /** Moves under way on this node (either end), and how many have begun since start. */
  readonly moves: () => { readonly running: number; readonly begun: number }
  /** Use of the GPUs in percent, null where it is not known. */
  readonly gpu: () => { readonly count: number; readonly usePct: number | null }
  /** What the configuration says instead of what was found. */
  readonly override?: { readonly cores?: number; readonly ramBytes?: number }
}

interface Reading {
  readonly at: Millis
  readonly node: GroupUse
  readonly services: ReadonlyMap<ServiceId, GroupUse & { readonly containerId: string }>
  readonly foreign: ReadonlyMap<string, GroupUse>
  /** Both of them, by container: one may be foreign in one reading and a service's in the next. */
  readonly containers: ReadonlyMap<string, GroupUse>
  /**
   * What a container had used at this reading that is not in it. 0 where every group was read: it came later. Undefined where that is not known:
   * the first reading of such a container says nothing of its rate.
   */
  readonly newcomerNs: 0 | undefined
  readonly moves: ReturnType<SamplerParts['moves']>
}

interface Rest {
  readonly cpuCores: number
  readonly ramBytes: number
}

export class LoadSampler {
  readonly #parts: SamplerParts
  #last: Reading | undefined
  /** The rest in the last sample that no move touched. */
  #calm: Rest | undefined
  /** Since when moves have followed each other without a calm sample between. */
  #heldSince: Millis | undefined

  constructor(parts: SamplerParts) {
    this.#parts = parts
  }

  /** Null for the first reading, and for one after a gap too long to be an average of anything. */
  async sample(): Promise<LoadSample | null> {
    const [capacity, now] = await Promise.all([this.#capacity(), this.#read()])
    const before = this.#last
    this.#last = now
    if (before === undefined || now.at <= before.at || now.at - before.at > SAMPLE_GAP_MS) return null
    const spanNs = (now.at - before.at) * 1e6
    const cores = (later: number, earlier: number): number => Math.max(0, later - earlier) / spanNs

    const touched = touchedByMove(now, before)
    // A copy that a move brought burns what its restore costs first: its first reading says nothing of its rate.
    const earlierNs = (containerId: string): number | undefined =>
      before.containers.get(containerId)?.cpuNs ?? (touched ? undefined : before.newcomerNs)
    const services = [...now.services].map(([id, use]): ServiceUse => {
      const from = earlierNs(use.containerId)
      const cpuCores = from === undefined ? 0 : cores(use.cpuNs, from)
      return { id, cpuCores, ramBytes: use.ramBytes, use: percent({ cpuCores, ramBytes: use.ramBytes }, capacity) }
    })
    const own = sum(services)
    const foreign = sum(
      [...now.foreign].map(([id, use]) => {
        const from = earlierNs(id)
        return { cpuCores: from === undefined ? 0 : cores(use.cpuNs, from), ramBytes: use.ramBytes }
      }),
    )
    const rest = {
      cpuCores: Math.max(0, cores(now.node.cpuNs, before.node.cpuNs) - own.cpuCores),
      ramBytes: Math.max(0, now.node.ramBytes - own.ramBytes),
    }
    const held = this.#hold(rest, now, touched)
    const gpuPct = this.#parts.gpu().usePct ?? 0
    const outside = { ...percent(held, capacity), gpuPct }
    const ofServices = percent(own, capacity)
    return {
      at: now.at,
      spanMs: now.at - before.at,
      capacity,
      load: { cpuPct: outside.cpuPct + ofServices.cpuPct, ramPct: outside.ramPct + ofServices.ramPct, gpuPct },
      outside,
      foreign: percent(
        { cpuCores: Math.min(foreign.cpuCores, held.cpuCores), ramBytes: Math.min(foreign.ramBytes, held.ramBytes) },
        capacity,
      ),
      moveCost: percent({ cpuCores: rest.cpuCores - held.cpuCores, ramBytes: rest.ramBytes - held.ramBytes }, capacity),
      services,
    }
  }

  #hold(rest: Rest, now: Reading, touched: boolean): Rest {
    if (!touched || this.#calm === undefined) {
      this.#heldSince = undefined
      this.#calm = rest
      return rest
    }
    this.#heldSince ??= now.at
    if (now.at - this.#heldSince > MOVE_HOLD_MS) {
      this.#heldSince = now.at
      this.#calm = rest
      return rest
    }
    // What fell stays fallen: it was not the move's.
    this.#calm = {
      cpuCores: Math.min(rest.cpuCores, this.#calm.cpuCores),
      ramBytes: Math.min(rest.ramBytes, this.#calm.ramBytes),
    }
    return this.#calm
  }

  async #read(): Promise<Reading> {
    const { clock, cgroup, services: owned, useOf } = this.#parts
    const moves = this.#parts.moves()
    const node = await this.#node()
    const at = clock.now()
    const groups = (await cgroup?.containers()) ?? new Map<string, string>()
    const group = async (containerId: string): Promise<GroupUse | undefined> => {
      const key = groups.get(containerId)
      return key === undefined ? useOf(containerId) : cgroup?.containerUse(key)
    }
    const services = new Map<ServiceId, GroupUse & { readonly containerId: string }>()
    const ours = new Set<string>()
    for (const { id, containerId } of owned()) {
      ours.add(containerId)
      const use = await group(containerId)
      if (use !== undefined) services.set(id, { ...use, containerId })
    }
    const foreign = new Map<string, GroupUse>()
    for (const containerId of [...groups.keys()].slice(0, SAMPLE_CONTAINERS)) {
      const use = ours.has(containerId) ? undefined : await group(containerId)
      if (use !== undefined) foreign.set(containerId, use)
    }
    const containers = new Map([...foreign, ...[...services.values()].map(use => [use.containerId, use] as const)])
    const newcomerNs = cgroup === undefined || foreign.size >= SAMPLE_CONTAINERS ? undefined : 0
    return { at, node, services, foreign, containers, newcomerNs, moves }
  }

  /** The whole node: its group where that is limited, else the machine. */
  async #node(): Promise<GroupUse> {
    const { cgroup, files } = this.#parts
    const limits = await cgroup?.limits()
    const limited =
      limits !== undefined && (limits.ramBytes !== null || (limits.cores !== null && limits.cores < (await machineCores(files))))
    const use = limited ? await cgroup?.use() : undefined
    return use ?? (await machineUse(files))
  }

  async #capacity(): Promise<Capacity> {
    return nodeCapacity(this.#parts.files, this.#parts.cgroup, this.#parts.gpu().count, this.#parts.override)
  }
}

/** Whether a move ran in any part of the time between two readings. */
function touchedByMove(now: Reading, before: Reading): boolean {
  return now.moves.running > 0 || before.moves.running > 0 || now.moves.begun !== before.moves.begun
}

/** What the node has: the configured figure, else its group's limit, else the machine. Also asked by `doctor` and for limits of services. */
export async function nodeCapacity(
  files: HostFiles,
  cgroup: NodeCgroup | undefined,
  gpus: number,
  override: SamplerParts['override'] = {},
): Promise<Capacity> {
  const limits = (await cgroup?.limits()) ?? { cores: null, ramBytes: null }
  const [cores, ramBytes] = await Promise.all([machineCores(files), meminfo(files, 'MemTotal')])
  return {
    cores: override.cores ?? Math.min(limits.cores ?? cores, cores),
    ramBytes: override.ramBytes ?? Math.min(limits.ramBytes ?? ramBytes, ramBytes),
    gpus,
  }
}

/** CPU time is counted in ticks of 10 ms. */
const TICK_NS = 1e7

async function machineUse(files: HostFiles): Promise<GroupUse> {
  const [stat = '', total, available] = await Promise.all([
    files.read('/proc/stat'),
    meminfo(files, 'MemTotal'),
    meminfo(files, 'MemAvailable'),
  ])
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map(Number)
  return { cpuNs: (user + nice + system + irq + softirq) * TICK_NS, ramBytes: Math.max(0, total - available) }
}

async function machineCores(files: HostFiles): Promise<number> {
  const stat = (await files.read('/proc/stat')) ?? ''
  return Math.max(1, stat.split('\n').filter(line => /^cpu[0-9]/.test(line)).length)
}

async function meminfo(files: HostFiles, name: string): Promise<number> {
  const text = (await files.read('/proc/meminfo')) ?? ''
  const kib = new RegExp(`^${name}: +([0-9]+) kB`, 'm').exec(text)?.[1]
  return Number(kib ?? 0) * 1024
}

function sum(uses: readonly Rest[]): Rest {
  return uses.reduce(
    (all, { cpuCores, ramBytes }) => ({ cpuCores: all.cpuCores + cpuCores, ramBytes: all.ramBytes + ramBytes }),
    {
      cpuCores: 0,
      ramBytes: 0,
    },
  )
}

function percent({ cpuCores, ramBytes }: Rest, capacity: Capacity): Vec {
  return {
    cpuPct: capacity.cores > 0 ? (100 * cpuCores) / capacity.cores : 0,
    ramPct: capacity.ramBytes > 0 ? (100 * ramBytes) / capacity.ramBytes : 0,
    gpuPct: 0,
  }
}
