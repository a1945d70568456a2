import { expect, test } from 'vitest'
import { LoadExchange } from './load-exchange.ts'
import { nodeSigner } from './signing.ts'
import { reportOf } from './testing/mesh-in-process.ts'
import { virtualClock } from './testing/virtual-clock.ts'
import type { VirtualClock } from './testing/virtual-clock.ts'
import { reportFromWire, reportToWire } from './wire/load-report.ts'

const signer = (seed: number) => nodeSigner(new Uint8Array(32).fill(seed))
const exchange = (seed: number, clock: VirtualClock, incarnation = 1): LoadExchange =>
  new LoadExchange({ clock, signer: signer(seed), incarnation, isMember: id => id !== signer(9).id })

test('a report survives the wire unchanged', () => {
  const report = { ...reportOf('a', 12.34), services: [{ id: 's', cpuCores: 0.25, ramBytes: 1024 }] }
  expect(reportFromWire(reportToWire({ incarnation: 2, seq: 3, report }))).toEqual({ incarnation: 2, seq: 3, report })
})

test('a newer report replaces an older one, across a restart too; an older one is dropped', () => {
  const clock = virtualClock()
  const [here, there] = [exchange(1, clock), exchange(2, clock)]
  const first = there.publish(reportOf('b', 1))
  const second = there.publish(reportOf('b', 2))
  expect(here.take(second, 0)).toBe(true)
  expect(here.take(first, 0)).toBe(false)
  expect(here.take(exchange(2, clock, 2).publish(reportOf('b', 3)), 0)).toBe(true)
  expect(here.all().get(signer(2).id)?.report.load.cpuPct).toBe(3)
})

test('every report says how old it is, also one that came through a third', () => {
  const clock = virtualClock()
  const [here, between, there] = [exchange(1, clock), exchange(2, clock), exchange(3, clock)]
  between.take(there.publish(reportOf('c', 1)), 0)
  clock.advance(4_000)
  for (const { report, ageMs } of between.newerThan(here.numbers())) here.take(report, ageMs)
  clock.advance(1_000)
  expect(here.all().get(signer(3).id)?.ageMs).toBe(5_000)
  expect(between.newerThan(here.numbers())).toEqual([])
})

test('an answer to an offer refreshes a load until the node’s own next report', () => {
  const clock = virtualClock()
  const [here, there] = [exchange(1, clock), exchange(2, clock)]
  here.take(there.publish(reportOf('b', 10)), 0)
  clock.advance(3_000)
  here.note(signer(2).id, reportOf('b', 60))
  expect(here.all().get(signer(2).id)).toMatchObject({ ageMs: 0, report: { load: { cpuPct: 60 } } })
  here.take(there.publish(reportOf('b', 20)), 0)
  expect(here.all().get(signer(2).id)?.report.load.cpuPct).toBe(20)
})

test('a report of no member, a forged one and one out of range are refused', () => {
  const clock = virtualClock()
  const here = exchange(1, clock)
  expect(here.take(exchange(9, clock).publish(reportOf('x', 1)), 0)).toBe(false)
  const sealed = exchange(2, clock).publish(reportOf('b', 1))
  expect(() => here.take({ ...sealed, body: sealed.body.replace('"seq":1', '"seq":7') }, 0)).toThrowError(
    expect.objectContaining({ code: 'MESH_BAD_SIGNATURE' }),
  )
  expect(() => exchange(2, clock).publish(reportOf('b', Number.NaN))).toThrowError(
    expect.objectContaining({ code: 'MESH_BAD_MESSAGE' }),
  )
})
