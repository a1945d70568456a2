// Connections and streams to other nodes: who is dialled when, and how a stream to a peer is opened and taken. Members are dialled for
// ever, with growing pauses; strangers while they were heard lately. The only file besides host.ts that speaks libp2p's words.

import type { Connection, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import type { ByteStream } from './byte-stream.ts'
import { MeshError, reasonOf } from './errors.ts'
import type { Gate } from './gate.ts'
import { dialable } from './host.ts'
import type { Host } from './host.ts'
import { byteStreamOver } from './libp2p-stream.ts'
import { LIMITS } from './limits.ts'
import { redialPauseMs } from './peer-book.ts'
import type { PeerBook } from './peer-book.ts'

export interface LinksPorts {
  readonly host: Host
  readonly book: PeerBook
  readonly gate: Gate
  readonly clock: Clock
  readonly random: () => number
  /** Whether a node that is not connected should be dialled now. */
  readonly isWanted: (id: NodeId) => boolean
  /** A connection to it stands (again); `dialled` when it was we who dialled. */
  readonly onUp: (id: NodeId, dialled: boolean) => void
  readonly onDown: (id: NodeId) => void
  /** It sent something just now, on any stream of ours: it lives. */
  readonly onLife: (id: NodeId) => void
  readonly onFailure: (id: NodeId, what: string, error: unknown) => void
}

export class Links {
  readonly #ports: LinksPorts
  readonly #dialling = new Set<NodeId>()
  readonly #open = new Set<ByteStream>()
  /** As the host has them, by text: asking the host means decoding a peer id each time, and this is asked many times a second. */
  readonly #connections = new Map<NodeId, Set<Connection>>()
  readonly #openedAt = new WeakMap<Connection, Millis>()
  #stopped = false

  constructor(ports: LinksPorts) {
    this.#ports = ports
    const { host, book, clock } = ports
    host.addEventListener('connection:open', ({ detail: connection }) => {
      const id = connection.remotePeer.toString()
      this.#connections.set(id, (this.#connections.get(id) ?? new Set()).add(connection))
      this.#openedAt.set(connection, clock.now())
      const peer = book.note(id, clock.now())
      peer.failures = 0
      ports.onUp(id, connection.direction === 'outbound')
    })
    host.addEventListener('connection:close', ({ detail: connection }) => {
      const id = connection.remotePeer.toString()
      const left = this.#connections.get(id)
      left?.delete(connection)
      if (left?.size === 0) this.#connections.delete(id)
    })
    host.addEventListener('peer:disconnect', ({ detail: peer }) => {
      const known = book.get(peer.toString())
      if (known !== undefined) known.nextDialAt = clock.now() + redialPauseMs(1, ports.random())
      ports.onDown(peer.toString())
    })
  }

  isConnected(id: NodeId): boolean {
    return this.#connection(id) !== undefined
  }

  connected(): readonly NodeId[] {
    return [...this.#connections.keys()].filter(id => this.isConnected(id))
  }

  /** Dials whoever is due. Of two nodes that heard each other at once only the lower id dials at first. */
  tick(now: Millis): void {
    for (const peer of this.#ports.book.all()) {
      if (this.#stopped || peer.id === this.#ports.host.peerId.toString()) continue
      if (peer.nextDialAt > now || peer.addresses.length === 0 || this.#dialling.has(peer.id)) continue
      if (!this.#ports.isWanted(peer.id) || this.isConnected(peer.id)) continue
      void this.#redial(peer.id)
    }
  }

  /** Opens a stream of `protocol`, dialling first if need be. @throws MESH_PEER_UNREACHABLE, what `signal` says */
  async open(id: NodeId, protocol: string, signal: AbortSignal): Promise<ByteStream> {
    try {
      const connection = this.#connection(id) ?? (await this.#dial(id, signal))
      const stream = await connection.newStream(protocol, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.dialMs)]),
        maxOutboundStreams: LIMITS.inboundStreamsMax,
      })
      return this.#track(stream, id)
    } catch (cause) {
      signal.throwIfAborted()
      throw unreachable(id, reasonOf(cause), cause)
    }
  }

  /** Takes streams of `protocol`; from members only, unless `from` says anyone. */
  async handle(protocol: string, from: 'members' | 'anyone', take: (stream: ByteStream) => Promise<void>): Promise<void> {
    const { host, gate, onFailure } = this.#ports
    await host.handle(
      protocol,
      async (stream, connection) => {
        const id = connection.remotePeer.toString()
        try {
          if (from === 'members') await gate.pass(id)
          await take(this.#track(stream, id))
        } catch (error) {
          onFailure(id, `a stream of ${protocol}`, error)
          stream.abort(error instanceof Error ? error : new Error(reasonOf(error)))
        }
      },
      { maxInboundStreams: LIMITS.inboundStreamsMax, maxOutboundStreams: LIMITS.inboundStreamsMax },
    )
  }

  /** Closes every connection to `id`. */
  async hangUp(id: NodeId): Promise<void> {
    await this.#ports.host.hangUp(peerIdFromString(id), { signal: AbortSignal.timeout(1000) })
  }

  /** Resets the connections to `id` that were opened before `moment`, without a word: nobody there would hear it. */
  cutOff(id: NodeId, moment: Millis): void {
    for (const connection of this.#connections.get(id) ?? []) {
      if ((this.#openedAt.get(connection) ?? 0) < moment) connection.abort(unreachable(id, 'it has been silent for too long'))
    }
  }

  /** Resets what is open, so that no half-sent stream looks ended (a graceful close of the host would half-close it), and dials no more. */
  stop(reason: Error): void {
    this.#stopped = true
    for (const stream of [...this.#open]) stream.abort(reason)
  }

  #track(stream: Stream, id: NodeId): ByteStream {
    const bytes = byteStreamOver(stream, id, () => this.#ports.onLife(id))
    this.#open.add(bytes)
    stream.addEventListener('close', () => this.#open.delete(bytes))
    return bytes
  }

  #connection(id: NodeId): Connection | undefined {
    return [...(this.#connections.get(id) ?? [])].findLast(({ status }) => status === 'open')
  }

  async #redial(id: NodeId): Promise<void> {
    const { book, clock, random, onFailure } = this.#ports
    this.#dialling.add(id)
    try {
      await this.#dial(id, AbortSignal.timeout(LIMITS.dialMs))
    } catch (error) {
      const peer = book.get(id)
      if (peer === undefined) return
      peer.failures += 1
      peer.nextDialAt = clock.now() + redialPauseMs(peer.failures, random())
      onFailure(id, 'a dial', error)
    } finally {
      this.#dialling.delete(id)
    }
  }

  async #dial(id: NodeId, signal: AbortSignal): Promise<Connection> {
    const { host, book, clock } = this.#ports
    const addresses = book.get(id)?.addresses ?? []
    if (addresses.length === 0) throw unreachable(id, 'no address of it is known')
    const connection = await host.dial(
      addresses.map(address => dialable(address, id)),
      { signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.dialMs)]) },
    )
    await book.addAddresses(id, [connection.remoteAddr.toString()], clock.now())
    return connection
  }
}

function unreachable(id: NodeId, why: string, cause?: unknown): MeshError {
  return new MeshError('MESH_PEER_UNREACHABLE', {
    what: `${id.slice(-8)} cannot be reached: ${why}`,
    hint: 'is it switched on, and is the TCP port of its mesh (4747) open between the two?',
    cause,
  })
}
