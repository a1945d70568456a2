// What a node says of its own load: in percent of what it may use, services and the rest apart, and a move never looks like load.

import { expect, test } from 'vitest'
import { type GroupUse, openCgroup } from './cgroup.ts'
import { recordedFiles } from './host-files.ts'
import { LoadSampler, nodeCapacity, type SamplerParts } from './load-sampler.ts'

const GIB = 1024 ** 3
const id = (letter: string) => letter.repeat(64)

/** A node of 0.5 cores and 1 GiB by version 1, as the lab's smallest one. Figures can be changed between samples. */
function node(more: Partial<SamplerParts> = {}) {
  const texts: Record<string, string> = {
    '/proc/stat': 'cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0\ncpu1 0\n',
    '/proc/meminfo': 'MemTotal:        8388608 kB\nMemAvailable:    4194304 kB\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '50000\n',
    '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${GIB}\n`,
  }
  const use = (group: string, cpuMs: number, ramMiB: number, cacheMiB = 0): void => {
    texts[`/sys/fs/cgroup/cpuacct${group}/cpuacct.usage`] = `${cpuMs * 1e6}\n`
    texts[`/sys/fs/cgroup/memory${group}/memory.usage_in_bytes`] = `${(ramMiB + cacheMiB) * 1024 ** 2}\n`
    texts[`/sys/fs/cgroup/memory${group}/memory.stat`] =
      `cache 1\ntotal_inactive_file ${cacheMiB * 1024 ** 2}\ntotal_active_file 0\n`
  }
  const state = { now: 0, services: [] as { id: string; containerId: string }[], moves: { running: 0, begun: 0 } }
  use('', 0, 0)
  const files = recordedFiles(texts)
  const open = async () =>
    new LoadSampler({
      clock: { now: () => state.now, wallNow: () => 0, after: () => () => undefined },
      files,
      cgroup: await openCgroup(files),
      services: () => state.services,
      useOf: async () => undefined,
      moves: () => state.moves,
      gpu: () => ({ count: 0, usePct: null }),
      ...more,
    })
  return { texts, use, state, files, open }
}

test('the first reading says nothing, the second is the use between the two', async () => {
  const { use, state, open } = node()
  const sampler = await open()
  expect(await sampler.sample()).toBeNull()
  state.now = 1000
  use('', 250, 512, 300)
  expect(await sampler.sample()).toMatchObject({
    capacity: { cores: 0.5, ramBytes: GIB, gpus: 0 },
    load: { cpuPct: 50, ramPct: 50, gpuPct: 0 },
    outside: { cpuPct: 50, ramPct: 50 },
    moveCost: { cpuPct: 0, ramPct: 0 },
  })
})

test('services, foreign containers and the rest are told apart, and add up', async () => {
  const { use, state, open } = node()
  state.services = [{ id: 'web', containerId: id('a') }]
  use(`/docker/${id('a')}`, 0, 100)
  use(`/system.slice/docker-${id('b')}.scope`, 0, 50)
  const sampler = await open()
  await sampler.sample()
  state.now = 2000
  use('', 600, 512)
  use(`/docker/${id('a')}`, 200, 128)
  use(`/system.slice/docker-${id('b')}.scope`, 100, 64)
  const sample = await sampler.sample()
  expect(sample?.services).toEqual([
    { id: 'web', cpuCores: 0.1, ramBytes: 128 * 1024 ** 2, use: { cpuPct: 20, ramPct: 12.5, gpuPct: 0 } },
  ])
  expect(sample?.load.cpuPct).toBeCloseTo(60)
  expect(sample?.outside.cpuPct).toBeCloseTo(40)
  expect(sample?.foreign).toEqual({ cpuPct: 10, ramPct: 6.25, gpuPct: 0 })
  expect(sample?.load.ramPct).toBeCloseTo(50)
})

test('a service counts as itself from its first moment: what it burns is never load from outside', async () => {
  const { use, state, open } = node()
  const sampler = await open()
  await sampler.sample()
  state.now = 1000
  state.services = [{ id: 'web', containerId: id('a') }]
  use('', 200, 128)
  use(`/docker/${id('a')}`, 150, 64)
  const first = await sampler.sample()
  expect(first?.services).toMatchObject([{ id: 'web', cpuCores: 0.15 }])
  expect(first?.load.cpuPct).toBeCloseTo(40)
  expect(first?.outside.cpuPct).toBeCloseTo(10)
})

test('a container that was there before it became a service counts from what it had used then', async () => {
  const { use, state, open } = node()
  use(`/docker/${id('a')}`, 5000, 64)
  const sampler = await open()
  await sampler.sample()
  state.now = 1000
  state.services = [{ id: 'web', containerId: id('a') }]
  use('', 200, 128)
  use(`/docker/${id('a')}`, 5150, 64)
  expect((await sampler.sample())?.services).toMatchObject([{ id: 'web', cpuCores: 0.15 }])
})

test('a move does not turn the node red: what it burns is told apart, while it runs and in the sample it ends in', async () => {
  const { use, state, open } = node()
  const sampler = await open()
  const loads: number[] = []
  const costs: number[] = []
  const step = async (cpuMs: number, running: number, begun: number) => {
    state.now += 1000
    state.moves = { running, begun }
    use('', cpuMs, 100)
    const sample = await sampler.sample()
    loads.push(sample?.load.cpuPct ?? -1)
    costs.push(sample?.moveCost.cpuPct ?? -1)
  }
  await step(0, 0, 0)
  await step(50, 0, 0) // 10 % from outside
  await step(450, 1, 1) // the move burns 70 % more
  await step(850, 0, 1) // and ended in this interval
  await step(900, 0, 1) // calm again
  await step(1300, 0, 2) // a move that began and ended between two readings
  await step(1700, 0, 2) // no move: this is real
  expect(loads).toEqual([-1, 10, 10, 10, 10, 10, 80])
  expect(costs).toEqual([-1, 0, 70, 70, 0, 70, 0])
})

test('load from outside that ends during a move is seen at once; load that begins is seen when moves have gone on for long', async () => {
  const { use, state, open } = node()
  const sampler = await open()
  const sampleAt = async (now: number, cpuMs: number, running: number) => {
    state.now = now
    state.moves = { running, begun: running }
    use('', cpuMs, 100)
    return (await sampler.sample())?.load.cpuPct
  }
  await sampleAt(0, 0, 0)
  expect(await sampleAt(1000, 300, 0)).toBe(60)
  expect(await sampleAt(2000, 350, 1)).toBe(10)
  let cpuMs = 350
  const seen: (number | undefined)[] = []
  for (let now = 3000; now <= 125_000; now += 1000) seen.push(await sampleAt(now, (cpuMs += 400), 1))
  expect(seen.slice(0, 100).every(load => load === 10)).toBe(true)
  expect(seen.at(-1)).toBe(80)
})

test('a copy that a move has just brought has no rate of its own yet: what its restore burns is not its use', async () => {
  const { use, state, open } = node()
  const sampler = await open()
  await sampler.sample()
  state.now = 1000
  state.moves = { running: 1, begun: 1 }
  state.services = [{ id: 'web', containerId: id('a') }]
  use(`/docker/${id('a')}`, 5000, 10)
  use('', 5000, 20)
  expect((await sampler.sample())?.services[0]).toMatchObject({ cpuCores: 0, ramBytes: 10 * 1024 ** 2 })
  state.now = 2000
  state.moves = { running: 0, begun: 1 }
  use(`/docker/${id('a')}`, 5050, 10)
  use('', 5060, 20)
  expect((await sampler.sample())?.services[0]?.cpuCores).toBeCloseTo(0.05)
})

test('a reading after a long sleep is no average and says nothing', async () => {
  const { use, state, open } = node()
  const sampler = await open()
  await sampler.sample()
  state.now = 3_600_000
  use('', 1000, 10)
  expect(await sampler.sample()).toBeNull()
  state.now += 1000
  use('', 1100, 10)
  expect((await sampler.sample())?.load.cpuPct).toBeCloseTo(20)
})

test('a container without a group of its own is asked of the engine', async () => {
  const uses: GroupUse[] = [
    { cpuNs: 0, ramBytes: 1024 ** 2 },
    { cpuNs: 1e8, ramBytes: 1024 ** 2 },
  ]
  const { use, state, open } = node({ useOf: async () => uses.shift() })
  state.services = [{ id: 'web', containerId: id('c') }]
  const sampler = await open()
  await sampler.sample()
  state.now = 1000
  use('', 200, 10)
  expect((await sampler.sample())?.services[0]?.cpuCores).toBeCloseTo(0.1)
})

test('a plain host without limits is measured as the whole machine', async () => {
  const { texts, state, open } = node()
  texts['/sys/fs/cgroup/cpu/cpu.cfs_quota_us'] = '-1\n'
  texts['/sys/fs/cgroup/memory/memory.limit_in_bytes'] = '9223372036854771712\n'
  const sampler = await open()
  await sampler.sample()
  state.now = 1000
  texts['/proc/stat'] = 'cpu  60 0 30 5000 10 5 5 0 0 0\ncpu0 0\ncpu1 0\n'
  expect(await sampler.sample()).toMatchObject({
    capacity: { cores: 2, ramBytes: 8 * GIB },
    load: { cpuPct: 50, ramPct: 50 },
  })
})

test('version 2 of cgroups is read the same way', async () => {
  const files = recordedFiles({
    '/sys/fs/cgroup/cgroup.controllers': 'cpu memory\n',
    '/sys/fs/cgroup/cpu.max': '150000 100000\n',
    '/sys/fs/cgroup/memory.max': '2147483648\n',
    '/sys/fs/cgroup/cpuset.cpus.effective': '0-3,6\n',
    '/sys/fs/cgroup/cpu.stat': 'usage_usec 1500\nuser_usec 1000\n',
    '/sys/fs/cgroup/memory.current': '3000\n',
    '/sys/fs/cgroup/memory.stat': 'anon 1\ninactive_file 500\nactive_file 500\n',
    [`/sys/fs/cgroup/docker/${id('a')}/cpu.stat`]: 'usage_usec 7\n',
    [`/sys/fs/cgroup/docker/${id('a')}/memory.current`]: '10\n',
  })
  const cgroup = await openCgroup(files)
  expect(await cgroup?.limits()).toEqual({ cores: 1.5, ramBytes: 2 * GIB })
  expect(await cgroup?.use()).toEqual({ cpuNs: 1_500_000, ramBytes: 2000 })
  const containers = await cgroup?.containers()
  expect([...(containers ?? [])]).toEqual([[id('a'), `docker/${id('a')}`]])
  expect(await cgroup?.containerUse(`docker/${id('a')}`)).toEqual({ cpuNs: 7000, ramBytes: 10 })
  expect(await cgroup?.containerUse('docker/gone')).toBeUndefined()
})

test('version 2 without limits counts the processors it may run on', async () => {
  const cgroup = await openCgroup(
    recordedFiles({ '/sys/fs/cgroup/cgroup.controllers': 'cpu\n', '/sys/fs/cgroup/cpuset.cpus.effective': '0-1\n' }),
  )
  expect(await cgroup?.limits()).toEqual({ cores: 2, ramBytes: null })
  expect(await cgroup?.use()).toBeUndefined()
})

test('what the configuration says of the capacity wins over what was found', async () => {
  const { files } = node()
  const cgroup = await openCgroup(files)
  expect(await nodeCapacity(files, cgroup, 1, { cores: 3 })).toEqual({ cores: 3, ramBytes: GIB, gpus: 1 })
})
