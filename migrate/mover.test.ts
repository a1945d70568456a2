// What the mover promises to those who ask it: one move of a service at a time, called off at any moment, stopped without harm.

import { expect, test } from 'vitest'
import type { MoveRecord } from './move-record.ts'
import type { Mover } from './mover.ts'
import { SimWorld } from './simulated-world.ts'
import type { ServiceRecord } from '../placement/view.ts'

const service: ServiceRecord = {
  id: 'svc-1',
  spec: { name: 'ticker', type: 'stateful', image: 'ticker:1', args: [], env: [], restart: 'always', tty: false },
  ...{ owner: 'a', epoch: 3, counter: 7, state: 'running', reason: '', deleted: false },
}
const request = { service: 'svc-1', candidates: ['b'], mode: 'stop-copy', strategy: 'by-hand', reason: 'test' } as const

async function ready(ids = ['a', 'b'], services = [service]): Promise<{ world: SimWorld; mover: Mover }> {
  const world = new SimWorld(ids)
  for (const each of services) world.place(each, 100)
  for (const host of world.hosts.values()) world.start(host)
  await world.run(() => [...world.hosts.values()].every(host => host.calls > 0))
  const { mover } = world.host('a')
  if (mover === undefined) throw new Error('no mover')
  return { world, mover }
}
const idle = (world: SimWorld): boolean => [...world.hosts.values()].every(host => host.mover?.running() === 0)
const oneCopy = (world: SimWorld): void => {
  expect(world.breaches).toEqual([])
  expect(world.running('svc-1')).toHaveLength(1)
  expect([...world.hosts.values()].flatMap(host => [...host.containers.values()])).toHaveLength(1)
}

test('a move called off at any moment leaves one copy: here before the hand-over, there after it', async () => {
  const outcomes = new Set<string>()
  for (let at = 3; at < 60; at++) {
    const { world, mover } = await ready()
    const off = new AbortController()
    world.onDeed = host => {
      if (host.id === 'a' && host.calls === at) off.abort()
    }
    let record: MoveRecord | undefined
    const moving = mover.move(request, off.signal).then(result => {
      record = result
    })
    await world.run(() => record !== undefined && idle(world))
    await moving
    oneCopy(world)
    const owner = world.registry.get('svc-1')?.owner
    expect(owner).toBe(record?.outcome === 'done' ? 'b' : 'a')
    if (record?.outcome !== 'done') expect(record?.error?.code).toBe('MOVE_CANCELLED')
    outcomes.add(record?.outcome ?? 'none')
  }
  expect([...outcomes].toSorted()).toEqual(['done', 'failed'])
})

test('a service is moved once at a time, by its owner, to somebody, in a mode that is known', async () => {
  const { world, mover } = await ready()
  const never = new AbortController().signal
  const first = mover.move(request, never)
  await expect(mover.move(request, never)).rejects.toMatchObject({ code: 'MOVE_BUSY' })
  expect(mover.busy('svc-1')).toBe(true)
  await expect(mover.move({ ...request, service: 'svc-2' }, never)).rejects.toMatchObject({ code: 'MOVE_NOT_OWNED' })
  await expect(mover.move({ ...request, mode: 'post-copy' }, never)).rejects.toMatchObject({ code: 'MOVE_MODE_UNAVAILABLE' })
  await world.run(() => idle(world))
  expect(await first).toMatchObject({ outcome: 'done' })
  expect(mover.busy('svc-1')).toBe(false)
  await expect(world.host('b').mover?.move({ ...request, candidates: [] }, never)).rejects.toMatchObject({
    code: 'MOVE_NO_CANDIDATE',
  })
})

test('a node that is stopped in the middle of a move gives its service back to itself', async () => {
  const { world, mover } = await ready()
  let stopped = false
  world.onDeed = host => {
    if (![...host.containers.values()].some(container => container.state === 'paused')) return
    world.onDeed = undefined
    mover
      .stop()
      .then(() => {
        stopped = true
      })
      .catch((error: unknown) => world.breaches.push(String(error)))
  }
  const moving = mover.move(request, new AbortController().signal)
  await world.run(() => stopped && idle(world))
  expect(await moving).toMatchObject({ outcome: 'failed', error: { code: 'MOVE_CANCELLED' } })
  oneCopy(world)
  expect(world.registry.get('svc-1')?.owner).toBe('a')
})

test('the record tells phases, bytes and both ends, on both sides, and is kept', async () => {
  const { world, mover } = await ready()
  const said: string[] = []
  mover.onEvent(event => said.push(event.says))
  const moving = mover.move(request, new AbortController().signal)
  await world.run(() => idle(world))
  const record = await moving
  expect(record.phases.map(phase => phase.name)).toEqual(
    expect.arrayContaining(['offer', 'prepare', 'freeze', 'checkpoint', 'transfer', 'restore', 'release']),
  )
  expect(record.bytes.checkpoint).toBeGreaterThan(0)
  expect(mover.get(record.id)).toEqual(record)
  expect(mover.activity()).toEqual({ running: 0, begun: 1 })
  expect(world.host('a').records.get(record.id)).toEqual(record)
  expect(world.host('b').mover?.list()).toMatchObject([{ id: record.id, side: 'target', outcome: 'done', bytes: record.bytes }])
  expect(said.at(-1)).toMatch(/ticker moved to b/)
})

test('targets that die at the hand-over hold up nobody: their moves are unresolved and go on asking, another service moves', async () => {
  const services = ['svc-1', 'svc-2', 'svc-3'].map(id => ({ ...service, id }))
  const { world, mover } = await ready(['a', 'b', 'c', 'd'], services)
  world.onDeed = host => {
    const last = host.journal.at(-1)
    const to = last?.step === 'handed-over' ? last.facts.to : 'd'
    if (to !== 'd' && world.host(to).alive) world.down(world.host(to))
  }
  const ended: MoveRecord[] = []
  for (const [id, to] of Object.entries({ 'svc-1': 'b', 'svc-2': 'c', 'svc-3': 'd' })) {
    const before = ended.length
    const moving = mover
      .move({ ...request, service: id, candidates: [to] }, new AbortController().signal)
      .then(record => ended.push(record))
    await world.run(() => ended.length > before)
    await moving
  }
  expect(ended.map(record => record.outcome)).toEqual(['unresolved', 'unresolved', 'done'])
  expect([mover.busy('svc-1'), mover.busy('svc-2'), mover.busy('svc-3')]).toEqual([true, true, false])
  // What only asks burns nothing: the sampler does not hold the load for it.
  expect(mover.activity()).toEqual({ running: 0, begun: 3 })
  expect(mover.running()).toBe(2)

  world.onDeed = undefined
  for (const id of ['b', 'c']) world.start(world.host(id))
  await world.run(() => idle(world))
  expect(world.breaches).toEqual([])
  for (const record of ended.slice(0, 2)) {
    expect(mover.get(record.id)).toMatchObject({ outcome: 'failed', totalMs: expect.any(Number) })
    expect(world.host('a').records.get(record.id)).toEqual(mover.get(record.id))
    expect(world.running(record.service)).toHaveLength(1)
  }
})

test('the record that a target published before it died is its word: the frozen copy is released without it', async () => {
  const { world, mover } = await ready()
  world.onDeed = host => {
    if (host.id === 'b' && host.alive && world.registry.get('svc-1')?.owner === 'b') world.down(host)
  }
  let record: MoveRecord | undefined
  const moving = mover.move(request, new AbortController().signal).then(result => {
    record = result
  })
  await world.run(() => record !== undefined)
  await moving
  expect(record).toMatchObject({ outcome: 'done', to: 'b', downtimeMs: null })
  expect(world.host('a').containers.size).toBe(0)
  oneCopy(world)
})

test.each([
  { says: 'while the target prepares', step: 'offered', code: 'MOVE_NOT_MOVABLE', frozen: false },
  { says: 'in the moment before the freeze', step: 'freezing', code: 'MOVE_ENGINE_FAILED', frozen: true },
])('a program that ends $says is not lost by the move', async ({ step, code, frozen }) => {
  const { world, mover } = await ready()
  const steps: string[] = []
  const own = [...world.host('a').containers.values()][0]
  world.onDeed = host => {
    if (host.id === 'a') steps.push(...host.journal.slice(-1).map(entry => entry.step))
    const prepared = world.host('b').containers.size > 0
    if (own?.state === 'running' && prepared && steps.at(-1) === step) own.state = 'exited'
  }
  const moving = mover.move(request, new AbortController().signal)
  await world.run(() => idle(world))
  expect(await moving).toMatchObject({ outcome: 'failed', error: { code } })
  expect(steps.includes('freezing')).toBe(frozen)
  expect(steps.includes('thawing')).toBe(frozen)
  expect(world.host('a').moving.size).toBe(0)
  expect(world.host('b').containers.size).toBe(0)
})

test.each([
  { says: 'a newer epoch elsewhere', known: { ...service, owner: 'c', epoch: 5 } },
  { says: 'the same epoch in the hands of another', known: { ...service, owner: 'c' } },
  { says: 'that it was removed', known: { ...service, deleted: true } },
])('a target that knows $says refuses a stale source before anything is made', async ({ known }) => {
  const { world, mover } = await ready()
  world.host('b').heard.set('svc-1', known)
  const moving = mover.move(request, new AbortController().signal)
  await world.run(() => idle(world))
  expect(await moving).toMatchObject({ outcome: 'refused', refusals: [{ node: 'b', code: 'MOVE_NOT_OWNED' }] })
  expect(world.host('b').containers.size).toBe(0)
  expect(world.running('svc-1')).toHaveLength(1)
})

test('a recovered move that cannot be closed is told of', async () => {
  const world = new SimWorld(['a', 'b'], { crashes: [], dropFails: 'a' })
  const { id: containerId } = world.place(service, 100)
  const facts = { service, mode: 'stop-copy', from: 'a', to: 'b', containerId } as const
  world.host('a').journal.push({ side: 'source', move: 'm-old', step: 'offered', facts, wallMs: 0 })
  world.start(world.host('a'))
  const said: string[] = []
  world.host('a').mover?.onEvent(event => said.push(event.says))
  await world.run(() => said.some(says => says.includes('could not be closed')))
  expect(said.at(-1)).toContain('no space left on device')
})
