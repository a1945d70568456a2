import { expect, test } from 'vitest'
import { EngineError } from './errors.ts'
import { TURNS_WAITING_MAX } from './service-bounds.ts'
import { Services } from './services.ts'
import { idle } from '../test/sim/manual-clock.ts'
import { MiB, type SimNode, simWorld, webSpec } from '../test/sim/service-node.ts'
import type { ServiceRecord } from '../placement/view.ts'

const patience = new AbortController().signal

async function running(more: Parameters<typeof webSpec>[0] = {}) {
  const world = simWorld()
  const node = await world.node('lab3')
  const record = await node.services.run(webSpec(more), patience)
  return { world, node, record, container: () => node.services.containerOf(record.id) ?? 'none' }
}

const stateOf = (node: SimNode, id: string): Pick<ServiceRecord, 'state' | 'reason'> | undefined => {
  const record = node.mesh.services.get(id)
  return record && { state: record.state, reason: record.reason }
}

const containerState = async (node: SimNode, id: string): Promise<string | undefined> =>
  (await node.engine.inspect(id, patience))?.state

test('a service that is run is written into the mesh before it runs, and runs in a container of its epoch', async () => {
  const { node, record, container } = await running()
  expect(record).toMatchObject({ state: 'running', epoch: 1, owner: 'id-of-lab3', spec: { name: 'web' } })
  expect(await node.engine.inspect(container(), patience)).toMatchObject({
    state: 'running',
    restart: 'no',
    marks: { service: record.id, epoch: 1 },
  })
})

test('a name in use anywhere in the mesh is refused', async () => {
  const { world } = await running()
  const other = await world.node('vrone')
  world.net.heal()
  await expect(other.services.run(webSpec(), patience)).rejects.toMatchObject({ code: 'SERVICE_NAME_TAKEN' })
})

test('of two runs of one name at once one is refused', async () => {
  const node = await simWorld().node('lab3')
  const both = await Promise.allSettled([node.services.run(webSpec(), patience), node.services.run(webSpec(), patience)])
  expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect(await node.engine.list(patience)).toHaveLength(1)
})

test('an image this node has not got is refused with the way to get it, and nothing is left', async () => {
  const node = await simWorld().node('lab3')
  await expect(node.services.run(webSpec({ image: 'nginx' }), patience)).rejects.toMatchObject({
    code: 'IMAGE_MISSING',
    hint: expect.stringContaining('docker pull nginx'),
  })
  expect(node.mesh.services.list()).toEqual([])
})

test('a run that the engine cannot start leaves neither container nor service', async () => {
  const node = await simWorld().node('lab3')
  node.engine.failNext('start', new EngineError('START_FAILED', { what: 'no such program', hint: 'correct the arguments' }))
  await expect(node.services.run(webSpec(), patience)).rejects.toMatchObject({ code: 'START_FAILED' })
  expect(node.mesh.services.list()).toEqual([])
  expect(await node.engine.list(patience)).toEqual([])
})

test('a client hosts nothing', async () => {
  const node = await simWorld().node('phone', 'client')
  await expect(node.services.run(webSpec(), patience)).rejects.toMatchObject({ code: 'NODE_HOSTS_NOTHING' })
})

test('a program that ends is said to have ended, with its code', async () => {
  const { node, record, container } = await running()
  node.engine.exit(container(), 3)
  await idle()
  expect(stateOf(node, record.id)).toEqual({ state: 'exited', reason: 'exit code 3' })
})

test('restart policy always: it starts again after 100 ms, then 200, and the pause begins anew after 10 s of health', async () => {
  const { world, node, record, container } = await running({ restart: 'always' })
  const crash = async (): Promise<string | undefined> => {
    node.engine.exit(container(), 1)
    await idle()
    return stateOf(node, record.id)?.reason
  }
  expect(await crash()).toBe('exit code 1, starts again in 100 ms')
  await world.clock.advance(99)
  expect(stateOf(node, record.id)?.state).toBe('starting')
  await world.clock.advance(1)
  expect(stateOf(node, record.id)).toEqual({ state: 'running', reason: '' })
  expect(await crash()).toBe('exit code 1, starts again in 200 ms')
  await world.clock.advance(200 + 10_000)
  expect(await crash()).toBe('exit code 1, starts again in 100 ms')
})

test('on-failure starts again after a failure only', async () => {
  const { world, node, record, container } = await running({ restart: 'on-failure' })
  node.engine.exit(container(), 2)
  await idle()
  await world.clock.advance(100)
  expect(stateOf(node, record.id)?.state).toBe('running')
  node.engine.exit(container(), 0)
  await idle()
  expect(stateOf(node, record.id)).toEqual({ state: 'exited', reason: 'exit code 0' })
})

test('a service stopped by hand stays stopped, also while it waited to start again', async () => {
  const { world, node, record, container } = await running({ restart: 'always' })
  node.engine.exit(container(), 1)
  await idle()
  await node.services.stopService(record.id, undefined, patience)
  await world.clock.advance(60_000)
  expect(stateOf(node, record.id)).toEqual({ state: 'stopped', reason: 'stopped by hand' })
  expect(await containerState(node, container())).toBe('exited')
})

test('a running service that is stopped by hand is not restarted, whatever its policy', async () => {
  const { world, node, record, container } = await running({ restart: 'always' })
  await node.services.stopService(record.id, undefined, patience)
  await idle()
  await world.clock.advance(60_000)
  expect(await containerState(node, container())).toBe('exited')
})

test('stop and start keep the container, and with it its files', async () => {
  const { node, record, container } = await running()
  const before = container()
  await node.services.stopService(record.id, undefined, patience)
  const started = await node.services.startService(record.id, patience)
  await idle()
  expect(started.state).toBe('running')
  expect(container()).toBe(before)
  expect(stateOf(node, record.id)).toEqual({ state: 'running', reason: '' })
})

test('a container removed by hand is said to be gone, and start makes a new one', async () => {
  const { node, record, container } = await running()
  const before = container()
  await node.engine.remove(before, patience)
  await idle()
  expect(stateOf(node, record.id)).toMatchObject({ state: 'failed', reason: expect.stringContaining('removed by hand') })
  await node.services.startService(record.id, patience)
  expect(container()).not.toBe(before)
  expect(stateOf(node, record.id)?.state).toBe('running')
})

test('a running service is removed only by force; then its container is gone and its name free', async () => {
  const { node, record } = await running()
  await expect(node.services.removeService(record.id, { force: false }, patience)).rejects.toMatchObject({
    code: 'SERVICE_RUNNING',
  })
  await node.services.removeService(record.id, { force: true }, patience)
  expect(await node.engine.list(patience)).toEqual([])
  expect((await node.services.run(webSpec(), patience)).state).toBe('running')
})

test('a restarted daemon adopts what runs and touches it not', async () => {
  const { node, record, container } = await running()
  const before = container()
  const again = await node.restarted()
  await idle()
  expect(again.services.containerOf(record.id)).toBe(before)
  expect(stateOf(again, record.id)).toEqual({ state: 'running', reason: '' })
})

test.each([
  { says: 'no: it is said to have ended', restart: 'no', becomes: 'exited' },
  { says: 'always: it is started again', restart: 'always', becomes: 'starting' },
] as const)('a program that ended while no daemon ran, policy $says', async ({ restart, becomes }) => {
  const { node, record, container } = await running({ restart })
  await node.services.stop()
  node.engine.exit(container(), 1)
  const again = await node.restarted()
  expect(stateOf(again, record.id)?.state).toBe(becomes)
})

test.each([
  { restart: 'always', becomes: 'running' },
  { restart: 'unless-stopped', becomes: 'stopped' },
] as const)(
  'stopped by hand with policy $restart, it is $becomes after a restart of the daemon, as in Docker',
  async ({ restart, becomes }) => {
    const { node, record } = await running({ restart })
    await node.services.stopService(record.id, undefined, patience)
    expect(stateOf(await node.restarted(), record.id)?.state).toBe(becomes)
  },
)

test('a daemon that fell between record and container makes the container at its next start', async () => {
  const world = simWorld()
  const node = await world.node('lab3')
  const record: ServiceRecord = {
    ...{
      id: 'orphan',
      spec: webSpec(),
      owner: 'id-of-lab3',
      epoch: 1,
      counter: 0,
      state: 'starting',
      reason: '',
      deleted: false,
    },
  }
  await node.mesh.services.put(record)
  const again = await node.restarted()
  await idle()
  expect(stateOf(again, 'orphan')?.state).toBe('running')
  expect(await again.engine.list(patience)).toHaveLength(1)
})

test('a copy that a newer epoch has overtaken is paused and kept aside, at once when it is heard', async () => {
  const { world, node, record, container } = await running()
  const other = await world.node('vrone')
  const before = container()
  await other.mesh.services.put({ ...record, owner: other.mesh.id, epoch: 2, counter: 0 })
  await idle()
  expect(await containerState(node, before)).toBe('paused')
  expect(node.services.parked()).toEqual([{ service: record.id, name: 'web', containerId: before, newerAt: 'id-of-vrone' }])
  expect(node.notes.at(-1)).toMatchObject({ kind: 'service-parked', says: expect.stringContaining('epoch 2') })
})

test('a copy overtaken while no daemon ran is paused before anything of it runs on', async () => {
  const { world, node, record, container } = await running({ restart: 'always' })
  const other = await world.node('vrone')
  const before = container()
  await node.services.stop()
  await other.mesh.services.put({ ...record, owner: other.mesh.id, epoch: 2, counter: 0 })
  const again = await node.restarted()
  expect(await containerState(again, before)).toBe('paused')
  expect(again.services.parked()).toHaveLength(1)
})

test('a container the engine will not remove or show is told of; the node starts with the others', async () => {
  const { node, record, container } = await running({ restart: 'always' })
  const gone = await node.services.run(webSpec({ name: 'gone' }), patience)
  const leftover = node.services.containerOf(gone.id) ?? 'none'
  await node.services.stop()
  await node.mesh.services.put({ ...gone, deleted: true, counter: gone.counter + 9 })
  node.engine.exit(container(), 1)
  node.engine.failNext('remove', new EngineError('ENGINE_REFUSED', { what: 'device or resource busy', hint: 'try again' }))
  const again = await node.restarted()
  expect(again.notes).toContainEqual(
    expect.objectContaining({ kind: 'service-trouble', service: gone.id, says: expect.stringContaining('busy') }),
  )
  expect(await containerState(again, leftover)).toBe('running')
  expect(stateOf(again, record.id)?.state).toBe('starting')

  await again.services.stop()
  again.engine.failNext('inspect', new EngineError('ENGINE_REFUSED', { what: 'layer store is damaged', hint: 'mend it' }))
  const third = await again.restarted()
  expect(third.notes).toContainEqual(expect.objectContaining({ service: record.id, says: expect.stringContaining('damaged') }))
})

test('a look that finds the line of actions full does not blind the keeper to later exits', async () => {
  const { node, record, container } = await running()
  const { keeper } = node.services
  await idle()
  const block = Promise.withResolvers<undefined>()
  const line = Array.from({ length: TURNS_WAITING_MAX }, () => keeper.turns.take(record.id, () => block.promise))
  await expect(keeper.look(record.id)).rejects.toMatchObject({ code: 'SERVICE_BUSY' })
  block.resolve(undefined)
  await Promise.all(line)
  node.engine.exit(container(), 3)
  await idle()
  expect(stateOf(node, record.id)).toEqual({ state: 'exited', reason: 'exit code 3' })
})

test("containers without Shoal's marks, and those of another mesh, are never touched", async () => {
  const { world, node } = await running()
  const plan = { name: 'foreign', image: 'web', args: [], env: [], tty: false, limits: { cores: null, ramBytes: null } }
  const foreign = await node.engine.create({ ...plan, marks: { service: 'x', epoch: 1, mesh: 'another' } }, patience)
  await node.engine.start(foreign, patience)
  const again = await node.restarted()
  node.engine.exit(foreign, 1)
  await idle()
  await world.clock.advance(120_000)
  expect(await containerState(again, foreign)).toBe('exited')
  expect(again.services.containerOf('x')).toBeUndefined()
})

test('a profile is enforced from the start, and a change of it within a second', async () => {
  const { world, node, container } = await running({ profile: { cpu: '0.5', ram: '256Mi' } })
  const limits = async () => (await node.engine.inspect(container(), patience))?.limits
  expect(await limits()).toEqual({ cores: 0.5, ramBytes: 256 * MiB })
  await node.mesh.profiles.set('web', { cpu: '25%' })
  await world.clock.advance(1_000)
  expect(await limits()).toEqual({ cores: 1, ramBytes: null })
})

test('limits below what is in use are told once and left, the service runs on', async () => {
  const { world, node, record } = await running()
  await node.mesh.profiles.set('web', { ram: '16Mi' })
  await world.clock.advance(5_000)
  expect(node.notes.filter(({ kind }) => kind === 'service-trouble')).toHaveLength(1)
  expect(stateOf(node, record.id)?.state).toBe('running')
})

test('a node that belongs to no mesh yet runs nothing: nobody could find it', async () => {
  const node = await simWorld().node('lab3')
  const services = new Services({ ...node.services.keeper.parts, mesh: () => '' })
  await expect(services.run(webSpec(), patience)).rejects.toMatchObject({ code: 'NODE_IN_NO_MESH' })
})

test('a quota that cannot be read is refused before anything is made', async () => {
  const node = await simWorld().node('lab3')
  await expect(node.services.run(webSpec({ profile: { cpu: 'lots' } }), patience)).rejects.toMatchObject({
    code: 'PROFILE_REFUSED',
  })
  expect(node.mesh.services.list()).toEqual([])
})

test('a service whose spec is too large for the mesh is refused', async () => {
  const node = await simWorld().node('lab3')
  const env = [`BIG=${'x'.repeat(30_000)}`]
  await expect(node.services.run(webSpec({ env }), patience)).rejects.toMatchObject({ code: 'SERVICE_INVALID' })
})

test('what happened while the engine was away is seen when it is back', async () => {
  const { node, record, container } = await running()
  node.engine.exit(container(), 9)
  node.engine.breakEvents()
  await idle()
  expect(stateOf(node, record.id)).toEqual({ state: 'exited', reason: 'exit code 9' })
})

test('a stopped keeper leaves the program running', async () => {
  const { node, container } = await running()
  await node.services.stop()
  expect(await containerState(node, container())).toBe('running')
})
