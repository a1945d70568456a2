// Profiles and load on real cgroups: a quota in cores and bytes or in percent of the host becomes a limit the kernel keeps; one set later reaches what
// runs; a service without one needs what it was measured to use; and a node loaded from outside its services turns red for everybody, and green again.

import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { ExplainReply } from '../../daemon/api/schema/move.ts'
import type { ServiceDetail, ServiceReply } from '../../daemon/api/schema/service.ts'
import type { ProfileReply } from '../../daemon/api/schema/strategy.ts'
import { containerOf, identityOf } from './containers.ts'
import { eventually } from './eventually.ts'
import { meshUpMs } from './limits.ts'
import { nodesSeenBy, servicesSeenBy, startMesh } from './mesh.ts'
import type { LabNode } from './node.ts'
import type { NodeName } from './settings.ts'
import { useLab } from './use-lab.ts'

const mib = 1024 ** 2
const ticker = 'shoal/ticker:latest'
const burner = 'shoal/burner:latest'
const soonMs = 30_000
/** A service that may burn 0.1 of a core on a busy machine. */
const measureMs = 4_000

const lab = useLab({ project: `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-limits`, nodes: ['lab3', 'vrone'] })
const at = (name: NodeName): LabNode => lab().node(name)

beforeAll(async () => {
  for (const name of ['lab3', 'vrone'] as const) {
    await at(name).loadImage('ticker')
    await at(name).loadImage('burner')
  }
  await startMesh(lab())
})

/** Each test begins with two green nodes, no service and no profile. */
beforeEach(async () => {
  const vrone = at('vrone')
  const { services } = (await vrone.shoalJson('ls')) as { services: ServiceReply[] }
  if (services.length > 0) await vrone.output(['shoal', 'rm', '-f', ...services.map(({ id }) => id)])
  const { profiles } = (await vrone.shoalJson('profile', 'ls')) as { profiles: ProfileReply[] }
  for (const { match } of profiles) await vrone.output(['shoal', 'profile', 'rm', match])
})

/** `--json` goes first: what follows the image is the program's. */
const run = async (node: LabNode, ...args: readonly string[]) =>
  JSON.parse(await node.output(['shoal', 'run', '--json', ...args])) as ServiceDetail

const seen = async (viewer: LabNode, name: string): Promise<ServiceReply> => {
  const found = (await servicesSeenBy(viewer)).find(service => service.name === name)
  if (found === undefined) throw new Error(`${viewer.name} sees no ${name}`)
  return found
}

/** Docker cannot take a limit of RAM back: one that no host can reach stands for none. */
const beyondAny = 2 ** 40

/** Limits as the engine holds them: cores and bytes, 0 where there is none. */
async function limitsOf(node: LabNode, service: string): Promise<{ cores: number; ramBytes: number }> {
  const { HostConfig } = await containerOf(node, service)
  const { NanoCpus = 0, CpuQuota = 0, CpuPeriod = 0, Memory = 0 } = HostConfig
  const byQuota = CpuQuota > 0 ? CpuQuota / (CpuPeriod > 0 ? CpuPeriod : 100_000) : 0
  return { cores: NanoCpus > 0 ? NanoCpus / 1e9 : byQuota, ramBytes: Memory >= beyondAny ? 0 : Memory }
}

/** Cores a service used over a while, by the engine's own count. */
async function coresUsed(node: LabNode, service: string): Promise<number> {
  const container = node.docker.getContainer((await containerOf(node, service)).Id)
  const usedNs = async () => (await container.stats({ stream: false, 'one-shot': true })).cpu_stats.cpu_usage.total_usage
  const [fromNs, from] = [await usedNs(), performance.now()]
  await eventually(() => performance.now() - from, {
    deadlineMs: 2 * measureMs,
    says: 'time passes',
    until: ms => ms >= measureMs,
  })
  return ((await usedNs()) - fromNs) / 1e6 / (performance.now() - from)
}

const limitsBecome = (node: LabNode, service: string, wanted: { cores: number; ramBytes: number }) =>
  eventually(() => limitsOf(node, service), {
    deadlineMs: soonMs,
    says: `the engine of ${node.name} holds it to ${wanted.cores} cores and ${wanted.ramBytes / mib} MiB`,
    until: now => Math.abs(now.cores - wanted.cores) < 0.001 && Math.abs(now.ramBytes - wanted.ramBytes) < mib,
  })

test('cores and bytes are limits of the container, and a program that wants more CPU stays near its quota', async () => {
  const vrone = at('vrone')
  const { id } = await run(
    at('lab3'),
    '--node',
    'vrone',
    '--name',
    'burns',
    '--cpu',
    '0.1',
    '--ram',
    '64Mi',
    burner,
    'cpu',
    '60',
    '2',
  )
  expect(await limitsOf(vrone, id)).toEqual({ cores: 0.1, ramBytes: 64 * mib })
  const cores = await coresUsed(vrone, id)
  expect(cores).toBeGreaterThan(0.04)
  expect(cores).toBeLessThan(0.13)
  const told = await eventually(() => seen(at('lab3'), 'burns'), {
    deadlineMs: soonMs,
    says: 'its use is told to the other node',
    until: ({ use }) => (use?.cpuCores ?? 0) > 0.04,
  })
  expect(told.use?.cpuCores).toBeLessThan(0.15)
  expect(told).toMatchObject({ node: 'vrone', profile: { cpu: '0.1', ram: '64Mi', gpu: null, from: 'service' } })
})

test('percent is of whatever host the service is on, and stays written as it was', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  const small = await run(vrone, '--node', 'lab3', '--name', 'tenth', '--cpu', '10%', '--ram', '10%', ticker, '4', '50')
  const large = await run(lab3, '--node', 'vrone', '--name', 'tenth-too', '--cpu', '10%', '--ram', '10%', ticker, '4', '50')
  expect(small.profile).toEqual({ cpu: '10%', ram: '10%', gpu: null, from: 'service' })
  await limitsBecome(lab3, small.id, { cores: 0.05, ramBytes: 0.1 * 1024 * mib })
  await limitsBecome(vrone, large.id, { cores: 0.1, ramBytes: 0.2 * 1024 * mib })
  const plan = await eventually(() => vrone.shoalJson('explain', 'tenth') as Promise<ExplainReply>, {
    deadlineMs: soonMs,
    says: 'it was measured',
  })
  expect(plan.need).toMatchObject({ cpuPct: 10, ramPct: 10 })
})

test('a program that takes more RAM than its quota is ended by the kernel, and that is the reason told', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  const { id } = await run(lab3, '--node', 'vrone', '--name', 'greedy', '--ram', '64Mi', burner, 'ram', '256', '60')
  const ended = await eventually(() => seen(lab3, 'greedy'), {
    deadlineMs: soonMs,
    says: 'it was ended',
    until: ({ state }) => state === 'exited' || state === 'failed',
  })
  expect(ended.reason).toMatch(/memory/)
  expect((await containerOf(vrone, id)).State).toMatchObject({ OOMKilled: true, ExitCode: 137 })
  expect(await lab3.output(['shoal', 'ls'])).toMatch(/^greedy .*out of memory/m)

  const modest = await run(lab3, '--node', 'vrone', '--name', 'modest', '--ram', '64Mi', burner, 'ram', '32', '60')
  const told = await eventually(() => seen(lab3, 'modest'), {
    deadlineMs: soonMs,
    says: 'what it holds was measured',
    until: ({ use }) => (use?.ramBytes ?? 0) > 30 * mib,
  })
  expect(told).toMatchObject({ id: modest.id, state: 'running' })
})

test('a profile set by name on any node reaches the service that runs; a name wins over an image; removed, the limits are lifted', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  const { id } = await run(vrone, '--name', 'shaped', ticker, '8', '50')
  const before = identityOf(await containerOf(vrone, id))
  expect(await limitsOf(vrone, id)).toEqual({ cores: 0, ramBytes: 0 })

  await lab3.output(['shoal', 'profile', 'set', 'shaped', '--cpu', '0.2', '--ram', '128Mi'])
  await limitsBecome(vrone, id, { cores: 0.2, ramBytes: 128 * mib })
  await vrone.output(['shoal', 'profile', 'set', 'shoal/ticker', '--cpu', '30%', '--ram', '256Mi'])
  expect(await seen(vrone, 'shaped')).toMatchObject({ profile: { cpu: '0.2', ram: '128Mi', from: 'name' } })
  const { profiles } = (await vrone.shoalJson('profile', 'ls')) as { profiles: ProfileReply[] }
  expect(profiles).toEqual([
    { match: 'shaped', cpu: '0.2', ram: '128Mi', gpu: null, usedBy: 1 },
    { match: 'shoal/ticker', cpu: '30%', ram: '256Mi', gpu: null, usedBy: 0 },
  ])
  await vrone.output(['shoal', 'profile', 'rm', 'shaped'])
  await limitsBecome(vrone, id, { cores: 0.3, ramBytes: 256 * mib })
  expect(await seen(vrone, 'shaped')).toMatchObject({ profile: { from: 'image' } })
  await vrone.output(['shoal', 'profile', 'rm', 'shoal/ticker'])
  await limitsBecome(vrone, id, { cores: 0, ramBytes: 0 })
  expect(identityOf(await containerOf(vrone, id))).toEqual(before)
})

test('without a profile the need is what was measured: the RAM in use, and at least 1 % CPU; with one it is the quota', async () => {
  const vrone = at('vrone')
  await run(vrone, '--name', 'measured', ticker, '128', '1000')
  const explain = () => vrone.shoalJson('explain', 'measured') as Promise<ExplainReply>
  const { need } = await eventually(explain, { deadlineMs: soonMs, says: 'it was measured', until: plan => plan.need.ramPct > 6 })
  // 128 MiB of 2 GiB is 6.25 %; a little for the program itself.
  expect(need.ramPct).toBeLessThan(7.5)
  expect(need.cpuPct).toBeGreaterThanOrEqual(1)
  expect(need.cpuPct).toBeLessThan(10)
  await vrone.output(['shoal', 'profile', 'set', 'measured', '--cpu', '0.2', '--ram', '256Mi'])
  const quota = await eventually(explain, {
    deadlineMs: soonMs,
    says: 'the profile is in force',
    until: plan => plan.need.cpuPct > 15,
  })
  expect(quota.need).toMatchObject({ cpuPct: 20, ramPct: 12.5 })
})

test('a load loop outside all services turns a node red for every node, told apart from its services; ended, it is green again', async () => {
  const vrone = at('vrone')
  const everyoneSees = (state: 'red' | 'green') =>
    Promise.all(
      lab().nodes.map(viewer =>
        eventually(async () => (await nodesSeenBy(viewer)).find(({ name }) => name === 'vrone'), {
          deadlineMs: meshUpMs,
          says: `${viewer.name} sees vrone ${state}`,
          until: node => node?.state === state,
        }),
      ),
    )
  await everyoneSees('green')
  {
    await using _load = await vrone.burn({ seconds: 60, percent: 100, threads: 1 })
    for (const node of await everyoneSees('red')) {
      expect(node.load?.cpuPct).toBeGreaterThanOrEqual(50)
      expect(node.outside?.cpuPct).toBeGreaterThanOrEqual(50)
    }
    expect(await at('lab3').output(['shoal', 'node', 'ls'])).toMatch(/^vrone +edge +red /m)
    expect((await nodesSeenBy(at('lab3'))).find(({ name }) => name === 'lab3')?.state).toBe('green')
  }
  for (const node of await everyoneSees('green')) expect(node.load?.cpuPct).toBeLessThan(50)
})

test('what services use is theirs: it does not count as load from outside', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  await run(lab3, '--node', 'vrone', '--name', 'busy', '--cpu', '0.3', burner, 'cpu', '60', '1')
  const shows = async () => {
    const node = (await nodesSeenBy(lab3)).find(({ name }) => name === 'vrone')
    return { outside: node?.outside?.cpuPct ?? 100, services: (node?.load?.cpuPct ?? 0) - (node?.outside?.cpuPct ?? 100) }
  }
  await eventually(shows, {
    deadlineMs: soonMs,
    says: 'its load shows as that of services',
    until: ({ services }) => services > 15,
  })
  expect((await shows()).outside).toBeLessThan(20)
  expect((await seen(vrone, 'busy')).use?.cpuPct).toBeGreaterThan(15)
})
