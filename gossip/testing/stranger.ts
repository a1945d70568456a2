// A libp2p host that belongs to no mesh, for tests of the gate: it dials, speaks any protocol with frames of ours, and listens on topics.

import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { encodeFrame, readFrames } from '../frames.ts'
import { byteStreamOver } from '../libp2p-stream.ts'

export interface Stranger extends AsyncDisposable {
  readonly id: string
  dial(address: string): Promise<void>
  /** Sends one frame and resolves to the first that comes back. @throws when the stream is refused or nothing comes within `ms` */
  speak(peer: string, protocol: string, frame: unknown, ms: number): Promise<unknown>
  /** The same to an address with its peer id. */
  speakTo(address: string, protocol: string, frame: unknown, ms: number): Promise<unknown>
  /** What came on the topics. */
  heard(): readonly string[]
}

export async function strangerHost(topics: readonly string[]): Promise<Stranger> {
  const host = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) },
  })
  const heard: string[] = []
  host.services.pubsub.addEventListener('message', ({ detail }) => heard.push(Buffer.from(detail.data).toString()))
  const exchange = async (
    to: Parameters<typeof host.dialProtocol>[0],
    protocol: string,
    frame: unknown,
    ms: number,
  ): Promise<unknown> => {
    const signal = AbortSignal.timeout(ms)
    const stream = byteStreamOver(await host.dialProtocol(to, protocol, { signal }), 'peer')
    signal.addEventListener('abort', () => stream.abort(new Error('no answer')))
    await stream.write(encodeFrame(frame, 1 << 20))
    for await (const answer of readFrames(stream.incoming, 1 << 20)) return answer
    throw new Error('no answer')
  }
  for (const topic of topics) host.services.pubsub.subscribe(topic)
  return {
    id: host.peerId.toString(),
    heard: () => heard,
    async dial(address) {
      await host.dial(multiaddr(address))
    },
    speak: (peer, protocol, frame, ms) => exchange(peerIdFromString(peer), protocol, frame, ms),
    speakTo: (address, protocol, frame, ms) => exchange(multiaddr(address), protocol, frame, ms),
    [Symbol.asyncDispose]: async () => {
      await host.stop()
    },
  }
}
