import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { planAsked, planJson, planText } from './decide.ts'
import { readDecideFile } from './decide-file.ts'

const decided = (file: object) => {
  const asked = readDecideFile(JSON.stringify(file))
  return planJson(asked, planAsked(asked))
}
const targets = (file: object) => decided(file).steps.map(step => [step.service, step.to])
const minimal = {
  self: { name: 'a', cpu: 60 },
  services: [{ name: 's', cpu: '10%' }],
  peers: [{ name: 'b', cpu: 10 }],
}

test('the example in docs/placement.md gives the plan printed below it', () => {
  const page = readFileSync(new URL('../docs/placement.md', import.meta.url), 'utf8')
  const example = /```json\n(.*?)```/s.exec(page)?.[1] ?? ''
  const printed = /```text\n(.*?)\n```/s.exec(page)?.[1]
  const asked = readDecideFile(example)
  expect(planText(asked, planAsked(asked))).toBe(printed)
})

test('a node, a service and a peer are enough', () => {
  expect(decided(minimal)).toMatchObject({
    strategy: 'algorithm-1',
    exact: true,
    red: true,
    steps: [{ service: 's', to: 'b', tier: 'same-network', candidates: [{ node: 'b', cpu: 10, need: { cpu: 10 } }] }],
    stay: [],
  })
})

test('the cloud may be a node, a list, a name or a role', () => {
  const full = { ...minimal, peers: [{ name: 'b', cpu: 45 }] }
  expect(targets({ ...full, cloud: { name: 'mec' } })).toEqual([['s', 'mec']])
  expect(targets({ ...full, cloud: [{ id: 'mec' }] })).toEqual([['s', 'mec']])
  expect(targets({ ...full, cloud: 'mec', nodes: [{ name: 'mec', cpu: 99 }] })).toEqual([['s', 'mec']])
  expect(targets({ ...full, nodes: [{ name: 'mec', role: 'cloud' }] })).toEqual([['s', 'mec']])
})

test('needs may be numbers of cores, portable from node to node', () => {
  const services = [{ name: 's', cpu: 0.5, ram: '256Mi' }]
  expect(
    decided({ ...minimal, services, peers: [{ name: 'b', cpu: 10, cores: 2, ramBytes: '1Gi' }] }).steps[0]?.candidates[0]?.need,
  ).toEqual({
    cpu: 25,
    ram: 25,
    gpu: 0,
  })
})

/** The decisions of the thesis's two runs, each with what it led to. */
const thesis = [
  { at: 'I-1', by: 'algorithm-1', self: 'lab3', lab3: 72, vrone: 38, lab4: 39, apps: [1, 2, 3], to: ['vrone', 'lab4', 'mec'] },
  { at: 'I-2', by: 'algorithm-1', self: 'lab4', lab3: 72, vrone: 38, lab4: 59, apps: [2], to: ['vrone'] },
  { at: 'I-3', by: 'algorithm-1', self: 'vrone', lab3: 72, vrone: 58, lab4: 59, apps: [1, 2], to: ['mec', 'mec'] },
  {
    at: 'II-1',
    by: 'algorithm-2',
    self: 'lab3',
    lab3: 60,
    vrone: 8,
    lab4: 15,
    apps: [1, 2, 3, 4],
    to: ['lab4', 'lab4', 'lab4', 'vrone'],
  },
  { at: 'II-2', by: 'algorithm-2', self: 'lab4', lab3: 60, vrone: 8, lab4: 55, apps: [1, 2, 3], to: ['vrone', 'vrone', 'vrone'] },
  {
    at: 'II-3',
    by: 'algorithm-2',
    self: 'vrone',
    lab3: 60,
    vrone: 58,
    lab4: 55,
    apps: [1, 2, 3, 4],
    to: ['mec', 'mec', 'mec', 'mec'],
  },
] as const
type Case = (typeof thesis)[number]
const namesOf = ({ apps }: Case) => apps.map(app => `app-${app}`)
const loadsOf = ({ lab3, vrone, lab4 }: Case) => Object.entries({ lab3, vrone, lab4 })
const lanOf = (name: string) => (name === 'lab4' ? 'b' : 'a')

/** The ways somebody who has not read the page may write them. */
const forms: Readonly<Record<string, (one: Case) => object>> = {
  'the documented form': one => ({
    strategy: one.by,
    self: one.self,
    nodes: [...loadsOf(one).map(([name, cpu]) => ({ name, cpu, network: lanOf(name) })), { name: 'mec', role: 'cloud' }],
    services: namesOf(one).map(name => ({ name, cpu: '10%' })),
  }),
  'bare needs and cpuPct': one => ({
    strategy: one.by,
    threshold: { cpuPct: 50 },
    self: one.self,
    nodes: loadsOf(one).map(([name, cpuPct]) => ({ name, role: 'edge', cpuPct, networkId: lanOf(name), cores: 8 })),
    cloud: { name: 'mec' },
    services: namesOf(one).map(name => ({ name, cpu: 10 })),
  }),
  'services inside self, loads in load': one => ({
    algorithm: one.by === 'algorithm-1' ? 'Algorithm I' : 'II',
    threshold: '50%',
    self: {
      id: one.self,
      load: { cpuPct: one[one.self] },
      network: lanOf(one.self),
      services: namesOf(one).map(name => ({ name, need: { cpu: 10 } })),
    },
    peers: [
      ...loadsOf(one)
        .filter(([name]) => name !== one.self)
        .map(([id, cpu]) => ({ id, load: { cpu, ram: 20 }, lan: lanOf(id) })),
      { id: 'mec', role: 'Cloud', load: 0 },
    ],
  }),
  'nodes by name, services of the whole mesh, one need for all': one => ({
    strategy: one.by,
    self: one.self,
    need: 10,
    nodes: {
      ...Object.fromEntries(loadsOf(one).map(([name, cpu]) => [name, { cpu: `${cpu}%`, net: lanOf(name) }])),
      mec: { cloud: true },
    },
    services: [...namesOf(one).map(name => ({ name, on: one.self })), { name: 'else', on: 'mec' }],
  }),
  'percentages in profiles': one => ({
    strategy: one.by,
    self: one.self,
    nodes: [...loadsOf(one).map(([name, cpu]) => ({ name, load: cpu, network: lanOf(name) })), { name: 'mec', role: 'cloud' }],
    services: namesOf(one).map(name => ({ id: name, profile: { cpu: '10%' } })),
  }),
}

test.each(Object.keys(forms).flatMap(form => thesis.map(one => ({ form, one, at: one.at }))))(
  '$at of the thesis has its targets, written as $form',
  ({ form, one }) => {
    expect(targets(forms[form]?.(one) ?? {})).toEqual(namesOf(one).map((name, index) => [name, one.to[index]]))
  },
)

test('cpu of a service without a unit is cores where a node has room for so many, else percent like the loads', () => {
  const need = (cpu: unknown, cores: number) =>
    decided({ ...minimal, self: { name: 'a', cpu: 60, cores }, services: [{ name: 's', cpu }], peers: [{ name: 'b', cores }] })
      .steps[0]?.candidates[0]?.need.cpu
  expect(need(1, 4)).toBe(25)
  expect(need(10, 4)).toBe(10)
  expect(need('10', 16)).toBe(10)
  expect(need(10, 64)).toBe(15.6)
})

test('one thing said in two words is refused: either could be meant', () => {
  expect(() => decided({ ...minimal, peers: [{ name: 'b', cpu: 10, cpuPct: 12 }] })).toThrow(
    'peers.0 says cpu twice: "cpu" and "cpuPct"',
  )
  expect(() => decided({ ...minimal, services: [{ name: 's', cpu: '10%', need: 5 }] })).toThrow('services.0 says cpu twice')
  expect(() => decided({ ...minimal, self: { name: 'a', services: [] } })).toThrow('the services are given twice')
})

test('an unknown key names the nearest one', () => {
  expect(() => decided({ ...minimal, peers: [{ name: 'b', netwrok: 'x' }] })).toThrow(
    expect.objectContaining({ message: 'peers.0 has the unknown key "netwrok"', hint: 'did you mean network?' }),
  )
  expect(() => decided({ ...minimal, peers: [{ name: 'b', load: { cqu: 3 } }] })).toThrow('peers.0 has the unknown key "cqu"')
})

test('a green node moves nothing, and says so', () => {
  const asked = readDecideFile(JSON.stringify({ ...minimal, self: { name: 'a', cpu: 49.9 } }))
  expect(planText(asked, planAsked(asked))).toBe(
    'a: nothing moves  (cpu 49.9 -> 49.9, threshold 50)\ns stays: the node is below its threshold without moving it',
  )
})

test('what services use themselves is relieved service by service', () => {
  const services = ['x', 'y', 'z'].map(name => ({ name, cpu: '10%', use: { cpu: 8 } }))
  expect(decided({ ...minimal, services })).toMatchObject({
    steps: [{ service: 'x' }, { service: 'y' }],
    stay: [{ service: 'z', because: 'enough-left' }],
    predicted: { cpu: 44 },
  })
})

test('without a load of its own the node is asked where each service would go', () => {
  expect(targets({ ...minimal, self: { name: 'a' } })).toEqual([['s', 'b']])
})

test('Algorithm II, and the same seed gives the same random choice', () => {
  const peers = Array.from({ length: 12 }, (_, index) => ({ name: `p${index}`, cpu: index }))
  expect(targets({ ...minimal, peers, strategy: 'algorithm-2' })).toEqual([['s', 'p11']])
  const random = { ...minimal, peers, options: { exact: false }, seed: 7 }
  expect(targets(random)).toEqual(targets(random))
})

test('a service that fits nowhere stays, with the reason of every node', () => {
  const asked = readDecideFile(
    JSON.stringify({
      ...minimal,
      peers: [
        { name: 'b', cpu: 45 },
        { name: 'c', arch: 'arm64' },
      ],
    }),
  )
  const text = planText(asked, planAsked(asked))
  expect(text).toContain('s stays on a: no node fits, and there is no cloud node that can take it')
  expect(text).toContain('x b  cpu 45 + 10 = 55, must stay below 50')
  expect(text).toContain('x c  is arm64, the service runs on amd64')
})

test.each([
  { says: 'no JSON', text: '{', what: /^the file is not JSON/ },
  { says: 'no object', text: '[]', what: /^the file must be object, the file says/ },
  { says: 'no self', text: '{"services":[]}', what: /^the file must have required properties self/ },
  { says: 'an unknown self', text: '{"self":"x","services":[]}', what: /^self is "x", and no node of the file is called so$/ },
  { says: 'an unknown key', text: '{"self":{"name":"a","cpus":3},"services":[]}', what: /^self has the unknown key "cpus"$/ },
  {
    says: 'a wrong role',
    text: '{"self":{"name":"a","role":"king"},"services":[]}',
    what: /^self.role must be one of edge, cloud, client, the file says "king"$/,
  },
  {
    says: 'a load in words',
    text: '{"self":{"name":"a","cpu":"high"},"services":[]}',
    what: /^self.cpu must be number, the file says "high"$/,
  },
  { says: 'a nameless node', text: '{"self":{"name":"a"},"services":[],"peers":[{"cpu":3}]}', what: /^peers.0 has no name$/ },
  {
    says: 'two of one name',
    text: '{"self":{"name":"a"},"services":[],"peers":[{"name":"b"},{"name":"b"}]}',
    what: /^two nodes are called "b"$/,
  },
  {
    says: 'a bad profile',
    text: '{"self":{"name":"a"},"services":[{"name":"s","cpu":"lots"}]}',
    what: /^services.0: profile: cpu "lots" cannot be read$/,
  },
  { says: 'RAM as percent', text: '{"self":{"name":"a","ramBytes":"10%"},"services":[]}', what: /^self.ramBytes must be bytes/ },
  { says: 'a threshold of 0', text: '{"self":{"name":"a"},"services":[],"threshold":0}', what: /^threshold must be > 0/ },
  {
    says: 'a negative load',
    text: '{"self":{"name":"a","cpu":-1},"services":[]}',
    what: /^self.cpu must be >= 0, the file says -1$/,
  },
])('a file with $says is refused in one line that names the place', ({ text, what }) => {
  expect(() => readDecideFile(text)).toThrow(
    expect.objectContaining({ code: 'VIEW_REFUSED', message: expect.stringMatching(what) }),
  )
})

test('an unknown strategy names the known ones', () => {
  expect(() => decided({ ...minimal, strategy: 'best' })).toThrow(expect.objectContaining({ code: 'STRATEGY_UNKNOWN' }))
})
