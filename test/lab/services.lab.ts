// What a person can do with services, by the command line and the API, from any node for any node: run, list, look, read, stop, start, remove;
// what follows when a program ends; and that no container is ever touched which is not Shoal's. Two engines, one mesh.

import { beforeAll, expect, test } from 'vitest'
import type { LogLine, ServiceDetail, ServiceReply } from '../../daemon/api/schema/service.ts'
import { containerOf, containersOf, identityOf } from './containers.ts'
import { eventually } from './eventually.ts'
import { ask, servicesSeenBy, startMesh, startNodeDaemon } from './mesh.ts'
import { calm } from './moving.ts'
import type { LabNode } from './node.ts'
import type { NodeName } from './settings.ts'
import { useLab } from './use-lab.ts'

const ticker = 'shoal/ticker:latest'
const burner = 'shoal/burner:latest'
/** For what follows within seconds; generous for a busy machine. */
const soonMs = 30_000

const lab = useLab({ project: `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-services`, nodes: ['lab3', 'vrone'] })
const at = (name: NodeName): LabNode => lab().node(name)

type Identity = ReturnType<typeof identityOf>
/** Containers that were there before Shoal came: one plain, one with the marks of another mesh. */
const foreign: Identity[] = []

beforeAll(async () => {
  const lab3 = at('lab3')
  await lab3.loadImage('ticker')
  await lab3.loadImage('burner')
  const labels = { 'shoal.service': 'other', 'shoal.epoch': '1', 'shoal.mesh': 'ffffffffffffffffffff' }
  for (const [name, Labels] of [
    ['plain', {}],
    ['of-another-mesh', labels],
  ] as const) {
    const container = await lab3.docker.createContainer({ Image: ticker, Cmd: ['1', '1000'], name, Labels })
    await container.start()
    foreign.push(identityOf(await container.inspect()))
  }
  await startMesh(lab(), calm)
})

/** `--json` goes first: what follows the image is the program's. */
const run = async (node: LabNode, ...args: readonly string[]) =>
  JSON.parse(await node.output(['shoal', 'run', '--json', ...args])) as ServiceDetail
const inspect = (node: LabNode, ref: string) => node.shoalJson('inspect', ref) as Promise<ServiceDetail>
const list = async (node: LabNode) => ((await node.shoalJson('ls')) as { services: ServiceReply[] }).services

async function row(node: LabNode, name: string): Promise<ServiceReply> {
  const found = (await servicesSeenBy(node)).find(service => service.name === name)
  if (found === undefined) throw new Error(`${node.name} sees no ${name}`)
  return found
}

const inState = (node: LabNode, name: string, good: (service: ServiceReply) => boolean, says: string) =>
  eventually(() => row(node, name), { deadlineMs: soonMs, says: `${node.name} sees ${name} ${says}`, until: good })

test('a service is run from any node on any node, and every node lists it', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  const started = await vrone.shoal(
    'run',
    '--node',
    'lab3',
    '--name',
    'tick',
    '-e',
    'WORD=a b',
    '--cpu',
    '0.05',
    ticker,
    '8',
    '50',
  )
  expect(started).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[0-9a-f-]{36}\n$/) })
  expect(started.stderr).toBe('tick runs on lab3\n')
  const id = started.stdout.trim()
  for (const node of [lab3, vrone]) {
    const seen = await inState(node, 'tick', ({ state }) => state === 'running', 'running')
    expect(seen).toMatchObject({ id, type: 'stateful', node: 'lab3', epoch: 1, image: ticker, reason: '' })
    expect(await node.output(['shoal', 'ls'])).toMatch(/^tick +stateful +lab3 +running +1 +0\.05 cores +shoal\/ticker:latest/m)
    expect(await node.output(['shoal', 'ps', '-q'])).toBe(id)
  }
  const container = await containerOf(lab3, id)
  expect(container.Config).toMatchObject({ Cmd: ['8', '50'], Env: expect.arrayContaining(['WORD=a b']) })
  expect(container.HostConfig.RestartPolicy?.Name).toBe('no')
  expect(container.HostConfig.SecurityOpt ?? []).toEqual([])
  expect(await containersOf(vrone, id)).toEqual([])
})

test('a service is meant by its name, its id, or a beginning of either that fits only one', async () => {
  const vrone = at('vrone')
  const { id } = await inspect(vrone, 'tick')
  for (const ref of [id, id.slice(0, 6), 'ti']) expect(await inspect(vrone, ref)).toMatchObject({ id, name: 'tick' })
  await run(vrone, '--node', 'lab3', '--name', 'tick-two', '--cpu', '0.05', ticker, '1', '1000')
  expect(await inspect(vrone, 'tick')).toMatchObject({ id })
  const several = await vrone.shoal('inspect', 'ti')
  expect(several).toMatchObject({ code: 2, stdout: '' })
  expect(several.stderr).toMatch(/tick \(.*tick-two \(/)
  const none = await vrone.shoal('inspect', 'tock')
  expect(none).toMatchObject({ code: 3, stdout: '' })
  expect(none.stderr).toMatch(/tock[^]*shoal ls/)
})

test('the API answers what the command line prints', async () => {
  const vrone = at('vrone')
  const fixed = ({ use: _use, ...rest }: ServiceDetail) => rest
  const api = await ask<ServiceDetail>(vrone, '/api/services/tick')
  expect(fixed(await inspect(vrone, 'tick'))).toEqual(fixed(api))
  expect(await vrone.output(['shoal', 'inspect', 'tick'])).toMatch(/^name: +tick$/m)
  const missing = await vrone.api('/api/services/tock')
  expect(missing.status).toBe(404)
  expect(await missing.json()).toEqual({
    code: 'SERVICE_NOT_FOUND',
    message: expect.stringContaining('tock'),
    hint: expect.stringContaining('shoal ls'),
  })
})

test('logs come from whatever node the service is on; -f goes on with what it prints until Ctrl-C', async () => {
  const vrone = at('vrone')
  const last = await vrone.output(['shoal', 'logs', '-n', '3', 'tick'])
  expect(last.split('\n')).toHaveLength(3)
  expect(last).toMatch(/^[0-9a-f]{32} \d+ \d{13}$/m)
  const follow = await vrone.run([
    'timeout',
    '--preserve-status',
    '-s',
    'INT',
    '2',
    'shoal',
    'logs',
    '-f',
    '-n',
    '1',
    '--json',
    'tick',
  ])
  expect(follow.code).toBe(130)
  const lines = follow.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as LogLine)
  expect(lines.length).toBeGreaterThan(5)
  expect(new Set(lines.map(({ node, stream }) => `${node} ${stream}`))).toEqual(new Set(['lab3 stdout']))
  const counters = lines.map(({ line }) => Number(line.split(' ')[1]))
  expect(counters).toEqual(counters.map((_, index) => (counters[0] ?? 0) + index))
})

test('any node stops, starts and removes a service of any node: the same container, its files kept, until it is removed', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  const { id } = await inspect(vrone, 'tick')
  const before = await containerOf(lab3, id)
  expect(await vrone.shoal('stop', 'tick')).toMatchObject({ code: 0, stdout: 'tick\n' })
  expect(await inspect(vrone, 'tick')).toMatchObject({ state: 'stopped', reason: 'stopped by hand' })
  expect((await containerOf(lab3, id)).State).toMatchObject({ Running: false, ExitCode: 7 })
  expect(await vrone.output(['shoal', 'ps'])).not.toMatch(/ tick$/m)
  expect(await vrone.output(['shoal', 'ps', '-a'])).toMatch(/stopped \(stopped by hand\).* tick$/m)

  expect((await vrone.shoal('start', 'tick')).code).toBe(0)
  const again = await containerOf(lab3, id)
  expect(again.Id).toBe(before.Id)
  expect(again.State.Running).toBe(true)

  const busy = await vrone.shoal('rm', 'tick')
  expect(busy.code).toBe(8)
  expect(busy.stderr).toMatch(/tick is running[^]*shoal stop tick/)
  expect((await vrone.shoal('rm', '-f', 'tick')).code).toBe(0)
  expect(await containersOf(lab3, id)).toEqual([])
  expect((await vrone.shoal('inspect', id)).code).toBe(3)
  await eventually(async () => !(await list(lab3)).some(({ name }) => name === 'tick'), {
    deadlineMs: soonMs,
    says: 'lab3 has forgotten it too',
  })
})

test('of several services each is tried, and the first failure is the exit status', async () => {
  const lab3 = at('lab3')
  const result = await lab3.shoal('rm', '-f', 'nobody', 'tick-two')
  expect(result).toMatchObject({ code: 3, stdout: 'tick-two\n' })
  expect(result.stderr).toMatch(/nobody/)
  expect(await list(lab3)).toEqual([])
})

test('a name in use is refused on every node, and nothing is left of the attempt', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  const { id } = await run(lab3, '--name', 'unique', '--cpu', '0.05', ticker, '1', '1000')
  await inState(vrone, 'unique', ({ state }) => state === 'running', 'running')
  await vrone.loadImage('ticker')
  for (const node of [lab3, vrone]) {
    const refused = await node.shoal('run', '--name', 'unique', ticker, '1')
    expect(refused).toMatchObject({ code: 8, stdout: '' })
    expect(refused.stderr).toMatch(/called unique already/)
  }
  expect((await list(vrone)).map(service => service.id)).toEqual([id])
  expect(await vrone.docker.listContainers({ all: true })).toEqual([])
  expect(await lab3.docker.listContainers({ all: true })).toHaveLength(1 + foreign.length)
  await vrone.output(['shoal', 'rm', '-f', 'unique'])
})

test.each([
  [4, ['run', 'no/such:image'], /no image no\/such:image[^]*docker (pull|load)/],
  [3, ['run', '--node', 'nowhere', ticker], /nowhere[^]*shoal node ls/],
  [2, ['run', '--name', 'a b', ticker], /name/],
  [2, ['run', '--restart', 'sometimes', ticker], /on-failure/],
  [2, ['run', '--cpu', 'lots', ticker], /cpu "lots"[^]*0\.5/],
  [2, ['run', '--cpu', '0', ticker], /cpu "0"/],
  [2, ['run', '--ram', '64Mib!', ticker], /ram "64Mib!"[^]*256Mi/],
  [2, ['run', '--cpu', '120%', ticker], /at most 100 %/],
  [2, ['run'], /image/],
  [3, ['stop', 'nobody'], /nobody/],
  [3, ['start', 'nobody'], /nobody/],
  [3, ['logs', 'nobody'], /nobody/],
  [3, ['move', 'nobody'], /nobody/],
  [3, ['explain', 'nobody'], /nobody/],
  [3, ['profile', 'rm', 'nobody'], /nobody/],
  [6, ['--socket', '/run/none.sock', 'ls'], /\/run\/none\.sock[^]*shoal up/],
] as const)('exit status %i: shoal %j', async (code, args, says) => {
  const lab3 = at('lab3')
  const before = (await lab3.docker.listContainers({ all: true })).length
  const result = await lab3.shoal(...args)
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' })
  expect(result.stderr).toMatch(says)
  expect(await list(lab3)).toEqual([])
  expect(await lab3.docker.listContainers({ all: true })).toHaveLength(before)
})

test('`no`: a program that ends stays ended, and its exit code is the reason', async () => {
  const vrone = at('vrone')
  await run(vrone, '--node', 'lab3', '--name', 'fails', '--restart', 'no', ticker, '0')
  const ended = await inState(vrone, 'fails', ({ state }) => state === 'exited', 'exited')
  expect(ended.reason).toBe('exit code 64')
  expect(await vrone.output(['shoal', 'ls'])).toMatch(/^fails .*exited \(exit code 64\)/m)
  await vrone.output(['shoal', 'rm', 'fails'])
})

test('`on-failure`: restarted by Shoal after a failure, with growing pauses and the reason told; after success it stays ended', async () => {
  const lab3 = at('lab3')
  const { id } = await run(lab3, '--name', 'again', '--restart', 'on-failure', ticker, '0')
  const first = await containerOf(lab3, id)
  const trying = await inState(
    lab3,
    'again',
    ({ reason }) => /exit code 64, starts again in (400|800) ms/.test(reason),
    'restarted',
  )
  expect(trying.state).toBe('starting')
  const later = await containerOf(lab3, id)
  expect(later.Id).toBe(first.Id)
  expect(later.HostConfig.RestartPolicy?.Name).toBe('no')
  expect(later.RestartCount).toBe(0)
  await lab3.output(['shoal', 'stop', 'again'])
  expect(await inspect(lab3, 'again')).toMatchObject({ state: 'stopped' })
  await run(lab3, '--name', 'succeeds', '--restart', 'on-failure', burner, 'ram', '1', '1')
  expect(await inState(lab3, 'succeeds', ({ state }) => state === 'exited', 'exited')).toMatchObject({ reason: 'exit code 0' })
  await lab3.output(['shoal', 'rm', 'again', 'succeeds'])
})

test('`always`: runs again whatever ended it, also a kill past Shoal, and `logs -f` goes on; stopped by hand it stays stopped', async () => {
  const lab3 = at('lab3')
  const { id } = await run(lab3, '--name', 'forever', '--restart', 'always', '--cpu', '0.05', ticker, '1', '100')
  const before = identityOf(await containerOf(lab3, id))
  await eventually(() => lab3.output(['shoal', 'logs', 'forever']), {
    deadlineMs: soonMs,
    says: 'its first life has said something',
    until: text => text !== '',
  })
  const following = at('vrone').run(['timeout', '-s', 'INT', '4', 'shoal', 'logs', '-f', 'forever'])
  await lab3.docker.getContainer(before.id).kill()
  const after = await eventually(async () => identityOf(await containerOf(lab3, id)), {
    deadlineMs: soonMs,
    says: 'the killed program runs again',
    until: ({ running, pid }) => running && pid !== before.pid,
  })
  expect(after.id).toBe(before.id)
  await inState(at('vrone'), 'forever', ({ state }) => state === 'running', 'running again')
  const numbers = (await following).stdout.match(/^[0-9a-f]{32}(?= )/gm)
  expect(new Set(numbers).size, 'whoever follows its log reads both lives of it').toBe(2)
  await lab3.output(['shoal', 'stop', 'forever'])
  expect(await inspect(lab3, 'forever')).toMatchObject({ state: 'stopped' })
  expect((await containerOf(lab3, id)).State.Running).toBe(false)
})

test('with the daemon `always` comes back, `unless-stopped` does not: as Docker has it; what ended meanwhile is seen', async () => {
  const lab3 = at('lab3')
  const rests = await run(lab3, '--name', 'rests', '--restart', 'unless-stopped', '--cpu', '0.05', ticker, '1', '100')
  await lab3.output(['shoal', 'stop', 'rests'])
  const dies = await run(lab3, '--name', 'dies', '--restart', 'unless-stopped', '--cpu', '0.05', ticker, '1', '100')
  await lab3.stopDaemon()
  await lab3.docker.getContainer((await containerOf(lab3, dies.id)).Id).kill()
  await startNodeDaemon(lab3, calm)
  await inState(at('vrone'), 'forever', ({ state }) => state === 'running', 'running with its daemon')
  await inState(at('vrone'), 'dies', ({ state }) => state === 'running', 'running again')
  expect((await containerOf(lab3, dies.id)).State.Running).toBe(true)
  expect((await containerOf(lab3, rests.id)).State.Running).toBe(false)
  await lab3.output(['shoal', 'rm', '-f', 'forever', 'rests', 'dies'])
})

test('a container removed past Shoal is told as that, and `start` makes a new one', async () => {
  const lab3 = at('lab3')
  const { id } = await run(lab3, '--name', 'pulled', '--cpu', '0.05', ticker, '1', '100')
  await lab3.docker.getContainer((await containerOf(lab3, id)).Id).remove({ force: true })
  const failed = await inState(lab3, 'pulled', ({ state }) => state === 'failed' || state === 'exited', 'not running')
  expect(failed.reason).not.toBe('')
  await lab3.output(['shoal', 'start', 'pulled'])
  expect((await containerOf(lab3, id)).State.Running).toBe(true)
  await lab3.output(['shoal', 'rm', '-f', 'pulled'])
  expect(await list(lab3)).toEqual([])
})

test("containers that are not Shoal's are neither listed nor touched, whatever happens around them", async () => {
  const lab3 = at('lab3')
  expect(await list(lab3)).toEqual([])
  for (const verb of ['stop', 'start', 'rm', 'inspect']) expect((await lab3.shoal(verb, 'plain')).code).toBe(3)
  await run(lab3, '--name', 'plain', '--cpu', '0.05', ticker, '1', '100')
  await lab3.output(['shoal', 'rm', '-f', 'plain'])
  await lab3.killDaemon('SIGKILL')
  await startNodeDaemon(lab3, calm)
  await eventually(() => list(lab3), { deadlineMs: soonMs, says: 'lab3 answers', until: services => services.length === 0 })
  const now = await Promise.all(foreign.map(async ({ id }) => identityOf(await lab3.docker.getContainer(id).inspect())))
  expect(now).toEqual(foreign)
  expect(now.map(({ running }) => running)).toEqual([true, true])
})
