import { expect, test } from 'vitest'
import { lab, lan, type PlacementSettings } from '../placement/presets.ts'
import { capability, capacity, vec } from '../placement/test-mesh.ts'
import type { Profile, ServiceRecord, ServiceState, Vec } from '../placement/view.ts'
import { OwnLoad } from './own-load.ts'

const record = (name: string, profile: Profile = {}, state: ServiceState = 'running', owner = 'self'): ServiceRecord => ({
  id: name,
  spec: { name, type: 'stateful', image: 'ticker', args: [], env: [], restart: 'no', tty: false, profile },
  owner,
  epoch: 1,
  counter: 0,
  state,
  reason: '',
  deleted: false,
})

/** A node of 16 GiB that samples every second; `sample` takes one. */
function own(settings: PlacementSettings, services: readonly ServiceRecord[] = []) {
  const world = { now: 0, services }
  const load = new OwnLoad({
    clock: { now: () => world.now },
    self: { id: 'self', name: 'self', role: 'edge' },
    network: () => 'lan-a',
    capability: () => capability,
    draining: () => false,
    settings: () => settings,
    services: () => world.services,
    profiles: () => [],
    capabilityOf: () => capability,
    onUnreadable: () => undefined,
  })
  const sample = (cpuPct: number, uses: Readonly<Record<string, Vec>> = {}) => {
    world.now += 1000
    const services = Object.entries(uses).map(([id, use]) => ({ id, use, cpuCores: 0, ramBytes: (use.ramPct / 100) * 2 ** 34 }))
    return load.take({ at: world.now, spanMs: 1000, capacity: capacity(), load: vec(cpuPct), outside: vec(cpuPct), services })
  }
  return { world, load, sample }
}

const offer = (moveId: string) => ({
  moveId,
  from: 'vrone',
  service: record('app-7', { cpu: '20%' }),
  mode: 'stop-copy' as const,
  memoryBytes: 0,
  cpuCores: 0,
  reason: '',
})

test('before its first sample a node promises nothing', async () => {
  expect(await own(lab).load.admit(offer('early'))).toMatchObject({ admitted: false, code: 'ADMIT_STARTING' })
})

test('a target promises once, counts its promise, and forgets it with its first own sample after commit', async () => {
  const { load, sample } = own(lab)
  sample(20)
  expect(await load.admit(offer('m1'))).toMatchObject({ admitted: true, load: { reserved: { cpuPct: 20 } } })
  expect(await load.admit(offer('m2'))).toMatchObject({
    admitted: false,
    code: 'ADMIT_NO_ROOM',
    load: { reserved: { cpuPct: 20 } },
  })
  sample(20)
  expect(load.report()?.reserved.cpuPct).toBe(20)
  load.settle('m1', 'committed')
  sample(20)
  expect(load.report()?.reserved.cpuPct).toBe(0)
})

test('a commit within a sample leaves the promise standing for that sample', async () => {
  const { world, load, sample } = own(lab)
  sample(20)
  await load.admit(offer('m1'))
  world.now += 500
  load.settle('m1', 'committed')
  world.now -= 500
  sample(30)
  expect(load.report()?.reserved.cpuPct).toBe(20)
  sample(40)
  expect(load.report()?.reserved.cpuPct).toBe(0)
})

test('a dropped move frees its promise at once', async () => {
  const { load, sample } = own(lab)
  sample(20)
  await load.admit(offer('m1'))
  load.settle('m1', 'dropped')
  expect(load.report()?.reserved.cpuPct).toBe(0)
})

test('smoothed, load and promise together never fall below what runs here', async () => {
  const { load, sample } = own(lan)
  sample(20)
  await load.admit(offer('m1'))
  load.settle('m1', 'committed')
  for (let count = 0; count < 15; count += 1) {
    sample(40)
    const report = load.report()
    expect((report?.load.cpuPct ?? 0) + (report?.reserved.cpuPct ?? 0)).toBeGreaterThan(39.5)
  }
})

test('a service that left is taken off the smoothed load until the samples know', () => {
  const { world, load, sample } = own(lan, [record('a')])
  sample(60, { a: vec(20) })
  world.services = [record('a', {}, 'running', 'vrone')]
  sample(40)
  expect(load.departing(new Set()).cpuPct).toBe(20)
  sample(40)
  expect(load.departing(new Set()).cpuPct).toBeCloseTo(14)
})

test('memory limits of services count as committed, and so does the use of those without; stopped ones do not', () => {
  const { load, sample } = own(lab, [record('a', { ram: '4Gi' }), record('b', { ram: '4Gi' }, 'stopped'), record('c')])
  sample(5, { c: vec(0, 10) })
  expect(load.report()?.committedRamPct).toBe(35)
})
