// The gate: members only, on every topic and every stream but the pairing protocol's. A peer that is just being admitted may find its
// streams ahead of its papers, so a stranger's stream is held for a moment, then refused. host.ts puts it before gossipsub,
// links.ts before everything else.

import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import { MeshError } from './errors.ts'

export interface GatePorts {
  readonly clock: Clock
  /** Whether the peer is a member of this node's mesh now. */
  readonly isMember: (peer: NodeId) => boolean
  readonly isRemoved: (peer: NodeId) => boolean
  /** How long a stranger's stream is held before it is refused. */
  readonly holdMs: Millis
}

export class Gate {
  readonly #ports: GatePorts
  readonly #held = new Map<NodeId, Set<() => void>>()
  readonly #entered = new Set<(peer: NodeId) => void>()

  constructor(ports: GatePorts) {
    this.#ports = ports
  }

  isMember(peer: NodeId): boolean {
    return this.#ports.isMember(peer)
  }

  isRemoved(peer: NodeId): boolean {
    return this.#ports.isRemoved(peer)
  }

  /** Resolves once `peer` is a member. @throws MESH_NOT_MEMBER when it is none within `holdMs` */
  async pass(peer: NodeId): Promise<void> {
    if (this.isMember(peer)) return
    if (this.isRemoved(peer)) throw notMember(peer)
    await new Promise<void>((resolve, reject) => {
      const held = this.#held.get(peer) ?? new Set()
      const settle = (act: () => void): void => {
        held.delete(open)
        if (held.size === 0) this.#held.delete(peer)
        cancel()
        act()
      }
      const open = (): void => settle(resolve)
      const cancel = this.#ports.clock.after(this.#ports.holdMs, () => settle(() => reject(notMember(peer))))
      this.#held.set(peer, held.add(open))
    })
  }

  /** Tells the gate that `peer` became a member: what it held of it goes on. */
  admit(peer: NodeId): void {
    for (const open of [...(this.#held.get(peer) ?? [])]) open()
    for (const listener of [...this.#entered]) listener(peer)
  }

  /** Called for every peer that becomes a member. Returns the unsubscriber. */
  onEntered(listener: (peer: NodeId) => void): () => void {
    this.#entered.add(listener)
    return () => this.#entered.delete(listener)
  }
}

export function notMember(peer: NodeId): MeshError {
  return new MeshError('MESH_NOT_MEMBER', {
    what: `${peer.slice(-8)} is no member of this mesh`,
    hint: 'admit it with `shoal approve`, or let it join with a token of `shoal invite`',
  })
}
