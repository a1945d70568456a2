// The standing request stream to each member: asked through here, heartbeats sent through here, and the streams members open to us are
// served from here. Used by everything that speaks to members.

import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import { MeshError } from './errors.ts'
import { LIMITS, RHYTHM } from './limits.ts'
import type { Links } from './links.ts'
import type { RequestHandler } from './mesh.ts'
import { serveRequests } from './request-server.ts'
import { RequestLink } from './requests.ts'

export const REQUEST_PROTOCOL = '/shoal/req/1'

export type NoticeHandler = (from: NodeId, body: unknown) => void

export interface MemberLinksPorts {
  readonly links: Links
  readonly clock: Clock
  readonly isMember: (id: NodeId) => boolean
  readonly onRoundTrip: (id: NodeId, ms: Millis) => void
  readonly onFailure: (id: NodeId, what: string, error: unknown) => void
}

export class MemberLinks {
  readonly #ports: MemberLinksPorts
  readonly #links = new Map<NodeId, RequestLink>()
  readonly #handlers = new Map<string, RequestHandler>()
  readonly #notices = new Map<string, NoticeHandler>()
  #beats = 0

  constructor(ports: MemberLinksPorts) {
    this.#ports = ports
  }

  /** Serves the request streams of members. */
  async serve(): Promise<void> {
    const { links, onFailure } = this.#ports
    await links.handle(REQUEST_PROTOCOL, 'members', stream =>
      serveRequests(stream, {
        handlerOf: name => this.#handlers.get(name),
        onNotice: (from, name, body) => this.#notices.get(name)?.(from, body),
        onFailure: (from, name, error) => onFailure(from, `the request ${name}`, error),
      }),
    )
  }

  onRequest(name: string, handler: RequestHandler): void {
    this.#handlers.set(name, handler)
  }

  onNotice(name: string, handler: NoticeHandler): void {
    this.#notices.set(name, handler)
  }

  /** @throws MESH_NOT_MEMBER, and as `RequestLink.request` */
  async request(id: NodeId, name: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    if (!this.#ports.isMember(id)) throw unknownMember(id)
    return await this.#link(id).request(name, body, signal)
  }

  /** Tells a member something, if its stream stands. */
  notify(id: NodeId, name: string, body: unknown): void {
    this.#links.get(id)?.notify(name, body)
  }

  /** Opens the stream to a member that came up. */
  async warm(id: NodeId): Promise<void> {
    await this.#link(id).warm()
  }

  /** One sign of life to each of `members`. The pause grows with their number, so that the cost of a node stays flat. */
  heartbeat(members: readonly NodeId[]): void {
    this.#beats += 1
    const every = Math.max(1, Math.ceil(members.length / LIMITS.watchedAtFullPace))
    if (this.#beats % every !== 0) return
    for (const id of members) {
      const link = this.#link(id)
      // Its stream broke while another connection to the peer stands: without one this node would fall silent.
      if (!link.isReady()) link.warm().catch((error: unknown) => this.#ports.onFailure(id, 'opening a request stream', error))
      else link.heartbeat(RHYTHM.heartbeatMs * 0.8)
    }
  }

  /** Closes the stream to `id`: it left, was removed, or its connection is gone. */
  drop(id: NodeId, reason: Error): void {
    this.#links.get(id)?.close(reason)
    this.#links.delete(id)
  }

  dropAll(reason: Error): void {
    for (const id of [...this.#links.keys()]) this.drop(id, reason)
  }

  #link(id: NodeId): RequestLink {
    const known = this.#links.get(id)
    if (known !== undefined) return known
    const { links, clock, onRoundTrip } = this.#ports
    const link = new RequestLink({
      peer: id,
      clock,
      open: signal => links.open(id, REQUEST_PROTOCOL, signal),
      onRoundTrip: ms => onRoundTrip(id, ms),
    })
    this.#links.set(id, link)
    return link
  }
}

function unknownMember(id: NodeId): MeshError {
  return new MeshError('MESH_NOT_MEMBER', {
    what: `${id.slice(-8)} is no member of this mesh, or this node is none`,
    hint: '`shoal node ls` lists the members, `shoal status` says where this node stands',
  })
}
