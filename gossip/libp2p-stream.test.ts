// The byte stream over real libp2p on loopback, with the settings of host.ts; the wire between the two can be cut as a crash cuts it.

import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { ByteStream } from './byte-stream.ts'
import { noLan } from './discovery.ts'
import { Gate } from './gate.ts'
import { createHost, startHost } from './host.ts'
import type { Host } from './host.ts'
import { byteStreamOver } from './libp2p-stream.ts'
import { LIMITS } from './limits.ts'
import { eventually, realClock } from './testing/mesh-in-process.ts'

const MIB = 1 << 20
const PROTOCOL = '/shoal/test/1'

async function testHost(): Promise<Host> {
  const gate = new Gate({ clock: realClock, isMember: () => true, isRemoved: () => false, holdMs: 1000 })
  const where = { port: 0, listenOn: '127.0.0.1' }
  const privateKey = await generateKeyPair('Ed25519')
  const host = await createHost({ privateKey, ...where, announce: [], announceLoopback: true, topics: [], gate, lan: noLan })
  await startHost(host, where)
  return host
}

interface Pair extends AsyncDisposable {
  readonly near: ByteStream
  readonly far: ByteStream
  /** Closes the TCP connection under both, without a word: what a killed process leaves behind. */
  cut(): void
}

async function streamPair(): Promise<Pair> {
  const [here, there] = await Promise.all([testHost(), testHost()])
  const port = Number(/tcp\/(\d+)/.exec(there.getMultiaddrs()[0]?.toString() ?? '')?.[1])
  const sockets: Socket[] = []
  const relay = createServer(inbound => {
    const outbound = connect(port, '127.0.0.1')
    sockets.push(inbound, outbound)
    inbound.on('error', () => undefined).pipe(outbound)
    outbound.on('error', () => undefined).pipe(inbound)
  })
  await new Promise<void>(resolve => relay.listen(0, '127.0.0.1', resolve))
  const { port: relayPort } = relay.address() as AddressInfo
  const arrived = Promise.withResolvers<ByteStream>()
  await there.handle(PROTOCOL, (stream, connection) => arrived.resolve(byteStreamOver(stream, connection.remotePeer.toString())))
  const address = multiaddr(`/ip4/127.0.0.1/tcp/${relayPort}/p2p/${there.peerId.toString()}`)
  const near = byteStreamOver(await here.dialProtocol(address, PROTOCOL), there.peerId.toString())
  return {
    near,
    far: await arrived.promise,
    cut: () => sockets.forEach(socket => socket.end()),
    async [Symbol.asyncDispose]() {
      await Promise.all([here.stop(), there.stop()])
      sockets.forEach(socket => socket.destroy())
      relay.close()
    },
  }
}

/** Writes until it is held back or all is out; tells how far it came. */
function pour(stream: ByteStream, bytes: number): { readonly done: Promise<void>; written(): number } {
  let written = 0
  const chunk = Buffer.alloc(256 << 10, 7)
  const done = (async () => {
    while (written < bytes) {
      await stream.write(chunk)
      written += chunk.length
    }
    await stream.closeWrite()
  })()
  done.catch(() => undefined)
  return { done, written: () => written }
}

async function count(stream: ByteStream): Promise<number> {
  let bytes = 0
  for await (const chunk of stream.incoming) bytes += chunk.length
  return bytes
}

test.concurrent.each(['near', 'far'] as const)(
  'a sender is held back while nobody reads, and all arrives once somebody does (%s sends)',
  async side => {
    await using pair = await streamPair()
    const [sender, reader] = side === 'near' ? [pair.near, pair.far] : [pair.far, pair.near]
    if (side === 'far') await pair.near.write(Buffer.of(1)) // the far side has its stream by now in any case
    const pouring = pour(sender, 48 * MIB)
    let before = -1
    await eventually(async () => {
      const now = pouring.written()
      const stands = now === before && now > 0
      before = now
      await new Promise(resolve => setTimeout(resolve, 150))
      expect(stands).toBe(true)
    })
    // Own queue, the window, the read buffer behind it, and what the sockets hold.
    expect(pouring.written()).toBeLessThan(
      LIMITS.readQueueHighBytes + LIMITS.streamWindowBytes + LIMITS.streamReadBufferBytes + 8 * MIB,
    )
    const [bytes] = await Promise.all([count(reader), pouring.done])
    expect(bytes).toBe(48 * MIB)
  },
)

test.concurrent('a reader that is always slower than its sender gets everything: it holds back again and again', async () => {
  await using pair = await streamPair()
  const pouring = pour(pair.near, 48 * MIB)
  let bytes = 0
  for await (const chunk of pair.far.incoming) {
    bytes += chunk.length
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  await pouring.done
  expect(bytes).toBe(48 * MIB)
})

test.concurrent('a peer that is killed leaves an error behind, never a clean end', async () => {
  await using pair = await streamPair()
  await pair.near.write(Buffer.from('half of a mess'))
  const reading = count(pair.far)
  pair.cut()
  await expect(reading).rejects.toMatchObject({ code: 'MESH_STREAM_BROKEN' })
  await expect(pour(pair.near, MIB).done).rejects.toMatchObject({ code: 'MESH_STREAM_BROKEN' })
})

test.concurrent('a half-close ends one direction only', async () => {
  await using pair = await streamPair()
  await pair.near.write(Buffer.from('question'))
  await pair.near.closeWrite()
  expect(await count(pair.far)).toBe(8)
  await pair.far.write(Buffer.from('answer'))
  await pair.far.closeWrite()
  expect(await count(pair.near)).toBe(6)
})

test.concurrent('a reset is an error on the other side, with what came before it', async () => {
  await using pair = await streamPair()
  await pair.near.write(Buffer.from('so far'))
  const reader = pair.far.incoming[Symbol.asyncIterator]()
  expect(Buffer.from((await reader.next()).value ?? []).toString()).toBe('so far')
  pair.near.abort(new Error('changed my mind'))
  await expect(reader.next()).rejects.toMatchObject({ code: 'MESH_STREAM_BROKEN' })
})

test.concurrent('a writer that is held back gives up when its signal fires', async () => {
  await using pair = await streamPair()
  const abort = new AbortController()
  const writing = (async () => {
    for (;;) await pair.near.write(Buffer.alloc(MIB), abort.signal)
  })()
  setTimeout(() => abort.abort(new Error('too slow')), 300)
  await expect(writing).rejects.toThrow('too slow')
})

test.concurrent('reading can stop after a header and go on later', async () => {
  await using pair = await streamPair()
  await pair.near.write(Buffer.from('head'))
  for await (const chunk of pair.far.incoming) {
    expect(Buffer.from(chunk).toString()).toBe('head')
    break
  }
  await pair.near.write(Buffer.from('body'))
  await pair.near.closeWrite()
  expect(await count(pair.far)).toBe(4)
})
