import { expect, test } from 'vitest'
import { decide, maxOffers, type Situation } from './decision.ts'
import { rejectedPeers } from './explain.ts'
import { lan } from './presets.ts'
import { seeded } from './seeded.ts'
import { capability, capacity, cloudNode, node, service, vec } from './test-mesh.ts'
import type { NodeView } from './view.ts'

const situation = (peers: readonly NodeView[], more: Partial<Situation> = {}): Situation => ({
  now: 0,
  random: seeded(1),
  reason: 'red',
  self: node('self', 60),
  peers,
  booked: new Map(),
  leftRecently: new Set(),
  settings: { ...lan, exact: true },
  ...more,
})
const order = (peers: readonly NodeView[], more: Partial<Situation> = {}, wish = {}) =>
  decide(service('app', wish), situation(peers, more)).candidates.map(candidate => candidate.name)
const codes = (peers: readonly NodeView[], wish = {}) => [...decide(service('app', wish), situation(peers)).rejected.keys()]

test.each([
  { says: '40 + 10 does not fit', cpu: 40, fits: false },
  { says: '39.9 + 10 fits', cpu: 39.9, fits: true },
])('$says below 50', ({ cpu, fits }) => expect(order([node('p', cpu)])).toEqual(fits ? ['p'] : []))

test.each([
  { cpu: 49.9, green: true },
  { cpu: 50, green: false },
  { cpu: 50.1, green: false },
])('a node at $cpu percent is green: $green', ({ cpu, green }) =>
  expect(codes([node('p', cpu)], { profile: { cpu: '0.01%' } })).toEqual(green ? [] : ['red']),
)

test('what is reserved and what is booked counts like measured load', () => {
  expect(order([node('p', 20, { reserved: vec(20) })])).toEqual([])
  expect(order([node('p', 20)], { booked: new Map([['p', vec(20)]]) })).toEqual([])
  expect(order([node('p', 20, { reserved: vec(10) })], { booked: new Map([['p', vec(5)]]) })).toEqual(['p'])
})

test('full RAM on the least loaded node sends the service to the next', () => {
  const peers = [node('idle-but-full', 1, { load: vec(1, 84) }), node('busier', 30)]
  expect(order(peers, {}, { ramBytes: 2 ** 30 })).toEqual(['busier'])
})

test('RAM promised to other services counts although nothing of it is used yet', () => {
  expect(codes([node('p', 1, { committedRamPct: 88 })], { ramBytes: 2 ** 29 })).toEqual(['ram-committed'])
})

test('a small node keeps 256 MiB for its own system', () => {
  const small = node('p', 1, { capacity: capacity(1, 2 ** 30), committedRamPct: 70 })
  expect(codes([small], { profile: { cpu: '1%', ram: '100Mi' }, ramBytes: 0 })).toEqual(['ram-committed'])
})

test('a percent profile that is less than the memory in use names the limit before anything freezes', () => {
  const small = node('p', 1, { capacity: capacity(1, 2 ** 30) })
  expect(codes([small], { profile: { cpu: '1%', ram: '10%' }, ramBytes: 200 * 2 ** 20 })).toEqual(['ram-limit'])
})

test('a service that asks for a GPU is never offered to a node without one', () => {
  const peers = [node('none', 1), node('one', 30, { capacity: capacity(8, 2 ** 34, 1) })]
  expect(order(peers, {}, { profile: { cpu: '1%', gpu: '0.2' } })).toEqual(['one'])
})

test.each<{ says: string; more: Partial<NodeView>; code: string }>([
  { says: 'a client', more: { role: 'client' }, code: 'client' },
  { says: 'a draining node', more: { state: 'draining' }, code: 'draining' },
  { says: 'a leaving node', more: { state: 'leaving' }, code: 'leaving' },
  { says: 'a lost node', more: { state: 'lost' }, code: 'lost' },
  { says: 'a view older than six intervals', more: { ageMs: 30_001 }, code: 'stale' },
  { says: 'another architecture', more: { capability: { ...capability, arch: 'arm64' } }, code: 'arch' },
  { says: 'an older CRIU', more: { capability: { ...capability, criu: '4.1.1' } }, code: 'criu-older' },
  { says: 'no CRIU', more: { capability: { ...capability, criu: null } }, code: 'no-criu' },
  { says: 'no shim', more: { capability: { ...capability, shim: false } }, code: 'no-shim' },
  { says: 'another CPU', more: { capability: { ...capability, cpuDigest: 'other' } }, code: 'cpu-features' },
  { says: 'a mode it cannot', more: { capability: { ...capability, modes: ['stateless'] } }, code: 'mode' },
])('$says is no candidate', ({ more, code }) => {
  expect(codes([node('p', 1, more)])).toEqual([code])
  expect(codes([cloudNode('c', 1, more)])).toEqual([code])
})

test('a stateless service needs no CRIU, a newer CRIU reads older images', () => {
  expect(
    order([node('p', 1, { capability: { ...capability, criu: null, shim: false, cpuDigest: 'x' } })], {}, { type: 'stateless' }),
  ).toEqual(['p'])
  expect(order([node('p', 1, { capability: { ...capability, criu: '4.10' } })])).toEqual(['p'])
})

test('a node without a shim keeps its stateful services, and says why', () => {
  const self = node('self', 60, { capability: { ...capability, shim: false } })
  const decision = decide(service('app'), situation([node('p', 1)], { self }))
  expect(decision).toMatchObject({ candidates: [], stays: 'no-shim' })
})

test('the cloud is never full in CPU and never booked, yet its memory is real', () => {
  expect(order([cloudNode('mec', 99)], { booked: new Map([['mec', vec(99)]]) })).toEqual(['mec'])
  expect(codes([cloudNode('mec', 1, { load: vec(1, 90) })], { ramBytes: 2 ** 30 })).toEqual(['ram'])
})

test('the near come first, the far next, the node left lately after them, the cloud last', () => {
  const peers = [cloudNode('mec'), node('left', 1), node('far', 5, { network: 'lan-b' }), node('near', 30)]
  expect(order(peers, { leftRecently: new Set(['left']) })).toEqual(['near', 'far', 'left', 'mec'])
})

test('a view older than three intervals ranks last in its tier', () => {
  expect(order([node('old', 1, { ageMs: 16_000 }), node('busy', 30), node('far', 1, { network: 'b' })])).toEqual([
    'busy',
    'old',
    'far',
  ])
})

test('the same network id over an absurd round trip is another network', () => {
  expect(order([node('vpn', 1, { rttMs: 180 }), node('near', 30)])).toEqual(['near', 'vpn'])
})

test('an empty network id makes nobody a neighbour', () => {
  const self = node('self', 60, { network: '' })
  expect(decide(service('app'), situation([node('p', 1, { network: '' })], { self })).candidates[0]?.tier).toBe('other-network')
})

test('two choices: with many equal neighbours the first candidate differs from seed to seed, and is the lower of its pair', () => {
  const peers = Array.from({ length: 20 }, (_, index) => node(`p${String(index).padStart(2, '0')}`, index))
  const firsts = Array.from({ length: 30 }, (_, seed) => {
    const names = order(peers, { random: seeded(seed), settings: { ...lan, exact: false } })
    expect(new Set(names).size).toBe(names.length)
    expect(String(names[0]) < String(names[1])).toBe(true)
    return names[0]
  })
  expect(new Set(firsts).size).toBeGreaterThan(5)
})

test('a large mesh is asked ceil(log2 n) + 4 times at most, then the cloud', () => {
  const peers = [...Array.from({ length: 999 }, (_, index) => node(`p${index}`, index % 40)), cloudNode('mec')]
  const names = order(peers)
  expect(maxOffers(1000)).toBe(14)
  expect(names).toHaveLength(15)
  expect(names.at(-1)).toBe('mec')
  expect(names[0]).toBe('p0')
})

test('a decision keeps what it was made from, bounded', () => {
  const peers = Array.from({ length: 1000 }, (_, index) => node(`p${index}`, 45))
  const decision = decide(service('app'), situation([...peers, node('fits', 1)]))
  expect(decision.inputs).toHaveLength(256)
  expect(decision.inputs.map(peer => peer.id)).toContain('fits')
  expect(decision.inputsLeftOut).toBe(745)
  expect(decision.rejected.get('cpu')).toBe(1000)
  expect(rejectedPeers(decision)).toHaveLength(16)
})

test('an unknown strategy is a typed error that names the known ones', () => {
  expect(() => decide(service('app'), situation([], { settings: { ...lan, strategy: 'nope' } }))).toThrow(
    expect.objectContaining({ code: 'STRATEGY_UNKNOWN', hint: 'choose one of algorithm-1, algorithm-2' }),
  )
})
