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

async function ready(): Promise<{ world: SimWorld; mover: Mover }> {
  const world = new SimWorld(['a', 'b'])
  world.place(service, 100)
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
  expect(world.host('a').records.get(record.id)).toEqual(record)
  expect(world.host('b').mover?.list()).toMatchObject([{ id: record.id, side: 'target', outcome: 'done', bytes: record.bytes }])
  expect(said.at(-1)).toMatch(/ticker moved to b/)
})
