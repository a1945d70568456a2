import { expect, test } from 'vitest'
import { idle } from '../test/sim/manual-clock.ts'
import { simWorld, webSpec } from '../test/sim/service-node.ts'
import { serviceBook } from './service-book.ts'

const patience = new AbortController().signal

async function held() {
  const world = simWorld()
  const node = await world.node('lab3')
  const record = await node.services.run(webSpec({ restart: 'always' }), patience)
  const book = serviceBook(node.services.keeper)
  await book.markMoving(record.id, 'move-1')
  return { world, node, record, book, containerId: node.services.containerOf(record.id) ?? 'none' }
}

test('a service under a move can be neither stopped, started nor removed', async () => {
  const { node, record } = await held()
  const { services } = node
  await expect(services.stopService(record.id, undefined, patience)).rejects.toMatchObject({ code: 'SERVICE_MOVING' })
  await expect(services.startService(record.id, patience)).rejects.toMatchObject({ code: 'SERVICE_MOVING' })
  await expect(services.removeService(record.id, { force: true }, patience)).rejects.toMatchObject({ code: 'SERVICE_MOVING' })
  expect(node.mesh.services.get(record.id)?.state).toBe('moving')
})

test('a copy under a move is not restarted when it ends: the mover says what becomes of it', async () => {
  const { world, node, record, book, containerId } = await held()
  node.engine.exit(containerId, 1)
  await idle()
  await world.clock.advance(60_000)
  expect(node.mesh.services.get(record.id)?.state).toBe('moving')
  await book.markKept(record.id, 'move-1', '')
  expect(node.mesh.services.get(record.id)?.state).toBe('starting')
})

test('one service is in one move only', async () => {
  const { record, book } = await held()
  await expect(book.markMoving(record.id, 'move-2')).rejects.toMatchObject({ code: 'SERVICE_MOVING' })
  await expect(book.markMoving(record.id, 'move-1')).resolves.toBeUndefined()
})

test('a move that came to nothing leaves the service running, with the reason', async () => {
  const { node, record, book } = await held()
  await book.markKept(record.id, 'move-1', 'the target had no room')
  expect(node.mesh.services.get(record.id)).toMatchObject({ state: 'running', reason: 'the target had no room' })
  expect((await node.services.stopService(record.id, undefined, patience)).state).toBe('stopped')
})

test('a copy that a move would keep, while a newer epoch lives elsewhere, is paused instead', async () => {
  const { world, node, record, book, containerId } = await held()
  const third = await world.node('lab4')
  await third.mesh.services.put({ ...record, owner: third.mesh.id, epoch: 2, counter: 0 })
  await book.markKept(record.id, 'move-1', '')
  expect((await node.engine.inspect(containerId, patience))?.state).toBe('paused')
  expect(node.services.parked()).toHaveLength(1)
})

test('the new owner publishes one epoch more; the old one lets go and parks nothing', async () => {
  const { world, node, record, book, containerId } = await held()
  const target = await world.node('vrone')
  const there = serviceBook(target.services.keeper)
  const newer = { ...record, owner: target.mesh.id, epoch: 2, counter: 0, state: 'running' as const, reason: '' }
  const copy = await target.engine.create(
    {
      name: 'copy',
      image: 'web',
      args: [],
      env: [],
      tty: false,
      marks: { service: record.id, epoch: 2, mesh: 'mesh-1', move: 'move-1' },
      limits: { cores: null, ramBytes: null },
    },
    patience,
  )
  await target.engine.start(copy, patience)
  await there.takeOver(newer, copy)
  await there.takeOver(newer, copy) // said twice after a crash: the same
  await idle()
  expect(node.services.parked()).toEqual([])
  await node.engine.remove(containerId, patience)
  await book.letGo(record.id, 'move-1', target.mesh.id)
  await idle()
  expect(node.mesh.services.get(record.id)).toMatchObject({ owner: target.mesh.id, epoch: 2, state: 'running' })
  expect(book.owned(record.id)).toBeUndefined()
  expect(there.owned(record.id)).toMatchObject({ containerId: copy })
})

test('after a takeover the new owner restarts by the policy', async () => {
  const world = simWorld()
  const target = await world.node('vrone')
  const record = {
    ...{
      id: 's1',
      spec: webSpec({ restart: 'always' }),
      owner: target.mesh.id,
      epoch: 2,
      counter: 0,
      reason: '',
      deleted: false,
    },
    state: 'running' as const,
  }
  const copy = await target.engine.create(
    {
      name: 'copy',
      image: 'web',
      args: [],
      env: [],
      tty: false,
      marks: { service: 's1', epoch: 2, mesh: 'mesh-1', move: 'm' },
      limits: { cores: null, ramBytes: null },
    },
    patience,
  )
  await target.engine.start(copy, patience)
  await serviceBook(target.services.keeper).takeOver(record, copy)
  target.engine.exit(copy, 1)
  await idle()
  await world.clock.advance(100)
  expect((await target.engine.inspect(copy, patience))?.state).toBe('running')
})

test('nothing is taken over that a newer epoch has elsewhere', async () => {
  const { world, record } = await held()
  const target = await world.node('vrone')
  const third = await world.node('lab4')
  await third.mesh.services.put({ ...record, owner: third.mesh.id, epoch: 3, counter: 0 })
  const marks = { service: record.id, epoch: 2, mesh: 'mesh-1', move: 'move-1' }
  const plan = { name: 'copy', image: 'web', args: [], env: [], tty: false, limits: { cores: null, ramBytes: null } }
  const copy = await target.engine.create({ ...plan, marks }, patience)
  await target.engine.start(copy, patience)
  await serviceBook(target.services.keeper).takeOver({ ...record, owner: target.mesh.id, epoch: 2, counter: 0 }, copy)
  expect(target.mesh.services.get(record.id)).toMatchObject({ owner: third.mesh.id, epoch: 3 })
  expect(target.services.containerOf(record.id)).toBeUndefined()
  // The copy ran already: in nobody's name it must not go on.
  expect((await target.engine.inspect(copy, patience))?.state).toBe('paused')
  expect(target.services.parked()).toMatchObject([{ containerId: copy, newerAt: third.mesh.id }])
})

test('a source that let go and restarts before the new record came does not call the service its own', async () => {
  const { world, node, record, book, containerId } = await held()
  const target = await world.node('vrone')
  await node.engine.remove(containerId, patience)
  await book.letGo(record.id, 'move-1', target.mesh.id)
  const again = await node.restarted()
  await idle()
  expect(again.mesh.services.get(record.id)).toMatchObject({ state: 'moving', reason: "waits for its new owner's record" })
  await expect(again.services.startService(record.id, patience)).rejects.toMatchObject({ code: 'SERVICE_MOVING' })
  expect(await again.engine.list(patience)).toEqual([])
  const newer = { ...record, owner: target.mesh.id, epoch: 2, counter: 0, state: 'running' as const }
  await target.mesh.services.put(newer)
  await idle()
  expect(again.mesh.services.get(record.id)).toMatchObject({ owner: target.mesh.id, state: 'running' })
  expect(again.services.list()).toEqual([])
  expect(again.services.parked()).toEqual([])
})

test('a move cut by a crash holds the service until the mover has spoken, and no longer', async () => {
  const { node, record, containerId } = await held()
  await node.engine.pause(containerId, patience)
  await node.services.stop()
  const { Services } = await import('./services.ts')
  const services = new Services(node.services.keeper.parts)
  await services.load(patience)
  const book = serviceBook(services.keeper)
  expect(book.owned(record.id)).toMatchObject({ containerId })
  await services.start(() => true, patience)
  expect((await node.engine.inspect(containerId, patience))?.state).toBe('paused')
  expect(node.mesh.services.get(record.id)?.state).toBe('moving')
  await node.engine.unpause(containerId, patience)
  await book.markKept(record.id, 'move-1', '')
  expect(node.mesh.services.get(record.id)?.state).toBe('running')
  await services.stop()
})
