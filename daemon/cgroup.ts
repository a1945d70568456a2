// How much may this node use, and how much does it, by the kernel's own accounting? Reads cgroups of both versions; called by load-sampler.ts and
// doctor.ts. The node's group is the highest one visible here: the machine's root on a plain host, the container's own group where the daemon and
// its engine run in a container (there the mount shows that group as the root).

import type { HostFiles } from './host-files.ts'

/** What one group has used so far and holds now. */
export interface GroupUse {
  /** CPU time of the group and all below it, nanoseconds; only grows. */
  readonly cpuNs: number
  /** RAM that would not give way: usage without the file cache, bytes. */
  readonly ramBytes: number
}

export interface NodeCgroup {
  readonly version: 1 | 2
  /** Null where the group is not limited. */
  limits(): Promise<{ readonly cores: number | null; readonly ramBytes: number | null }>
  /** Undefined where the group keeps no account (the root of version 2 on older kernels). */
  use(): Promise<GroupUse | undefined>
  /** Containers of the engine that have a group here: full id → key for {@link containerUse}. */
  containers(): Promise<ReadonlyMap<string, string>>
  /** Undefined when the group is gone. */
  containerUse(key: string): Promise<GroupUse | undefined>
}

/** Limits of this many bytes and more mean "none": version 1 writes the largest page count there is. */
const NO_LIMIT_BYTES = 2 ** 60
/** Where engines put their containers' groups: cgroupfs driver, systemd driver. */
const PARENTS = [
  { path: 'docker', id: /^([0-9a-f]{64})$/ },
  { path: 'system.slice', id: /^docker-([0-9a-f]{64})\.scope$/ },
] as const

/** Finds out which version is mounted at `root`. Undefined where there are no cgroups at all. */
export async function openCgroup(files: HostFiles, root = '/sys/fs/cgroup'): Promise<NodeCgroup | undefined> {
  if ((await files.read(`${root}/cgroup.controllers`)) !== undefined) return version2(files, root)
  return (await files.list(`${root}/cpuacct`)).length > 0 ? version1(files, root) : undefined
}

function version1(files: HostFiles, root: string): NodeCgroup {
  const use = async (below: string): Promise<GroupUse | undefined> => {
    const [cpu, usage, stat] = await Promise.all([
      number(files, `${root}/cpuacct${below}/cpuacct.usage`),
      number(files, `${root}/memory${below}/memory.usage_in_bytes`),
      files.read(`${root}/memory${below}/memory.stat`),
    ])
    if (cpu === undefined || usage === undefined) return undefined
    return { cpuNs: cpu, ramBytes: Math.max(0, usage - field(stat, 'total_inactive_file') - field(stat, 'total_active_file')) }
  }
  return {
    version: 1,
    async limits() {
      const [quota, period, bytes, cpus] = await Promise.all([
        number(files, `${root}/cpu/cpu.cfs_quota_us`),
        number(files, `${root}/cpu/cpu.cfs_period_us`),
        number(files, `${root}/memory/memory.limit_in_bytes`),
        files.read(`${root}/cpuset/cpuset.effective_cpus`),
      ])
      const byQuota = quota === undefined || quota <= 0 ? null : quota / (period ?? 100_000)
      return { cores: least(byQuota, cpuCount(cpus)), ramBytes: bytes === undefined || bytes >= NO_LIMIT_BYTES ? null : bytes }
    },
    use: () => use(''),
    containers: () => containersBelow(files, `${root}/cpuacct`),
    containerUse: key => use(`/${key}`),
  }
}

function version2(files: HostFiles, root: string): NodeCgroup {
  const use = async (below: string): Promise<GroupUse | undefined> => {
    const [cpu, current, stat] = await Promise.all([
      files.read(`${root}${below}/cpu.stat`),
      number(files, `${root}${below}/memory.current`),
      files.read(`${root}${below}/memory.stat`),
    ])
    if (cpu === undefined || current === undefined) return undefined
    return {
      cpuNs: field(cpu, 'usage_usec') * 1000,
      ramBytes: Math.max(0, current - field(stat, 'inactive_file') - field(stat, 'active_file')),
    }
  }
  return {
    version: 2,
    async limits() {
      const [max, memory, cpus] = await Promise.all([
        files.read(`${root}/cpu.max`),
        number(files, `${root}/memory.max`),
        files.read(`${root}/cpuset.cpus.effective`),
      ])
      const [quota, period] = (max ?? 'max').trim().split(/\s+/)
      const byQuota = quota === 'max' ? null : Number(quota) / Number(period ?? 100_000)
      return { cores: least(byQuota, cpuCount(cpus)), ramBytes: memory ?? null }
    },
    use: () => use(''),
    containers: () => containersBelow(files, root),
    containerUse: key => use(`/${key}`),
  }
}

async function containersBelow(files: HostFiles, base: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const { path, id } of PARENTS) {
    for (const name of await files.list(`${base}/${path}`)) {
      const full = id.exec(name)?.[1]
      if (full !== undefined) found.set(full, `${path}/${name}`)
    }
  }
  return found
}

/** A file with one number; undefined for `max` and for none. */
async function number(files: HostFiles, path: string): Promise<number | undefined> {
  const text = (await files.read(path))?.trim()
  const value = Number(text)
  return text === undefined || text === '' || !Number.isFinite(value) ? undefined : value
}

/** One line `name value` of a stat file; 0 when it has none. */
function field(text: string | undefined, name: string): number {
  const line = text?.split('\n').find(candidate => candidate.startsWith(`${name} `))
  const value = Number(line?.slice(name.length + 1))
  return Number.isFinite(value) ? value : 0
}

/** `0-1,4` → 3. Null when the file says nothing. */
function cpuCount(list: string | undefined): number | null {
  const ranges = (list ?? '').trim().split(',').filter(Boolean)
  if (ranges.length === 0) return null
  return ranges.reduce((sum, range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return sum + last - first + 1
  }, 0)
}

function least(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b)
}
