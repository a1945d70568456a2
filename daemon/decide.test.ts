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
