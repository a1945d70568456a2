import fc from 'fast-check'
import { expect, test } from 'vitest'
import { observe } from './history.ts'
import { lan } from './presets.ts'
import { planRound } from './round.ts'
import { seeded } from './seeded.ts'
import { cloudNode, node, roundOf, service, vec } from './test-mesh.ts'

const self = (cpu: number, outside: number) => node('self', cpu, { outside: vec(outside) })
const using = (name: string, cpu: number, more = {}) => service(name, { use: vec(cpu), ...more })
const room = [node('p', 0), node('q', 0)]

test('fewest moves: the smallest single service that cures leaves alone', () => {
  const services = [using('big', 20), using('right', 7), using('small', 3)]
  const plan = planRound(roundOf({ self: self(55, 25), services, peers: room }, { order: 'fewest-moves' }))
  expect(plan.steps.map(step => step.service.name)).toEqual(['right'])
  expect(plan.predicted.cpuPct).toBe(48)
})

test('fewest moves: where no single one cures, the biggest leaves first', () => {
  const services = [using('a', 4), using('b', 12), using('c', 9)]
  const plan = planRound(roundOf({ self: self(70, 45), services, peers: room }, { order: 'fewest-moves' }))
  expect(plan.steps.map(step => step.service.name)).toEqual(['b', 'c'])
})

test('among equals the stateless one leaves, then the one with less memory', () => {
  const services = [
    using('heavy', 5, { ramBytes: 2 ** 30 }),
    using('light', 5, { ramBytes: 2 ** 20 }),
    using('stateless', 5, { type: 'stateless', ramBytes: 2 ** 31 }),
  ]
  const first = (of: typeof services) =>
    planRound(roundOf({ self: self(52, 37), services: of, peers: room }, { order: 'fewest-moves' })).steps[0]?.service.name
  expect(first(services)).toBe('stateless')
  expect(first(services.slice(0, 2))).toBe('light')
})

test('a green node plans nothing, and one that has shed enough plans nothing more', () => {
  const services = [using('a', 10)]
  expect(planRound(roundOf({ self: self(49.9, 30), services, peers: room })).steps).toEqual([])
  expect(planRound(roundOf({ self: self(55, 30), services, peers: room, departing: vec(10) })).steps).toEqual([])
})

test('a draining node sends all services away, at any load', () => {
  const services = [using('a', 1), using('b', 1)]
  expect(planRound(roundOf({ reason: 'drain', self: self(3, 1), services, peers: room })).steps).toHaveLength(2)
})

test('a small service still fits where a big one did not', () => {
  const services = [using('big', 30, { profile: { cpu: '40%' } }), using('small', 5, { profile: { cpu: '2%' } })]
  const plan = planRound(roundOf({ self: self(90, 55), services, peers: [node('p', 20)] }))
  expect(plan.steps.map(step => step.service.name)).toEqual(['small'])
  expect(plan.stay).toMatchObject([{ name: 'big', because: 'nowhere-fits' }])
})

test('RAM over its threshold makes a node shed as CPU does', () => {
  const red = node('self', 5, { load: vec(5, 88), outside: vec(5, 40) })
  const services = [service('a', { use: vec(0, 2), ramBytes: 2 ** 28 }), service('b', { use: vec(0, 6), ramBytes: 2 ** 30 })]
  const plan = planRound(roundOf({ self: red, services, peers: room }, { order: 'fewest-moves' }))
  expect(plan.steps.map(step => step.service.name)).toEqual(['b'])
})

const record = (owner: string, epoch: number) => [{ id: 'a', owner, epoch }]
const bounced = (times: readonly number[]) =>
  times.reduce(
    (history, at, index) => observe(history, record(`n${index}`, index + 2), at),
    observe(new Map(), record('x', 1), 0),
  )

test('a service rests five minutes after a move, unless it is an emergency', () => {
  const input = { self: self(60, 30), services: [using('a', 20)], peers: room, now: 299_000, history: bounced([0]) }
  expect(planRound(roundOf(input, lan)).stay).toMatchObject([{ name: 'a', because: 'cooldown' }])
  expect(planRound(roundOf({ ...input, now: 300_000 }, lan)).steps).toHaveLength(1)
  expect(planRound(roundOf({ ...input, emergency: true }, lan)).steps).toHaveLength(1)
})

test('a service moves four times an hour at most, also in an emergency', () => {
  const history = bounced([0, 400_000, 800_000, 1_200_000])
  const input = { self: self(60, 30), services: [using('a', 20)], peers: room, history, emergency: true }
  expect(planRound(roundOf({ ...input, now: 3_599_000 }, lan)).stay).toMatchObject([{ because: 'budget' }])
  expect(planRound(roundOf({ ...input, now: 3_600_000 }, lan)).steps).toHaveLength(1)
})

test('a service goes back to a node it left only when the other edge nodes fail', () => {
  const history = observe(observe(new Map(), record('p', 1), 0), record('self', 2), 0)
  const input = { self: self(60, 30), services: [using('a', 20)], now: 400_000, history }
  const first = (peers: typeof room) =>
    planRound(roundOf({ ...input, peers }, { ...lan, exact: true })).steps[0]?.decision.candidates[0]
  expect(first([node('p', 0), node('q', 30)])).toMatchObject({ name: 'q', tier: 'same-network' })
  expect(first([node('p', 0), cloudNode('mec')])).toMatchObject({ name: 'p', tier: 'left-recently' })
})

// Fixed, so that a red test is red again; change it to search elsewhere.
const fixed = { seed: 20261125, numRuns: 300 }
const peerArb = fc.record({
  cpu: fc.double({ min: 0, max: 70, noNaN: true }),
  reserved: fc.double({ min: 0, max: 30, noNaN: true }),
  ram: fc.double({ min: 0, max: 95, noNaN: true }),
  network: fc.constantFrom('lan-a', 'lan-b'),
})
const serviceArb = fc.record({
  need: fc.integer({ min: 1, max: 40 }),
  use: fc.double({ min: 0, max: 20, noNaN: true }),
  ramBytes: fc.integer({ min: 0, max: 4 * 2 ** 30 }),
})
const mesh = fc
  .record({
    peers: fc.array(peerArb, { maxLength: 12 }),
    services: fc.array(serviceArb, { maxLength: 10 }),
    outside: fc.double({ min: 0, max: 80, noNaN: true }),
    strategy: fc.constantFrom('algorithm-1', 'algorithm-2'),
    exact: fc.boolean(),
    order: fc.constantFrom('fewest-moves' as const, 'as-deployed' as const),
    seed: fc.integer(),
  })
  .map(({ peers, services, outside, strategy, exact, order, seed }) => {
    const total = outside + services.reduce((sum, one) => sum + one.use, 0)
    return () =>
      roundOf(
        {
          self: node('self', total, { outside: vec(outside) }),
          services: services.map((one, index) =>
            service(`s${index}`, { profile: { cpu: `${one.need}%` }, use: vec(one.use), ramBytes: one.ramBytes }),
          ),
          peers: [
            ...peers.map((one, index) =>
              node(`p${index}`, one.cpu, { load: vec(one.cpu, one.ram), reserved: vec(one.reserved), network: one.network }),
            ),
            cloudNode('mec'),
          ],
          random: seeded(seed),
        },
        { strategy, exact, order },
      )
  })

test('a plan never overfills an edge node in any dimension', () => {
  fc.assert(
    fc.property(mesh, make => {
      const input = make()
      const sums = new Map(
        input.peers.map(peer => [peer.id, { cpu: peer.load.cpuPct + peer.reserved.cpuPct, ram: peer.load.ramPct }]),
      )
      for (const { decision } of planRound(input).steps) {
        const first = decision.candidates[0]
        if (first === undefined || first.tier === 'cloud') continue
        const sum = sums.get(first.peer) ?? { cpu: 0, ram: 0 }
        sum.cpu += first.fitting.need.need.cpuPct
        sum.ram += first.fitting.need.need.ramPct + first.fitting.need.bufferRamPct
        expect(sum.cpu).toBeLessThan(50 + 1e-9)
        expect(sum.ram).toBeLessThan(85 + 1e-9)
      }
    }),
    fixed,
  )
})

test('the same view and the same seed give the same plan', () => {
  fc.assert(
    fc.property(mesh, make => {
      expect(planRound(make())).toEqual(planRound(make()))
    }),
    fixed,
  )
})

test('relief stops: without the last service that leaves the node would still be red', () => {
  fc.assert(
    fc.property(mesh, make => {
      const input = make()
      const plan = planRound(input)
      const last = plan.steps.at(-1)
      if (plan.allLeave || last === undefined) return
      expect(plan.predicted.cpuPct + last.service.use.cpuPct).toBeGreaterThanOrEqual(50 - 1e-9)
    }),
    fixed,
  )
})

test('every service is either planned or told why it stays', () => {
  fc.assert(
    fc.property(mesh, make => {
      const input = make()
      const plan = planRound(input)
      const told = [...plan.steps.map(step => step.service.id), ...plan.stay.map(stay => stay.service)]
      expect(told.toSorted()).toEqual(input.services.map(one => one.id).toSorted())
    }),
    fixed,
  )
})
