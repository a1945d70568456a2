// A mesh of nodes in memory: records spread at once to all that are not cut off, requests and streams go straight to the other node. For tests of
// what stands on the mesh (services, API, CLI); which record wins is gossip's own rule.

import type { ByteStream } from '../../gossip/byte-stream.ts'
import { PeerError } from '../../gossip/errors.ts'
import type { LoadReport, Member, Mesh, MeshEvent, ProfileRecord, RequestHandler } from '../../gossip/mesh.ts'
import { compareServiceRecords } from '../../gossip/registry.ts'
import { ShoalError } from '../../placement/shoal-error.ts'
import type { NodeId, Profile, Role, ServiceId, ServiceRecord } from '../../placement/view.ts'

type StreamHandler = (stream: ByteStream) => Promise<void>

/** All nodes and who is cut off from the rest. */
export class SimNet {
  readonly nodes = new Map<NodeId, SimMesh>()
  readonly cut = new Set<NodeId>()
  profiles: readonly ProfileRecord[] = []

  add(id: NodeId, name: string, role: Role = 'edge'): SimMesh {
    const node = new SimMesh(this, id, name, role)
    this.nodes.set(id, node)
    return node
  }

  /** Ends a partition: what either side wrote is told to the other. */
  heal(): void {
    this.cut.clear()
    const all = [...this.nodes.values()].flatMap(node => [...node.records.values()])
    for (const record of all) for (const node of this.nodes.values()) node.hear(record)
  }
}

export class SimMesh implements Mesh {
  readonly id: NodeId
  readonly name: string
  readonly role: Role
  readonly records = new Map<ServiceId, ServiceRecord>()
  readonly #net: SimNet
  readonly #listeners = new Set<(record: ServiceRecord) => void>()
  readonly #requests = new Map<string, RequestHandler>()
  readonly #streams = new Map<string, StreamHandler>()
  readonly #reports = new Map<NodeId, { readonly report: LoadReport; readonly ageMs: number }>()
  readonly services: Mesh['services']
  readonly profiles: Mesh['profiles']

  constructor(net: SimNet, id: NodeId, name: string, role: Role) {
    this.#net = net
    this.id = id
    this.name = name
    this.role = role
    this.services = {
      get: service => this.records.get(service),
      list: () => [...this.records.values()].filter(({ deleted }) => !deleted),
      put: async record => {
        // As a store on disk: durable a moment later.
        await new Promise<void>(resolve => setImmediate(resolve))
        this.#put(record)
      },
      onChange: listener => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    }
    this.profiles = {
      list: () => net.profiles.filter(({ deleted }) => !deleted),
      set: async (match, profile) => this.#setProfile(match, profile),
      remove: async match => {
        net.profiles = net.profiles.filter(entry => entry.match !== match)
      },
    }
  }

  /** A record from elsewhere. */
  hear(record: ServiceRecord): void {
    const known = this.records.get(record.id)
    if (known !== undefined && compareServiceRecords(record, known) <= 0) return
    this.records.set(record.id, record)
    for (const listener of this.#listeners) listener(record)
  }

  status(): ReturnType<Mesh['status']> {
    return { phase: 'member', meshId: 'mesh-1', via: 'founder', windowOpenS: 0, says: '' }
  }

  members(): readonly Member[] {
    return [...this.#net.nodes.values()].map(({ id, name, role }) => ({
      ...{ id, name, role, via: 'founder', rights: { admit: true, host: true }, addresses: [], heardByMdns: true, rttMs: 1 },
      state: this.#reaches(id) ? 'green' : 'lost',
      ageMs: this.#reaches(id) ? 0 : 9_000,
    }))
  }

  waiting(): ReturnType<Mesh['waiting']> {
    return [{ id: 'stranger-1', name: 'new', role: 'edge', addresses: ['10.0.0.9'], since: 1 }]
  }

  view(): ReturnType<Mesh['view']> {
    return { self: undefined, peers: [] }
  }

  publishLoad(report: LoadReport): void {
    for (const node of this.#net.nodes.values()) node.noteLoad(this.id, report)
  }

  noteLoad(id: NodeId, report: LoadReport): void {
    this.#reports.set(id, { report, ageMs: 0 })
  }

  reports(): ReturnType<Mesh['reports']> {
    return this.#reports
  }

  async approve(who: string): Promise<Member> {
    const member = this.members().find(({ name }) => name === who)
    if (member === undefined)
      throw new ShoalError('MESH_UNKNOWN_NODE', { what: `no node ${who} waits`, hint: 'see `shoal approve`' })
    return member
  }

  async invite(): Promise<string> {
    return 'shoal1-token'
  }

  async join(): Promise<ReturnType<Mesh['status']>> {
    return this.status()
  }

  async openWindow(): Promise<void> {}

  async remove(who: string): Promise<void> {
    const member = this.members().find(({ id, name }) => name === who || id === who)
    if (member !== undefined) this.#net.nodes.delete(member.id)
  }

  addresses(): readonly string[] {
    return []
  }

  /** As over the wire: JSON there and back, errors by code and hint. */
  async request(peer: NodeId, name: string, payload: unknown, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted()
    const node = this.#node(peer)
    const handler = node.#requests.get(name)
    if (handler === undefined) throw new PeerError(peer, 'MESH_UNKNOWN_REQUEST', { what: `unknown request ${name}`, hint: '' })
    try {
      return overTheWire(await handler(this.id, overTheWire(payload)))
    } catch (error) {
      if (error instanceof ShoalError) throw new PeerError(peer, error.code, { what: error.message, hint: error.hint })
      throw new PeerError(peer, 'MESH_HANDLER_FAILED', { what: String(error), hint: '' })
    }
  }

  onRequest(name: string, handler: RequestHandler): void {
    this.#requests.set(name, handler)
  }

  async openStream(peer: NodeId, protocol: string, signal: AbortSignal): Promise<ByteStream> {
    signal.throwIfAborted()
    const handler = this.#node(peer).#streams.get(protocol)
    if (handler === undefined) throw new Error(`no handler of ${protocol}`)
    const [here, there] = streamPair(this.id, peer)
    void handler(there)
    return here
  }

  onStream(protocol: string, handler: StreamHandler): void {
    this.#streams.set(protocol, handler)
  }

  onEvent(_listener: (event: MeshEvent) => void): () => void {
    return () => undefined
  }

  async caughtUp(): Promise<void> {}
  async stop(): Promise<void> {}

  #put(record: ServiceRecord): void {
    if (record.owner !== this.id)
      throw new ShoalError('MESH_RECORD_FOREIGN', { what: 'only its owner writes a record', hint: '' })
    const known = this.records.get(record.id)
    if (known !== undefined && compareServiceRecords(record, known) <= 0) {
      throw new ShoalError('MESH_RECORD_STALE', { what: 'the record does not win over the known one', hint: '' })
    }
    this.hear(record)
    for (const node of this.#net.nodes.values()) if (this.#reaches(node.id)) node.hear(record)
  }

  #setProfile(match: string, profile: Profile): void {
    const others = this.#net.profiles.filter(entry => entry.match !== match)
    this.#net.profiles = [...others, { match, profile, deleted: false, counter: 1, writer: this.id }]
  }

  #reaches(id: NodeId): boolean {
    return id === this.id || !(this.#net.cut.has(id) || this.#net.cut.has(this.id))
  }

  #node(peer: NodeId): SimMesh {
    const node = this.#net.nodes.get(peer)
    if (node === undefined || !this.#reaches(peer)) {
      throw new ShoalError('MESH_PEER_UNREACHABLE', { what: `${peer} cannot be reached`, hint: 'try again' })
    }
    return node
  }
}

const overTheWire = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))

/** Two ends of one stream; a writer waits until its chunk was taken. */
export function streamPair(left: NodeId, right: NodeId): readonly [ByteStream, ByteStream] {
  const toRight = pipe()
  const toLeft = pipe()
  const end = (peer: NodeId, out: Pipe, incoming: Pipe): ByteStream => ({
    peer,
    incoming: incoming.read(),
    write: chunk => out.write(chunk),
    closeWrite: async () => out.end(undefined),
    abort: reason => {
      out.end(reason)
      incoming.end(reason)
    },
  })
  return [end(right, toRight, toLeft), end(left, toLeft, toRight)]
}

interface Pipe {
  write(chunk: Uint8Array): Promise<void>
  end(reason: Error | undefined): void
  read(): AsyncIterable<Uint8Array>
}

function pipe(): Pipe {
  const chunks: { readonly chunk: Uint8Array; readonly taken: () => void }[] = []
  let ended: { readonly reason: Error | undefined } | undefined
  let wake = Promise.withResolvers<void>()
  const notify = (): void => {
    wake.resolve()
    wake = Promise.withResolvers()
  }
  return {
    async write(chunk) {
      if (ended !== undefined) throw ended.reason ?? new Error('written after the end')
      const { promise, resolve } = Promise.withResolvers<void>()
      chunks.push({ chunk, taken: resolve })
      notify()
      await promise
    },
    end(reason) {
      if (ended !== undefined) return
      ended = { reason }
      if (reason !== undefined) for (const { taken } of chunks.splice(0)) taken()
      notify()
    },
    async *read() {
      for (;;) {
        const next = chunks.shift()
        if (next !== undefined) {
          next.taken()
          yield next.chunk
        } else if (ended !== undefined) {
          if (ended.reason !== undefined) throw ended.reason
          return
        } else await wake.promise
      }
    },
  }
}
