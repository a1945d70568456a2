// A move is cut at every port call of either side, and the link at every write: whatever happens, one copy runs, with the newest memory.

import { describe, expect, test } from 'vitest'
import type { MoveRecord } from './move-record.ts'
import { SimWorld } from './simulated-world.ts'
import type { Crash, Faults } from './simulated-world.ts'
import type { ServiceRecord } from '../placement/view.ts'

const service: ServiceRecord = {
  id: 'svc-1',
  spec: { name: 'ticker', type: 'stateful', image: 'ticker:1', args: [], env: [], restart: 'always', tty: false },
  owner: 'a',
  epoch: 3,
  counter: 7,
  state: 'running',
  reason: '',
  deleted: false,
}

interface Outcome {
  readonly world: SimWorld
  readonly record: MoveRecord | undefined
}

/** One move from `a` to `b` under `faults`, until both daemons are up and nothing is under way. */
async function moved(faults: Faults, candidates: readonly string[] = ['b']): Promise<Outcome> {
  const world = new SimWorld(['a', 'b', 'c'], faults)
  world.place(service, 100)
  for (const host of world.hosts.values()) world.start(host)
  await world.run(() => [...world.hosts.values()].every(host => host.alive && host.calls > 0))
  let record: MoveRecord | undefined
  let over = false
  const mover = world.host('a').mover
  mover
    ?.move({ service: 'svc-1', candidates, mode: 'stop-copy', strategy: 'by-hand', reason: 'test' }, new AbortController().signal)
    .then(result => {
      record = result
    })
    .catch(() => undefined)
    .finally(() => {
      over = true
    })
  const settled = (): boolean => {
    const hosts = [...world.hosts.values()]
    return (over || world.host('a').life > 0) && hosts.every(host => host.alive && host.mover?.running() === 0)
  }
  await world.run(settled)
  return { world, record }
}

/** What must be true in the end, as sentences that are not. */
function complaints({ world }: Outcome): string[] {
  const said = [...world.breaches]
  const running = world.running('svc-1')
  if (running.length !== 1) said.push(`${running.length} copies run in the end: ${world.describe()}`)
  const owner = world.registry.get('svc-1')?.owner ?? 'nobody'
  for (const host of world.hosts.values()) {
    const copies = [...host.containers.values()]
    if (host.id === owner ? copies.length !== 1 || copies[0]?.state !== 'running' : copies.length !== 0) {
      said.push(`${owner} owns it, and ${host.id} has ${copies.map(copy => copy.state).join(', ') || 'nothing'}`)
    }
    if (copies.some(copy => copy.layer !== 'layer of the source' || copy.cut))
      said.push(`the copy on ${host.id} lost its layer or network`)
    if (host.moving.size + host.tmpfs.size + host.reserved.size > 0) said.push(`${host.id} keeps marks, files or promises`)
  }
  return said
}

async function callsOf(node: string): Promise<number> {
  const { world } = await moved({ crashes: [] })
  return world.host(node).calls
}

test('without a fault the service runs on at the target, with its memory and one epoch more', async () => {
  const { world, record } = await moved({ crashes: [] })
  expect(complaints({ world, record })).toEqual([])
  expect(record).toMatchObject({ outcome: 'done', from: 'a', to: 'b', error: null, downtimeMs: expect.any(Number) })
  expect(world.registry.get('svc-1')).toMatchObject({ owner: 'b', epoch: 4, counter: 0 })
  expect(world.running('svc-1')[0]?.memory).toBeGreaterThan(100)
})

test('a full target is passed over for the next candidate, and named in the record', async () => {
  const { world, record } = await moved({ crashes: [], refuses: ['b'] }, ['b', 'c'])
  expect(complaints({ world, record })).toEqual([])
  expect(record).toMatchObject({ outcome: 'done', to: 'c', refusals: [{ node: 'b', code: 'PLACE_FULL' }] })
})

test('when every candidate refuses, the service was never touched', async () => {
  const { world, record } = await moved({ crashes: [], refuses: ['b', 'c'] }, ['b', 'c'])
  expect(complaints({ world, record })).toEqual([])
  expect(record).toMatchObject({ outcome: 'refused', error: { code: 'PLACE_FULL' } })
  expect(world.registry.get('svc-1')).toEqual(service)
})

test('when the target cannot restore, the frozen copy runs on where it was', async () => {
  const { world, record } = await moved({ crashes: [], restoreFails: 'b' })
  expect(complaints({ world, record })).toEqual([])
  expect(record).toMatchObject({ outcome: 'failed', error: { code: 'MOVE_RESTORE_FAILED' } })
  expect(world.registry.get('svc-1')).toEqual(service)
})

test('an image the target lacks travels before anything freezes', async () => {
  const { world, record } = await moved({ crashes: [], imageMissing: true })
  expect(complaints({ world, record })).toEqual([])
  expect(record).toMatchObject({ outcome: 'done' })
  expect(world.host('b').images.has('ticker:1')).toBe(true)
})

describe.each(['a', 'b'])('the daemon of %s dies at any of its deeds', node => {
  test.each(['before', 'after'] as const)('%s the deed took effect: one copy runs, with its memory', async when => {
    const calls = await callsOf(node)
    const bad: string[] = []
    for (let at = 1; at <= calls; at++) {
      const outcome = await moved({ crashes: [{ node, life: 0, at, when }] }).catch((error: unknown) => error)
      if (outcome instanceof Error) bad.push(`call ${at}: ${outcome.message}`)
      else bad.push(...complaints(outcome as Outcome).map(says => `call ${at}: ${says}`))
    }
    expect(calls).toBeGreaterThan(20)
    expect(bad).toEqual([])
  })

  test('while the target cannot restore: the source runs on', async () => {
    const calls = await callsOf(node)
    const bad: string[] = []
    for (let at = 1; at <= calls; at++) {
      const outcome = await moved({ crashes: [{ node, life: 0, at, when: 'after' }], restoreFails: 'b' })
      bad.push(...complaints(outcome).map(says => `call ${at}: ${says}`))
      if (outcome.world.registry.get('svc-1')?.owner !== 'a') bad.push(`call ${at}: the target owns what it cannot run`)
    }
    expect(bad).toEqual([])
  })
})

test('the link breaks at any write, and what was under way still arrives: one copy runs, with its memory', async () => {
  const { world } = await moved({ crashes: [] })
  const bad: string[] = []
  for (let at = 1; at <= world.writes; at++) {
    const outcome = await moved({ crashes: [], breakAtWrite: at })
    bad.push(...complaints(outcome).map(says => `write ${at}: ${says}`))
  }
  expect(world.writes).toBeGreaterThan(20)
  expect(bad).toEqual([])
})

/** Small seeded generator (mulberry32): the same seed, the same faults. */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let z = Math.imul(state ^ (state >>> 15), 1 | state)
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z
    return ((z ^ (z >>> 14)) >>> 0) % below
  }
}

test('both daemons die again and again, also while they recover, and the link breaks: one copy runs, with its memory', async () => {
  const bad: string[] = []
  for (let seed = 1; seed <= 150; seed++) {
    const next = seeded(seed)
    const crash = (node: string, life: number): Crash => ({
      node,
      life,
      at: 1 + next(life === 0 ? 60 : 12),
      when: next(2) === 0 ? 'before' : 'after',
    })
    const crashes = ['a', 'b'].flatMap(node => Array.from({ length: 1 + next(4) }, (_, life) => crash(node, life)))
    const faults: Faults = { crashes, breakAtWrite: 1 + next(80), ...(next(4) === 0 ? { restoreFails: 'b' } : {}) }
    const outcome = await moved(faults).catch((error: unknown) => error)
    if (outcome instanceof Error) bad.push(`seed ${seed}: ${outcome.message}`)
    else bad.push(...complaints(outcome as Outcome).map(says => `seed ${seed}: ${says}`))
  }
  expect(bad).toEqual([])
})
