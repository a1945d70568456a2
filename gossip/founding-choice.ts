// Which mesh a node on its way should ask, and which of its peers; or who should found. Pure reading of a FoundingState; called by
// gossip/founding.ts.

import { consents, isAlone, isFree, type FoundingState, type HeardNode } from './founding-state.ts'
import type { MeshId } from './signing.ts'
import type { Millis, NodeId } from '../placement/view.ts'

/** Where to turn. `unsettled`: more may still be heard; `stay`: no mesh to join. */
export type Choice =
  | { readonly to: 'ask'; readonly meshId: MeshId }
  | { readonly to: 'several'; readonly meshIds: readonly MeshId[] }
  | { readonly to: 'unsettled' | 'stay' }

/**
 * A person's choice comes first. Else the only real mesh heard; of several none (a person decides); else, among meshes of one that would
 * dissolve, the lowest id, for a mesh of one only when it is lower than its own. Nothing at all without consent or while others rely on us.
 */
export function chooseMesh(state: FoundingState, now: Millis): Choice {
  if (!isAlone(state) || state.grants.size > 0) return { to: 'stay' }
  const own = state.mesh?.meshId ?? null
  const heard = [...state.heard.values()].filter(node => node.meshId !== null && node.meshId !== own)
  if (state.chosen !== null)
    return heard.some(node => node.meshId === state.chosen) ? { to: 'ask', meshId: state.chosen } : { to: 'stay' }
  if (!isFree(state)) return { to: 'stay' }
  if (own !== null && now < state.quietAt) return { to: 'unsettled' }
  const real = meshIds(heard.filter(node => !node.loneAndFresh))
  const lone = meshIds(heard.filter(node => node.loneAndFresh)).filter(meshId => own === null || meshId < own)
  const [only, ...more] = real
  if (only !== undefined && more.length > 0) return { to: 'several', meshIds: real }
  const target = only ?? lone[0]
  if (target === undefined) return { to: 'stay' }
  return consents(state, now) || target === state.asked ? { to: 'ask', meshId: target } : { to: 'stay' }
}

/**
 * The peer of a mesh to ask: one that may admit, where one is heard (the others could only say no); those with an open window first, then
 * those on our own link. Each attempt takes the next one.
 */
export function choosePeer(state: FoundingState, meshId: MeshId): NodeId | undefined {
  const all = [...state.heard.values()].filter(node => node.meshId === meshId)
  const admitting = all.filter(node => node.admits)
  const peers = (admitting.length > 0 ? admitting : all).toSorted((a, b) => rank(b) - rank(a) || (a.id < b.id ? -1 : 1))
  return peers[state.attempt % Math.max(peers.length, 1)]?.id
}

/** The fresh node that should found: the lowest id heard that is below our own, or undefined where it is us. */
export function expectedFounder(state: FoundingState): NodeId | undefined {
  const lower = [...state.heard.values()].filter(
    node => node.fresh && node.meshId === null && node.id < state.self && !state.silent.has(node.id),
  )
  return lower.map(node => node.id).toSorted()[0]
}

function rank(node: HeardNode): number {
  return (node.windowOpen ? 2 : 0) + (node.heardOnLink ? 1 : 0)
}

function meshIds(nodes: readonly HeardNode[]): readonly MeshId[] {
  return [...new Set(nodes.flatMap(node => (node.meshId === null ? [] : [node.meshId])))].toSorted()
}
