// The libp2p host as it was measured: noise over TCP with yamux windows that survive `pause()`, the connection monitor
// off (it would cut a running move on one missed ping; failure-detector.ts judges instead), gossipsub for members only.
// Called by open-mesh.ts.

import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { identify } from '@libp2p/identify'
import type { Identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import type { GossipSub, GossipSubComponents } from '@chainsafe/libp2p-gossipsub'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { announceOuterOnly } from './addresses.ts'
import { MeshError, reasonOf } from './errors.ts'
import type { Lan, LanFactory } from './discovery.ts'
import type { Gate } from './gate.ts'
import { gatedRegistrar } from './gated-registrar.ts'
import { LIMITS } from './limits.ts'

export interface HostOptions {
  readonly privateKey: PrivateKey
  /** TCP port; 0 takes a free one. */
  readonly port: number
  /** IP address to listen on. */
  readonly listenOn: string
  /** Further addresses to tell others (multiaddrs), for a port that is forwarded to this node. */
  readonly announce: readonly string[]
  /** Loopback addresses are told to others too: for several nodes of one host, in tests. */
  readonly announceLoopback: boolean
  readonly topics: readonly string[]
  readonly gate: Gate
  readonly lan: LanFactory
}

export type Host = Libp2p<{ identify: Identify; pubsub: GossipSub; lan: Lan }>

/** Builds the host; {@link startHost} lets it listen, once everything that handles its streams is in place. */
export async function createHost(options: HostOptions): Promise<Host> {
  const { gate, port, listenOn } = options
  const denied = (peer: { toString(): string }): boolean => gate.isRemoved(peer.toString())
  return await createLibp2p({
    start: false,
    privateKey: options.privateKey,
    nodeInfo: { name: 'shoal', version: '1', userAgent: 'shoal/1' },
    addresses: {
      listen: [`/${listenOn.includes(':') ? 'ip6' : 'ip4'}/${listenOn}/tcp/${port}`],
      appendAnnounce: [...options.announce],
      announceFilter: addresses => (options.announceLoopback ? addresses : announceOuterOnly(addresses, options.announce)),
    },
    transports: [
      tcp({ inboundSocketInactivityTimeout: LIMITS.streamIdleMs, outboundSocketInactivityTimeout: LIMITS.streamIdleMs }),
    ],
    connectionEncrypters: [noise()], // a wrong clock breaks TLS (docs/protocols/mesh.md)
    streamMuxers: [
      yamux({
        streamOptions: {
          maxStreamWindowSize: LIMITS.streamWindowBytes,
          maxReadBufferLength: LIMITS.streamReadBufferBytes,
          inactivityTimeout: LIMITS.streamIdleMs,
        },
      }),
    ],
    // A dial to a peer whose gater refuses us succeeds and then vanishes (docs/protocols/mesh.md, trap 5): only an answered hello counts.
    connectionGater: { denyInboundEncryptedConnection: denied, denyDialPeer: denied, denyDialMultiaddr: () => false },
    connectionManager: {
      maxConnections: LIMITS.connectionsMax,
      inboundConnectionThreshold: LIMITS.inboundPerHostPerSecond,
      maxIncomingPendingConnections: LIMITS.inboundPendingMax,
      dialTimeout: LIMITS.dialMs,
    },
    connectionMonitor: { enabled: false },
    services: { identify: identify(), pubsub: membersPubsub(gate, options.topics), lan: options.lan },
  })
}

/** Listens. @throws MESH_PORT_TAKEN */
export async function startHost(
  host: Host,
  { port, listenOn }: { readonly port: number; readonly listenOn: string },
): Promise<void> {
  try {
    await host.start()
  } catch (cause) {
    throw new MeshError('MESH_PORT_TAKEN', {
      what: `the mesh cannot listen on ${listenOn} port ${port}: ${firstReason(cause)}`,
      hint: 'stop what uses that port, or choose another with --port',
      cause,
    })
  }
}

/** libp2p's own text is a page with stack traces; the system's word stands in its middle. */
function firstReason(cause: unknown): string {
  const text = reasonOf(cause)
  return /listen E[A-Z]+: [^\n]+/.exec(text)?.[0] ?? text.split('\n', 1)[0] ?? ''
}

/** gossipsub behind the gate. Weight 0: with the default more than ten peers behind one address fall silent, without an error (docs/protocols/mesh.md, trap 6). */
function membersPubsub(gate: Gate, topics: readonly string[]): (components: GossipSubComponents) => GossipSub {
  return components =>
    gossipsub({
      globalSignaturePolicy: 'StrictSign',
      allowedTopics: [...topics],
      allowPublishToZeroTopicPeers: true,
      ignoreDuplicatePublishError: true,
      maxInboundDataLength: LIMITS.topicMessageBytesMax,
      scoreParams: { IPColocationFactorWeight: 0 },
      doPX: false,
    })({
      privateKey: components.privateKey,
      peerId: components.peerId,
      peerStore: components.peerStore,
      registrar: gatedRegistrar(components.registrar, gate),
      connectionManager: components.connectionManager,
      logger: components.logger,
    })
}

/** The address of `peer` as libp2p dials it: never without its id, so that nobody else answers in its place. */
export function dialable(address: string, peer: string): ReturnType<typeof multiaddr> {
  return multiaddr(`${address}/p2p/${peer}`)
}
