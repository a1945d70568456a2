// Standing request streams, both ends, over a stream in memory and a clock that stands.

import { expect, test } from 'vitest'
import { MeshError } from './errors.ts'
import { encodeFrame, readFrames } from './frames.ts'
import { LIMITS } from './limits.ts'
import type { RequestHandler } from './mesh.ts'
import { serveRequests } from './request-server.ts'
import { RequestLink } from './requests.ts'
import { streamPair } from './testing/stream-pair.ts'
import { virtualClock } from './testing/virtual-clock.ts'
import { everyBeat } from './rhythm.ts'

const forever = (): AbortSignal => new AbortController().signal
const tick = async (): Promise<void> => {
  for (let at = 0; at < 20; at++) await Promise.resolve()
  await new Promise(resolve => setImmediate(resolve))
}

function connected(handlers: Readonly<Record<string, RequestHandler>>) {
  const clock = virtualClock()
  const notices: unknown[] = []
  const failures: string[] = []
  const roundTrips: number[] = []
  let opened = 0
  let far = streamPair()[1]
  const link = new RequestLink({
    peer: 'b',
    clock,
    open: async () => {
      opened += 1
      const [near, other] = streamPair()
      far = other
      void serveRequests(other, {
        handlerOf: name => handlers[name],
        onNotice: (from, name, body) => notices.push([from, name, body]),
        onFailure: (_from, name) => failures.push(name),
      })
      return near
    },
    onRoundTrip: ms => roundTrips.push(ms),
  })
  return { clock, link, notices, failures, roundTrips, opened: () => opened, far: () => far }
}

test('many questions share one stream, and each gets its own answer, in whatever order they come', async () => {
  const slow = Promise.withResolvers<string>()
  const { link, opened } = connected({ slow: () => slow.promise, quick: async (_from, body) => body })
  const first = link.request('slow', null, forever())
  expect(await link.request('quick', { a: 1 }, forever())).toEqual({ a: 1 })
  slow.resolve('late')
  expect(await first).toBe('late')
  expect(opened()).toBe(1)
})

test('a peer’s refusal keeps its code and hint; a failure of its own is told as such and noted there', async () => {
  const { link, failures } = connected({
    refuse: async () => {
      throw new MeshError('MESH_RECORD_STALE', { what: 'no', hint: 'do this' })
    },
    crash: async () => {
      throw new TypeError('x is undefined')
    },
  })
  await expect(link.request('refuse', null, forever())).rejects.toMatchObject({
    code: 'MESH_RECORD_STALE',
    message: 'no',
    hint: 'do this',
  })
  await expect(link.request('crash', null, forever())).rejects.toMatchObject({ code: 'MESH_HANDLER_FAILED' })
  await expect(link.request('what', null, forever())).rejects.toMatchObject({ code: 'MESH_UNKNOWN_REQUEST' })
  expect(failures).toEqual(['crash'])
})

test('a question ends when its signal fires, when its deadline passes and when the stream breaks', async () => {
  const { link, clock, far, opened } = connected({ never: () => new Promise(() => undefined), echo: async (_from, body) => body })
  const abort = new AbortController()
  const given = link.request('never', null, abort.signal)
  const timed = link.request('never', null, forever())
  await tick()
  abort.abort(new Error('enough'))
  await expect(given).rejects.toThrow('enough')
  clock.advance(LIMITS.requestMs)
  await expect(timed).rejects.toMatchObject({ code: 'MESH_PEER_UNREACHABLE' })
  const cut = link.request('never', null, forever())
  await tick()
  far().abort(new Error('power'))
  await expect(cut).rejects.toThrow('power')
  expect(await link.request('echo', 7, forever())).toBe(7) // on a fresh stream
  expect(opened()).toBe(2)
})

test('a peer takes only so many questions at once and says so', async () => {
  const { link } = connected({ never: () => new Promise(() => undefined) })
  const asked = Array.from({ length: LIMITS.requestsPerPeerMax + 1 }, () => link.request('never', null, forever()))
  for (const each of asked) each.catch(() => undefined)
  await expect(asked.at(-1)).rejects.toMatchObject({ code: 'MESH_PEER_BUSY' })
  link.close(new Error('done'))
  await expect(asked[0]).rejects.toThrow('done')
})

test('an answer that is too large is refused, not dropped', async () => {
  const { link } = connected({ huge: async () => 'x'.repeat(LIMITS.frameBytesMax) })
  await expect(link.request('huge', null, forever())).rejects.toMatchObject({ code: 'MESH_MESSAGE_TOO_LARGE' })
  await expect(link.request('huge', 'x'.repeat(LIMITS.frameBytesMax), forever())).rejects.toMatchObject({
    code: 'MESH_MESSAGE_TOO_LARGE',
  })
})

test('a notice arrives once the stream stands; before that it is dropped', async () => {
  const { link, notices } = connected({})
  link.notify('early', 1)
  await link.warm()
  link.notify('report', { a: 1 })
  await tick()
  expect(notices).toEqual([['a', 'report', { a: 1 }]])
})

test('a round trip is measured at once, and then with every tenth heartbeat', async () => {
  const { link, roundTrips } = connected({})
  await link.warm()
  for (let beat = 1; beat <= 10; beat++) {
    link.heartbeat(0)
    await tick()
    expect(roundTrips).toHaveLength(beat < 10 ? Math.min(beat, 3) : 4)
  }
})

test('a heartbeat is left out while something else was said just before', async () => {
  const clock = virtualClock()
  const [near, far] = streamPair()
  const link = new RequestLink({ peer: 'b', clock, open: async () => near, onRoundTrip: () => undefined })
  const seen: unknown[] = []
  void (async () => {
    for await (const frame of readFrames(far.incoming, 1000)) seen.push(frame)
  })()
  await link.warm()
  for (let beat = 0; beat < 3; beat++) link.heartbeat(0) // these measure the round trip in any case
  await tick()
  seen.length = 0
  link.notify('report', 1)
  link.heartbeat(400)
  clock.advance(500)
  link.heartbeat(400)
  await tick()
  expect(seen).toEqual([
    { t: 'n', name: 'report', body: 1 },
    { t: 'h', seq: 5, echo: false },
  ])
})

test('a frame nobody can read ends the stream', async () => {
  const [near, far] = streamPair()
  const serving = serveRequests(far, { handlerOf: () => undefined, onNotice: () => undefined, onFailure: () => undefined })
  await near.write(encodeFrame({ t: 'q', id: 'one' }, 1000))
  await serving
  await expect(Array.fromAsync(readFrames(near.incoming, 1000))).rejects.toMatchObject({ code: 'MESH_BAD_MESSAGE' })
})

test('a beat knows how late it is', () => {
  let now = 0
  let due: () => void = () => undefined
  const clock = {
    now: () => now,
    wallNow: () => now,
    after: (_ms: number, run: () => void) => {
      due = run
      return () => (due = () => undefined)
    },
  }
  const late: number[] = []
  const stop = everyBeat(clock, 100, ms => late.push(ms))
  now = 100
  due()
  now = 650 // the process stood still for 450 ms
  due()
  stop()
  due()
  expect(late).toEqual([0, 450])
})
