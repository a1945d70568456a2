// What placement sees, put together from what gossip knows: each member with a load report, how old that is, how far away the node is,
// and whether it lives. Pure; called by open-mesh.ts.

import type { Millis, NodeId, NodeState, NodeView } from '../placement/view.ts'
import type { Verdict } from './failure-detector.ts'
import type { LoadReport } from './mesh.ts'

export interface KnownMember {
  readonly id: NodeId
  readonly verdict: Verdict
  readonly rttMs: Millis | null
  /** Heard by multicast: it is on this node's own link. */
  readonly heardByMdns: boolean
}

export interface ViewInput {
  readonly self: NodeId
  readonly members: readonly KnownMember[]
  readonly reports: ReadonlyMap<NodeId, { readonly report: LoadReport; readonly ageMs: Millis }>
}

/** This node apart; peers in the order of their ids. A member that never reported is no candidate and does not appear. */
export function meshView({ self, members, reports }: ViewInput): {
  readonly self: NodeView | undefined
  readonly peers: readonly NodeView[]
} {
  const own = reports.get(self)
  const ownView = own && nodeView({ id: self, verdict: 'alive', rttMs: 0, heardByMdns: false }, own, undefined)
  const peers = members
    .filter(({ id }) => id !== self)
    .flatMap(member => {
      const entry = reports.get(member.id)
      return entry === undefined ? [] : [nodeView(member, entry, own?.report.network)]
    })
  return { self: ownView, peers: peers.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
}

/** The state to show: what the detector says goes before what the node said of itself. */
export function stateOf(verdict: Verdict, reported: LoadReport['state']): NodeState {
  switch (verdict) {
    case 'lost':
      return 'lost'
    case 'leaving':
      return 'leaving'
    case 'alive':
    case 'suspect':
      return reported
  }
}

function nodeView(
  { id, verdict, rttMs, heardByMdns }: KnownMember,
  { report, ageMs }: { readonly report: LoadReport; readonly ageMs: Millis },
  ownNetwork: string | undefined,
): NodeView {
  const { name, role, capacity, load, outside, reserved, committedRamPct, capability } = report
  return {
    id,
    name,
    role,
    state: stateOf(verdict, report.state),
    // Multicast does not cross a router: whoever is heard by it is near, whatever the gateways are called.
    network: heardByMdns && ownNetwork !== undefined ? ownNetwork : report.network,
    capacity,
    load,
    outside,
    reserved,
    committedRamPct,
    ageMs,
    rttMs,
    capability,
  }
}
