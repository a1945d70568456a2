// The replicated records: the laws of the merge, and what a node refuses.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ServiceRecord } from '../placement/view.ts'
import { differingBuckets, encodeDigests } from './bucket-digest.ts'
import { memoryKeyValue } from './key-value.ts'
import type { KeyValue } from './key-value.ts'
import type { ProfileRecord } from './mesh.ts'
import { compareProfileRecords, profileBook, profileRecords } from './profile-book.ts'
import { compareServiceRecords, serviceRecords } from './registry.ts'
import { Replica } from './replica.ts'
import type { ReplicaPorts } from './replica.ts'
import { nodeSigner } from './signing.ts'
import { seal } from './wire/sealed.ts'
import type { Sealed } from './wire/sealed.ts'
import { serviceToWire } from './wire/service-record.ts'

const signers = [1, 2, 3].map(number => nodeSigner(new Uint8Array(32).fill(number)))
const signerOf = (id: string) => signers.find(signer => signer.id === id) ?? signers[0]
const portsOn = (store: KeyValue): ReplicaPorts => ({
  store,
  mayWrite: id => signers.some(signer => signer.id === id),
  onUnreadable(key, error) {
    throw new Error(key, { cause: error })
  },
})

const anyService: fc.Arbitrary<ServiceRecord> = fc.record({
  id: fc.constantFrom('s1', 's2'),
  spec: fc.constant({ name: 'n', type: 'stateful', image: 'i', args: [], env: [], restart: 'no', tty: false } as const),
  owner: fc.constantFrom(...signers.map(({ id }) => id)),
  epoch: fc.nat(2),
  counter: fc.nat(2),
  state: fc.constantFrom('running', 'stopped'),
  reason: fc.constant(''),
  deleted: fc.boolean(),
})
const anyProfile: fc.Arbitrary<ProfileRecord> = fc.record({
  match: fc.constant('m'),
  profile: fc.constantFrom({ cpu: '1' }, { cpu: '2' }),
  deleted: fc.boolean(),
  counter: fc.nat(2),
  writer: fc.constantFrom(...signers.map(({ id }) => id)),
})

function sealed(record: ServiceRecord): Sealed {
  const signer = signerOf(record.owner)
  if (signer === undefined) throw new Error('no signer')
  return seal('service-record', serviceToWire(record), signer)
}

async function merged(records: readonly ServiceRecord[]): Promise<Replica<ServiceRecord>> {
  const replica = await Replica.open(serviceRecords, portsOn(memoryKeyValue()))
  for (const record of records) await replica.merge(sealed(record))
  return replica
}

test.each([
  ['service records', fc.tuple(anyService, anyService, anyService), compareServiceRecords],
  ['profile records', fc.tuple(anyProfile, anyProfile, anyProfile), compareProfileRecords],
] as const)('the order of %s is total: it contradicts itself for no three of them', (_name, three, compare) => {
  const signum = (a: unknown, b: unknown): number => Math.sign(Reflect.apply(compare, undefined, [a, b]))
  fc.assert(
    fc.property(three as fc.Arbitrary<readonly [unknown, unknown, unknown]>, ([a, b, c]) => {
      expect(signum(a, b)).toBe(-signum(b, a) + 0)
      if (signum(a, b) > 0 && signum(b, c) > 0) expect(signum(a, c)).toBe(1)
      if (signum(a, b) === 0) expect(a).toEqual(b)
    }),
    { numRuns: 500 },
  )
})

test('whoever hears what in which order and how often, all end with the same', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyService, { maxLength: 6 }), fc.array(fc.nat(5), { maxLength: 8 }), async (records, picks) => {
      const again = picks.flatMap(pick => records[pick] ?? [])
      const one = await merged(records)
      const other = await merged([...again, ...records.toReversed(), ...again])
      expect(other.root()).toBe(one.root())
      for (const id of ['s1', 's2']) expect(other.get(id)).toEqual(one.get(id))
    }),
    { numRuns: 60 },
  )
})

test('the higher epoch wins, whatever else the records say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyService, { minLength: 1, maxLength: 6 }), async records => {
      const replica = await merged(records)
      for (const id of new Set(records.map(record => record.id))) {
        expect(replica.get(id)?.epoch).toBe(Math.max(...records.filter(record => record.id === id).map(({ epoch }) => epoch)))
      }
    }),
    { numRuns: 60 },
  )
})

const service: ServiceRecord = {
  id: 's1',
  spec: {
    name: 'n',
    type: 'stateful',
    image: 'i',
    args: ['-x'],
    env: ['A=1'],
    restart: 'always',
    tty: true,
    profile: { cpu: '0.5' },
  },
  owner: signers[0]?.id ?? '',
  epoch: 3,
  counter: 4,
  state: 'running',
  reason: '',
  deleted: false,
}

test('a record survives the wire unchanged, and a restart of the node', async () => {
  const store = memoryKeyValue()
  const first = await Replica.open(serviceRecords, portsOn(store))
  await first.merge(sealed(service))
  const second = await Replica.open(serviceRecords, portsOn(store))
  expect(second.get('s1')).toEqual(service)
  expect(second.root()).toBe(first.root())
})

test('a forged, foreign, malformed or oversized record is refused and changes nothing', async () => {
  const replica = await merged([service])
  const before = replica.root()
  const good = sealed({ ...service, epoch: 9 })
  await expect(replica.merge({ ...good, sig: sealed(service).sig })).rejects.toMatchObject({ code: 'MESH_BAD_SIGNATURE' })
  await expect(replica.merge({ ...good, sig: 'not base64 !' })).rejects.toMatchObject({ code: 'MESH_BAD_SIGNATURE' })
  await expect(replica.merge({ ...good, by: signers[1]?.id ?? '' })).rejects.toMatchObject({ code: 'MESH_RECORD_FOREIGN' })
  await expect(replica.merge({ ...good, body: good.body.replace('"epoch":9', '"epoch":-1') })).rejects.toMatchObject({
    code: 'MESH_BAD_MESSAGE',
  })
  await expect(replica.merge({ ...good, body: good.body.replace('"v":1', '"v":2') })).rejects.toMatchObject({
    code: 'MESH_VERSION_UNKNOWN',
  })
  await expect(replica.merge({ ...good, body: '{' })).rejects.toMatchObject({ code: 'MESH_BAD_MESSAGE' })
  await expect(replica.merge({ ...good, body: `{"v":1,"x":"${'x'.repeat(40_000)}"}` })).rejects.toMatchObject({
    code: 'MESH_MESSAGE_TOO_LARGE',
  })
  const outsider = nodeSigner(new Uint8Array(32).fill(9))
  const strange = seal('service-record', serviceToWire({ ...service, owner: outsider.id, epoch: 9 }), outsider)
  await expect(replica.merge(strange)).rejects.toMatchObject({ code: 'MESH_RECORD_FOREIGN' })
  expect(replica.root()).toBe(before)
})

test('a store that fails makes the write fail, and nothing is believed', async () => {
  const store = { ...memoryKeyValue(), put: async () => Promise.reject(new Error('disk full')) }
  const replica = await Replica.open(serviceRecords, portsOn(store))
  await expect(replica.merge(sealed(service))).rejects.toThrow('disk full')
  expect(replica.get('s1')).toBeUndefined()
})

test('only what differs is pulled, page by page', async () => {
  const many = Array.from({ length: 300 }, (_, at) => ({ ...service, id: `s${at}` }))
  const full = await merged(many)
  const behind = await merged(many.slice(0, 290))
  const buckets = differingBuckets(behind.digests(), encodeDigests(full.digests()))
  expect(buckets.length).toBeGreaterThan(0)
  expect(buckets.length).toBeLessThanOrEqual(10)
  let after: string | null = null
  let pages = 0
  do {
    const page: { items: Sealed[]; next: string | null } = full.page(buckets, after, 4_000)
    for (const item of page.items) await behind.merge(item)
    after = page.next
    pages += 1
  } while (after !== null)
  expect(pages).toBeGreaterThan(1)
  expect(behind.root()).toBe(full.root())
})

test('a profile that is set again wins over the one before, and a removed one is gone', async () => {
  const [signer] = signers
  if (signer === undefined) throw new Error('no signer')
  const book = profileBook(await Replica.open(profileRecords, portsOn(memoryKeyValue())), signer)
  await book.set('web', { cpu: '10%' })
  await book.set('web', { ram: '256Mi' })
  expect(book.list()).toMatchObject([{ match: 'web', profile: { ram: '256Mi' }, counter: 2 }])
  await book.remove('web')
  expect(book.list()).toEqual([])
})
