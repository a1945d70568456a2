// How near is a peer? Network id first: gossip gives the same one only to nodes that heard each other or share a gateway, never by the digits
// of a subnet. The round trip overrules it where it is absurd for one site, and breaks ties. Asked for every peer of a decision.

import { FAR_RTT_MS, RTT_NOISE_MS } from './limits.ts'
import type { Millis, NodeView } from './view.ts'

type Place = Pick<NodeView, 'network' | 'rttMs'>

/** Whether both are on one network. An empty network id is nobody's neighbour. */
export function isSameNetwork(self: Pick<NodeView, 'network'>, peer: Place): boolean {
  if (self.network === '' || self.network !== peer.network) return false
  return peer.rttMs === null || peer.rttMs < FAR_RTT_MS
}

/** Round trip to rank by: below a millisecond all are equal, not measured comes last. */
export function rankRtt(rttMs: Millis | null): number {
  return rttMs === null ? Number.POSITIVE_INFINITY : Math.max(RTT_NOISE_MS, rttMs)
}

/** Compares by nearness, then by id: the last word in every ranking, so that equal nodes rank the same everywhere. */
export function compareNearness(a: Pick<NodeView, 'rttMs' | 'id'>, b: Pick<NodeView, 'rttMs' | 'id'>): number {
  const [left, right] = [rankRtt(a.rttMs), rankRtt(b.rttMs)]
  if (left !== right) return left < right ? -1 : 1
  if (a.id === b.id) return 0
  return a.id < b.id ? -1 : 1
}
