import { expect, test } from 'vitest'
import { limitsOn, needOn, parseProfile, pickProfile } from './profile.ts'
import { capacity, vec } from './test-mesh.ts'

const idle = { cpuCores: 0, ramBytes: 0, gpus: 0 }

test.each([
  { written: '256Mi', bytes: 256 * 2 ** 20 },
  { written: '1Gi', bytes: 2 ** 30 },
  { written: '1.5GiB', bytes: 1.5 * 2 ** 30 },
  { written: '500M', bytes: 500e6 },
  { written: '500MB', bytes: 500e6 },
  { written: '268435456', bytes: 2 ** 28 },
])('$written of RAM is $bytes bytes', ({ written, bytes }) => {
  expect(limitsOn(parseProfile({ ram: written }), capacity())).toEqual({ ramBytes: bytes })
})

test('0.5 cores are 6.25 % of eight cores and 50 % of one', () => {
  const demand = { quota: parseProfile({ cpu: '0.5' }), ...idle }
  expect(needOn(demand, capacity(8))).toEqual(vec(6.25))
  expect(needOn(demand, capacity(1))).toEqual(vec(50))
})

test('10% is a tenth of whichever node hosts the service, and a limit in its cores and bytes', () => {
  const quota = parseProfile({ cpu: '10%', ram: '10%' })
  expect(needOn({ quota, ...idle }, capacity(4))).toEqual(vec(10, 10))
  expect(limitsOn(quota, capacity(4, 2 ** 30))).toEqual({ cpuCores: 0.4, ramBytes: Math.round(2 ** 30 / 10) })
})

test.each([
  { profile: { cpu: 'much' }, what: 'profile: cpu "much" cannot be read' },
  { profile: { cpu: '500m' }, what: 'profile: cpu "500m" cannot be read' },
  { profile: { cpu: '-1' }, what: 'profile: cpu "-1" cannot be read' },
  { profile: { cpu: '' }, what: 'profile: cpu "" cannot be read' },
  { profile: { cpu: '0' }, what: 'profile: cpu "0" is below the smallest possible 0.01 cores' },
  { profile: { cpu: '99999' }, what: 'profile: cpu "99999" is above the largest possible 4096 cores' },
  { profile: { cpu: '0%' }, what: 'profile: cpu "0%" must be more than 0 % and at most 100 %' },
  { profile: { cpu: '101%' }, what: 'profile: cpu "101%" must be more than 0 % and at most 100 %' },
  { profile: { cpu: 'x%' }, what: 'profile: cpu "x%" is not a percentage' },
  { profile: { ram: '256m' }, what: 'profile: ram "256m" cannot be read' },
  { profile: { ram: '1Mi' }, what: 'profile: ram "1Mi" is below the smallest possible 6291456 bytes' },
  { profile: { ram: '1'.repeat(40) }, what: `profile: ram "${'1'.repeat(32)}…" is too long` },
  { profile: { gpu: '0' }, what: 'profile: gpu "0" is below the smallest possible 0.01 GPUs' },
])('$what', ({ profile, what }) => {
  expect(() => parseProfile(profile)).toThrow(
    expect.objectContaining({ code: 'PROFILE_REFUSED', message: what, hint: expect.stringContaining('write') }),
  )
})

test('a profile set for the name wins over the one for the image, that over the one it was run with', () => {
  const spec = { name: 'web', image: 'docker.io/library/nginx:latest', profile: { cpu: '3' } }
  const [byName, byImage] = [
    { match: 'web', profile: { cpu: '1' } },
    { match: 'nginx', profile: { cpu: '2' } },
  ]
  expect(pickProfile(spec, [byImage, byName])).toEqual({ cpu: '1' })
  expect(pickProfile(spec, [byImage])).toEqual({ cpu: '2' })
  expect(pickProfile(spec, [])).toEqual({ cpu: '3' })
  expect(pickProfile({ name: 'db', image: 'postgres:17' }, [byImage, byName])).toBeUndefined()
})

test('a GPU where there is none is more than any node has', () => {
  expect(needOn({ quota: parseProfile({ gpu: '10%' }), ...idle }, capacity()).gpuPct).toBe(Number.POSITIVE_INFINITY)
  expect(needOn({ quota: parseProfile({ gpu: '1' }), ...idle }, capacity(8, 2 ** 34, 2)).gpuPct).toBe(50)
})
