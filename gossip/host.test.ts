// What the host's settings promise, on loopback.

import { generateKeyPair } from '@libp2p/crypto/keys'
import { expect, test } from 'vitest'
import { noLan } from './discovery.ts'
import { Gate } from './gate.ts'
import { createHost, startHost } from './host.ts'
import type { Host } from './host.ts'
import { eventually, realClock } from './testing/mesh-in-process.ts'

const TOPIC = 'shoal/test/1'

async function hearing(removed: ReadonlySet<string> = new Set()): Promise<{ readonly host: Host; readonly heard: string[] }> {
  const gate = new Gate({ clock: realClock, isMember: () => true, isRemoved: id => removed.has(id), holdMs: 1_000 })
  const where = { port: 0, listenOn: '127.0.0.1' }
  const privateKey = await generateKeyPair('Ed25519')
  const host = await createHost({ privateKey, ...where, announce: [], announceLoopback: true, topics: [TOPIC], gate, lan: noLan })
  await startHost(host, where)
  host.services.pubsub.subscribe(TOPIC)
  const heard: string[] = []
  host.services.pubsub.addEventListener('message', ({ detail }) => heard.push(Buffer.from(detail.data).toString()))
  return { host, heard }
}

test.concurrent('fifteen peers behind one address still hear each other on a topic', async () => {
  const hub = await hearing()
  const spokes = await Promise.all(Array.from({ length: 15 }, () => hearing()))
  try {
    for (const { host } of spokes) await host.dial(hub.host.getMultiaddrs())
    await eventually(() => expect(hub.host.services.pubsub.getSubscribers(TOPIC)).toHaveLength(15))
    await spokes[7]?.host.services.pubsub.publish(TOPIC, Buffer.from('from a spoke'))
    await hub.host.services.pubsub.publish(TOPIC, Buffer.from('from the hub'))
    await eventually(() => {
      for (const { heard } of spokes) expect(heard).toContain('from the hub')
      expect(hub.heard).toContain('from a spoke')
    })
  } finally {
    await Promise.all([hub, ...spokes].map(async ({ host }) => await host.stop()))
  }
})

test.concurrent('a removed peer’s connection is gone before it can say anything', async () => {
  const removed = new Set<string>()
  const here = await hearing(removed)
  const there = await hearing()
  try {
    removed.add(there.host.peerId.toString())
    // Its dial may well succeed there; that means nothing.
    await there.host.dial(here.host.getMultiaddrs()).catch(() => undefined)
    await eventually(() => {
      expect(here.host.getConnections()).toHaveLength(0)
      expect(there.host.getConnections()).toHaveLength(0)
    })
    await expect(here.host.dial(there.host.getMultiaddrs())).rejects.toThrow()
  } finally {
    await Promise.all([here.host.stop(), there.host.stop()])
  }
})
