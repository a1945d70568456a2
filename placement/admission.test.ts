import fc from 'fast-check'
import { expect, test } from 'vitest'
import { admit, type OwnRoom } from './admission.ts'
import { needOn } from './profile.ts'
import { commit, expire, release, type Reservations, reserve, reserved, sampled } from './reservations.ts'
import { capability, capacity, service, vec } from './test-mesh.ts'
import type { Vec } from './view.ts'

const room = (raw: Vec, more: Partial<OwnRoom> = {}, promised: Vec = vec(0)): OwnRoom => ({
  role: 'edge',
  state: 'green',
  capacity: capacity(),
  capability,
  committedRamPct: 0,
  raw: { load: raw, reserved: promised },
  smoothed: { load: raw, reserved: promised },
  ...more,
})
const ask = (wish = {}) => ({
  demand: service('app', wish).demand,
  mode: 'stop-copy' as const,
  source: capability,
  threshold: { cpuPct: 50, ramPct: 85, gpuPct: 50 },
})

test('a node with room says yes and what it holds for the move', () => {
  expect(admit(room(vec(30)), ask())).toEqual({ admitted: true, holds: vec(10) })
})

test.each([
  { says: 'its load', own: room(vec(40)), code: 'ADMIT_NO_ROOM', what: 'cpu 40 + 10 = 50, must stay below 50' },
  { says: 'its promises', own: room(vec(20), {}, vec(20)), code: 'ADMIT_NO_ROOM', what: 'cpu 40 + 10 = 50' },
  { says: 'being red', own: room(vec(63)), code: 'ADMIT_RED', what: 'cpu 63 >= 50' },
  { says: 'draining', own: room(vec(1), { state: 'draining' }), code: 'ADMIT_STATE', what: 'draining' },
  { says: 'being a client', own: room(vec(1), { role: 'client' }), code: 'ADMIT_ROLE', what: 'client' },
  {
    says: 'an old CRIU',
    own: room(vec(1), { capability: { ...capability, criu: '3.17' } }),
    code: 'ADMIT_CAPABILITY',
    what: "CRIU 3.17, older than the source's 4.2",
  },
])('a refusal because of $says carries its figures', ({ own, code, what }) => {
  expect(admit(own, ask())).toMatchObject({ admitted: false, code, what: expect.stringContaining(what) })
})

test('a jump of the newest sample counts although the smoothed load has not followed', () => {
  expect(admit(room(vec(45), { smoothed: { load: vec(20), reserved: vec(0) } }), ask()).admitted).toBe(false)
  expect(admit(room(vec(20), { smoothed: { load: vec(45), reserved: vec(0) } }), ask()).admitted).toBe(false)
})

test('memory counts twice while it is received', () => {
  const small = room(vec(1, 40), { capacity: capacity(8, 2 ** 30) })
  expect(admit(small, ask({ ramBytes: 200 * 2 ** 20 })).admitted).toBe(true)
  expect(admit(small, ask({ ramBytes: 240 * 2 ** 20 }))).toMatchObject({ admitted: false, code: 'ADMIT_NO_ROOM' })
})

test('the cloud admits at any CPU load, but not without memory', () => {
  expect(admit(room(vec(99), { role: 'cloud' }), ask()).admitted).toBe(true)
  expect(admit(room(vec(1, 84.9), { role: 'cloud' }), ask({ ramBytes: 2 ** 30 })).admitted).toBe(false)
})

test('without a profile the measured use is asked for, at least 1 % CPU', () => {
  const demand = { quota: {}, cpuCores: 2, ramBytes: 2 ** 30, gpus: 0 }
  expect(needOn(demand, capacity(8, 2 ** 34))).toEqual(vec(25, 6.25))
  expect(needOn({ ...demand, cpuCores: 0 }, capacity())).toMatchObject({ cpuPct: 1 })
})

const promise = (id: string, cpu = 10, expiresAt = 1000) => ({ id, holds: vec(cpu), expiresAt })
const one = reserve([], promise('m')) ?? []

test('a promise ends with the first own sample taken wholly after commit, not before', () => {
  const committed = commit(one, 'm', 100)
  expect(reserved(committed, 1).cpuPct).toBe(10)
  expect(sampled(committed, 99, 1)).toHaveLength(1)
  expect(sampled(committed, 100, 1)).toHaveLength(0)
})

test('with smoothed load a promise fades as the samples learn of it', () => {
  const seen = (times: number) =>
    Array.from({ length: times }).reduce<Reservations>(list => sampled(list, 200, 0.3), commit(one, 'm', 100))
  expect(reserved(seen(1), 0.3).cpuPct).toBeCloseTo(7)
  expect(reserved(seen(2), 0.3).cpuPct).toBeCloseTo(4.9)
  expect(reserved(seen(1), 1).cpuPct).toBe(0)
  expect(seen(12)).toHaveLength(0)
})

test('a promise that is never settled is void in the end, a committed one is not', () => {
  expect(expire(one, 999)).toHaveLength(1)
  expect(expire(one, 1000)).toHaveLength(0)
  expect(expire(commit(one, 'm', 100), 5000)).toHaveLength(1)
  expect(release(one, 'm')).toEqual([])
})

test('samples do not touch promises of moves still under way', () => expect(sampled(one, 10_000, 1)).toEqual(one))

test('asking again for the same move renews, it does not add', () => {
  expect(reserved(reserve(one, promise('m', 12)) ?? [], 1).cpuPct).toBe(12)
})

test('a node holds 64 promises at most', () => {
  const full = Array.from({ length: 64 }, (_, index) => promise(`m${index}`)).reduce<Reservations>(
    (list, next) => reserve(list, next) ?? list,
    [],
  )
  expect(reserve(full, promise('one-more'))).toBeNull()
})

test('whatever is asked in whatever order, measured load plus promises stays below the threshold', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 60, noNaN: true }),
      fc.constantFrom(1, 0.3),
      fc.array(fc.record({ need: fc.integer({ min: 1, max: 30 }), next: fc.constantFrom('hold', 'commit', 'drop', 'sample') }), {
        maxLength: 40,
      }),
      (start, weight, events) => {
        let list: Reservations = []
        let [raw, smoothed, now] = [start, start, 0]
        const promisedToRun = new Map<string, number>()
        for (const [index, { need, next }] of events.entries()) {
          now += 10
          const own = room(vec(raw), {
            raw: { load: vec(raw), reserved: reserved(list, 1) },
            smoothed: { load: vec(smoothed), reserved: reserved(list, weight) },
          })
          const verdict = admit(own, ask({ profile: { cpu: `${need}%` } }))
          const id = `m${index}`
          if (verdict.admitted) {
            list = reserve(list, { id, holds: verdict.holds, expiresAt: now + 1000 }) ?? list
            if (next === 'commit') list = commit(list, id, now)
            if (next === 'commit') promisedToRun.set(id, need)
            if (next === 'drop') list = release(list, id)
            expect(raw + reserved(list, 1).cpuPct).toBeLessThan(50 + 1e-9)
          }
          if (next === 'sample') {
            // The services use exactly what they asked for, and the node measures it.
            for (const used of promisedToRun.values()) raw += used
            promisedToRun.clear()
            smoothed += weight * (raw - smoothed)
            list = sampled(list, now, weight)
          }
          if (start < 50) expect(raw + reserved(list, 1).cpuPct).toBeLessThan(50 + 1e-9)
        }
      },
    ),
    { seed: 20261125, numRuns: 300 },
  )
})
