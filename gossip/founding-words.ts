// What a node's way into a mesh looks like to a person: the phase and one line to act on. Called by gossip/open-mesh.ts for `shoal status`.

import { chooseMesh } from './founding-choice.ts'
import { consents, isAlone, type FoundingState } from './founding-state.ts'
import type { MeshPhase } from './mesh.ts'
import type { Millis } from '../placement/view.ts'

/** Phase and line of {@link FoundingState}. */
export function describe(state: FoundingState, now: Millis): { readonly phase: MeshPhase; readonly says: string } {
  const { activity, mesh } = state
  const phase = mesh !== null ? 'member' : activity.at === 'listening' || activity.at === 'finding' ? 'listening' : 'waiting'
  return { phase, says: line(state, now) }
}

function line(state: FoundingState, now: Millis): string {
  const { activity, mesh } = state
  const own = mesh === null ? '' : `in mesh ${mesh.meshId}, alone; `
  if (!isAlone(state) && mesh !== null)
    return `in mesh ${mesh.meshId} with ${mesh.crowded ? 'more than ' : ''}${mesh.others.size} other node(s)`
  const choice = chooseMesh(state, now)
  if (choice.to === 'several')
    return `${own}heard ${choice.meshIds.length} meshes (${choice.meshIds.slice(0, 4).join(', ')}): choose one: \`shoal join TOKEN\` with what \`shoal invite\` prints on a member of it`
  switch (activity.at) {
    case 'listening':
      return 'listening for a mesh'
    case 'finding':
      return 'no mesh heard: founding one'
    case 'expecting':
      return `no mesh heard: waiting for ${activity.founder} to found one`
    case 'asking':
      return `${own}asking mesh ${activity.meshId} for admission`
    case 'pausing':
      return `${own}${paused(activity.code, activity.meshId, state.self)}`
    case 'idle':
      break
  }
  return mesh === null ? 'waiting for a mesh' : `${own}${alone(state, now)}`
}

function paused(code: string, meshId: string, self: string): string {
  if (code === 'WAITING_FOR_APPROVAL')
    return `mesh ${meshId} has to approve this node: on a member, \`shoal approve ${self.slice(-8)}\``
  if (code === 'REMOVED')
    return `mesh ${meshId} removed this node: only a person brings it back, with \`shoal approve\` on a member`
  if (code === 'NO_ANSWER') return `mesh ${meshId} does not answer; asking again`
  return `mesh ${meshId} answered ${code}; asking again`
}

function alone(state: FoundingState, now: Millis): string {
  const others = new Set([...state.heard.values()].flatMap(node => (node.meshId === null ? [] : [node.meshId])))
  if (others.size === 0) return 'no other node heard'
  const [first] = others
  if (state.used)
    return `heard mesh ${first}; this node has services or tokens and joins only by a token: \`shoal invite\` there, \`shoal join TOKEN\` here`
  if (!consents(state, now)) return `heard mesh ${first}; join it: \`shoal invite\` there, \`shoal join TOKEN\` here`
  return 'finding out which mesh to join'
}
