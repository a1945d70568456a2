// Puts the gate before gossipsub, which asks nobody whom it speaks to: it is handed this registrar instead of the host's own. A peer's
// gossip stream reaches it once the peer is a member, and it hears of a connection once the peer at its end is one. (libp2p's own
// stream middleware cannot do it: `Connection.onIncomingStream` pushes the handler onto the registered list, so that from the second
// stream on every earlier handler runs again; seen in libp2p 3.3.11.)

import type { Connection, PeerId, StreamHandler, Topology } from '@libp2p/interface'
import type { GossipSubComponents } from '@chainsafe/libp2p-gossipsub'
import type { Gate } from './gate.ts'

type Registrar = GossipSubComponents['registrar']

/** `registrar` as one service sees it that may speak to members only. */
export function gatedRegistrar(registrar: Registrar, gate: Gate): Registrar {
  return {
    getProtocols: () => registrar.getProtocols(),
    getHandler: protocol => registrar.getHandler(protocol),
    unhandle: (protocol, options) => registrar.unhandle(protocol, options),
    getTopologies: protocol => registrar.getTopologies(protocol),
    unregister: id => registrar.unregister(id),
    use: (protocol, middleware) => registrar.use(protocol, middleware),
    unuse: protocol => registrar.unuse(protocol),
    getMiddleware: protocol => registrar.getMiddleware(protocol),
    handle: (protocol, handler, options) => registrar.handle(protocol, gatedHandler(handler, gate), options),
    register: (protocol, topology, options) => registrar.register(protocol, gatedTopology(topology, gate), options),
  }
}

function gatedHandler(handler: StreamHandler, gate: Gate): StreamHandler {
  return async (stream, connection) => {
    try {
      await gate.pass(connection.remotePeer.toString())
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error('refused'))
      return
    }
    await handler(stream, connection)
  }
}

/** The topology hears of a connection when its peer is, or becomes, a member; and of its end only if it heard of it. */
function gatedTopology(topology: Topology, gate: Gate): Topology {
  const waiting = new Map<string, { readonly peer: PeerId; readonly connection: Connection }>()
  gate.onEntered(id => {
    const found = waiting.get(id)
    waiting.delete(id)
    // gossipsub's answers at once; a topology that takes time reports its own failures.
    if (found?.connection.status === 'open') void topology.onConnect?.(found.peer, found.connection)
  })
  return {
    ...topology,
    async onConnect(peer, connection) {
      const id = peer.toString()
      if (gate.isMember(id)) await topology.onConnect?.(peer, connection)
      else waiting.set(id, { peer, connection })
    },
    async onDisconnect(peer) {
      if (!waiting.delete(peer.toString())) await topology.onDisconnect?.(peer)
    },
  }
}
