import { expect, test } from 'vitest'
import { planRound, type RoundPlan } from './round.ts'
import { capacity, cloudNode, node, roundOf, service, vec } from './test-mesh.ts'

// The six scenarios of the thesis's 5.7. lab3 and vrone share a network, lab4 is on another, mec is the cloud; every service needs 10 % of its
// host and uses next to nothing; `yes` loads the red node from outside.
const lab3 = (cpu: number) => node('lab3', cpu, { capacity: capacity(4) })
const vrone = (cpu: number) => node('vrone', cpu)
const lab4 = (cpu: number) => node('lab4', cpu, { network: 'lan-b' })
const mec = cloudNode('mec')
const apps = (...names: number[]) => names.map(number => service(`app-${number}`))

const targets = (plan: RoundPlan) => plan.steps.map(step => [step.service.name, step.decision.candidates[0]?.name])

const scenarios = [
  {
    scenario: 'I-1',
    strategy: 'algorithm-1',
    self: lab3(72),
    peers: [vrone(38), lab4(39), mec],
    services: apps(1, 2, 3),
    to: ['vrone', 'lab4', 'mec'],
  },
  {
    scenario: 'I-2',
    strategy: 'algorithm-1',
    self: lab4(59),
    peers: [lab3(72), vrone(38), mec],
    services: apps(2),
    to: ['vrone'],
  },
  {
    scenario: 'I-3',
    strategy: 'algorithm-1',
    self: vrone(58),
    peers: [lab3(72), lab4(59), mec],
    services: apps(1, 2),
    to: ['mec', 'mec'],
  },
  {
    scenario: 'II-1',
    strategy: 'algorithm-2',
    self: lab3(60),
    peers: [lab4(15), vrone(8), mec],
    services: apps(1, 2, 3, 4),
    to: ['lab4', 'lab4', 'lab4', 'vrone'],
  },
  {
    scenario: 'II-2',
    strategy: 'algorithm-2',
    self: lab4(55),
    peers: [lab3(60), vrone(8), mec],
    services: apps(1, 2, 3),
    to: ['vrone', 'vrone', 'vrone'],
  },
  {
    scenario: 'II-3',
    strategy: 'algorithm-2',
    self: vrone(58),
    peers: [lab3(60), lab4(55), mec],
    services: apps(1, 2, 3, 4),
    to: ['mec', 'mec', 'mec', 'mec'],
  },
] as const

test.each(scenarios)('$scenario of the thesis comes out as printed', ({ strategy, self, peers, services, to }) => {
  const plan = planRound(roundOf({ self, peers, services }, { strategy }))
  expect(targets(plan)).toEqual(services.map((one, index) => [one.name, to[index]]))
})

test.each(scenarios)(
  '$scenario comes out with the default order and two random choices as well',
  ({ strategy, self, peers, services, to }) => {
    const plan = planRound(roundOf({ self, peers, services }, { strategy, exact: false, order: 'fewest-moves' }))
    expect(targets(plan)).toEqual(services.map((one, index) => [one.name, to[index]]))
  },
)

test.each([
  { says: 'every load of vrone that the printed outcome allows', vroneCpu: [30, 38, 39], lab4Cpu: [39], lab3Cpu: [72] },
  { says: 'every load of lab4 that it allows', vroneCpu: [38], lab4Cpu: [30, 35, 39], lab3Cpu: [72] },
  { says: 'every load of lab3 that it allows', vroneCpu: [38], lab4Cpu: [39], lab3Cpu: [51, 60, 74] },
])('I-1 comes out for $says', ({ vroneCpu, lab4Cpu, lab3Cpu }) => {
  for (const near of vroneCpu) {
    for (const far of lab4Cpu) {
      for (const red of lab3Cpu) {
        const plan = planRound(roundOf({ self: lab3(red), peers: [vrone(near), lab4(far), mec], services: apps(1, 2, 3) }))
        expect(targets(plan).map(([, to]) => to)).toEqual(['vrone', 'lab4', 'mec'])
      }
    }
  }
})

test('without booking I-1 could not come out: each service judged alone goes to vrone', () => {
  const alone = apps(1, 2, 3).map(one =>
    planRound(roundOf({ self: lab3(72), peers: [vrone(38), lab4(39), mec], services: [one] })),
  )
  expect(alone.flatMap(targets).map(([, to]) => to)).toEqual(['vrone', 'vrone', 'vrone'])
})

test('I-1 at 55 percent: load outside the services alone is red, so all three leave although none of them cures it', () => {
  const self = lab3(55)
  const services = [1, 2, 3].map(number => service(`app-${number}`, { use: vec(0.5) }))
  const outsideRed = planRound(roundOf({ self: { ...self, outside: vec(53.5) }, peers: [vrone(38), lab4(39), mec], services }))
  expect(outsideRed).toMatchObject({ allLeave: true })
  expect(targets(outsideRed).map(([, to]) => to)).toEqual(['vrone', 'lab4', 'mec'])
})

test('at the same 55 percent with load of the services themselves only as many leave as cure it', () => {
  const services = [1, 2, 3].map(number => service(`app-${number}`, { use: vec(4) }))
  const plan = planRound(roundOf({ self: { ...lab3(55), outside: vec(43) }, peers: [vrone(38), lab4(39), mec], services }))
  expect(plan.steps).toHaveLength(2)
  expect(plan.predicted.cpuPct).toBe(47)
  expect(plan.stay).toMatchObject([{ name: 'app-3', because: 'enough-left' }])
})

test('with needs in cores app-1 and app-2 both go to vrone: 0.4 core is 5 % of it', () => {
  const services = [1, 2, 3].map(number => service(`app-${number}`, { profile: { cpu: '0.4' } }))
  const plan = planRound(roundOf({ self: lab3(72), peers: [vrone(38), lab4(39), mec], services }))
  expect(targets(plan).map(([, to]) => to)).toEqual(['vrone', 'vrone', 'lab4'])
})

test('Algorithm II with equal loads takes the nearer, then the lower id', () => {
  const equal = [node('b', 20, { rttMs: 3 }), node('c', 20, { rttMs: 2 }), node('a', 20, { rttMs: 3 })]
  const plan = planRound(roundOf({ self: node('self', 60), peers: equal, services: apps(1) }, { strategy: 'algorithm-2' }))
  expect(plan.steps[0]?.decision.candidates.map(candidate => candidate.name)).toEqual(['c', 'a', 'b'])
})
