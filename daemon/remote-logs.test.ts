import { expect, test } from 'vitest'
import { idle, ManualClock } from '../test/sim/manual-clock.ts'
import { SimNet } from '../test/sim/mesh.ts'
import { simWorld, webSpec } from '../test/sim/service-node.ts'
import type { LogLine } from './api/schema/service.ts'
import { jsonLine } from './json-lines.ts'
import { followLogs, serveLogs } from './remote-logs.ts'
import { serviceBook } from './service-book.ts'

const patience = new AbortController().signal

/** Two nodes; the owner has lines without end and counts how many were asked of it. */
async function pair() {
  const net = new SimNet()
  const clock = new ManualClock()
  const owner = net.add('owner', 'lab3')
  const asker = net.add('asker', 'vrone')
  const first = { epoch: 1, counter: 0, state: 'running', reason: '', deleted: false } as const
  const record = { id: 's1', spec: webSpec(), owner: 'owner', ...first }
  await owner.services.put(record)
  const given = { lines: 0, ended: false }
  async function* ownLines(): AsyncGenerator<LogLine> {
    try {
      for (;;) {
        given.lines += 1
        yield { atMs: 0, stream: 'stdout', line: String(given.lines), node: 'lab3' }
      }
    } finally {
      given.ended = true
    }
  }
  serveLogs({ mesh: owner, clock, ownLines }, patience)
  const parts = { mesh: asker, clock, ownLines }
  return { parts, record, given, owner, asker, clock }
}

test('a slow reader holds the owner back: nothing piles up between them', async () => {
  const { parts, record, given } = await pair()
  const lines = (await followLogs(parts, record, { follow: true }, patience))[Symbol.asyncIterator]()
  expect(await lines.next()).toMatchObject({ value: { line: '1' } })
  await idle()
  expect(given.lines).toBeLessThan(5)
  await lines.return?.()
})

test('a reader that leaves ends the reading at the owner', async () => {
  const { parts, record, given } = await pair()
  const reader = new AbortController()
  const lines = (await followLogs(parts, record, { follow: true }, reader.signal))[Symbol.asyncIterator]()
  await lines.next()
  reader.abort()
  await lines.next().catch(() => undefined) // it may end or break: the reader has left
  await idle()
  expect(given.ended).toBe(true)
})

test('a stream that breaks is told as broken, not as the end of the log', async () => {
  const { parts, record, owner } = await pair()
  owner.onStream('/shoal/logs/1', async stream => {
    await stream.incoming[Symbol.asyncIterator]().next()
    await stream.write(jsonLine({ ok: true }))
    await stream.write(jsonLine({ atMs: 0, stream: 'stdout', line: 'one', node: 'lab3' }))
    stream.abort(new Error('cable pulled'))
  })
  const seen: string[] = []
  const reading = (async () => {
    for await (const { line } of await followLogs(parts, record, {}, patience)) seen.push(line)
  })()
  await expect(reading).rejects.toMatchObject({ code: 'LOGS_BROKEN', message: expect.stringContaining('cable pulled') })
})

test.each([
  { says: 'a first line that is no request', line: { hello: 1 }, code: 'NODE_ANSWER_INVALID' },
  { says: 'a service that is not here', line: { v: 1, id: 'other', follow: false }, code: 'SERVICE_NOT_HERE' },
])('the owner answers $says with its code', async ({ line, code }) => {
  const { asker } = await pair()
  const stream = await asker.openStream('owner', '/shoal/logs/1', patience)
  void stream.write(jsonLine(line))
  const [answer] = await Array.fromAsync(stream.incoming)
  expect(JSON.parse(Buffer.from(answer ?? []).toString())).toMatchObject({ ok: false, code })
})

test('a stream on which no request comes is cut off', async () => {
  const { asker, clock } = await pair()
  const stream = await asker.openStream('owner', '/shoal/logs/1', patience)
  const reading = Array.fromAsync(stream.incoming)
  await Promise.all([expect(reading).rejects.toThrow('no request came'), clock.advance(10_000)])
})

test('a followed log goes on at the new node after a move', async () => {
  const world = simWorld()
  const [lab3, vrone, lab4] = [await world.node('lab3'), await world.node('vrone'), await world.node('lab4')]
  const record = await vrone.services.run(webSpec(), patience)
  const seen: string[] = []
  const reading = (async () => {
    for await (const { line, node } of await lab3.actions.logs('web', { follow: true, tail: 0 }, patience))
      seen.push(`${node}: ${line}`)
  })()
  await idle()
  const before = vrone.services.containerOf(record.id) ?? ''
  vrone.engine.print(before, 'one\n')
  await idle()

  const [source, target] = [serviceBook(vrone.services.keeper), serviceBook(lab4.services.keeper)]
  await source.markMoving(record.id, 'm')
  const marks = { service: record.id, epoch: 2, mesh: 'mesh-1', move: 'm' }
  const limits = { cores: null, ramBytes: null }
  const copy = await lab4.engine.create({ name: 'copy', image: 'web', args: [], env: [], tty: false, marks, limits }, patience)
  await lab4.engine.start(copy, patience)
  await target.takeOver({ ...record, owner: lab4.mesh.id, epoch: 2, counter: 0 }, copy)
  await vrone.engine.remove(before, patience)
  await source.letGo(record.id, 'm', lab4.mesh.id)
  await world.clock.advance(1_000)
  lab4.engine.print(copy, 'two\n')
  await idle()
  expect(seen.filter(line => !line.includes('started'))).toEqual(['vrone: one', 'lab4: two'])

  await lab4.services.removeService(record.id, { force: true }, patience)
  await world.clock.advance(3_000)
  await reading
})
