// What this node says of itself and of the others: the parts of the API that the mesh alone can answer (nodes, status, who waits, who may
// come in, profiles). Built by compose.ts, which adds what the mesh does not know (version, warnings).

import type { Member, Mesh } from '../../gossip/mesh.ts'
import { parseProfile, pickProfile, shortImage } from '../../placement/profile.ts'
import type { Profile } from '../../placement/view.ts'
import { ServiceError } from '../service-errors.ts'
import { findNode } from '../service-lookup.ts'
import { ApiError } from './api-errors.ts'
import { INVITE_MS, WINDOW_MS } from './bounds.ts'
import type { MembershipActions, NodeQueries, SettingActions } from './node-actions.ts'
import type { NodeReply, StatusReply } from './schema/node.ts'
import type { ProfileReply } from './schema/strategy.ts'

export interface NodeReplyParts {
  readonly mesh: Mesh
  readonly version: string
  /** This node's own name and role: known before it is a member of anything. */
  readonly name: string
  readonly role: Member['role']
  /** What a person should know, one line each. */
  readonly warnings: () => readonly string[]
}

/** One member as the API says it. */
function nodeReply(member: Member, mesh: Mesh): NodeReply {
  const known = mesh.reports().get(member.id)
  const report = known?.report
  const { id, name, role, state, via, addresses, heardByMdns, rttMs } = member
  return {
    ...{ id, name, role, state, via, heardByMdns, rttMs },
    self: id === mesh.id,
    mayAdmit: member.rights.admit,
    network: report?.network ?? null,
    addresses: [...addresses],
    ageMs: id === mesh.id ? 0 : (known?.ageMs ?? member.ageMs),
    capacity: report?.capacity ?? null,
    load: report?.load ?? null,
    outside: report?.outside ?? null,
    reserved: report?.reserved ?? null,
    committedRamPct: report?.committedRamPct ?? null,
    capability: report === undefined ? null : { ...report.capability, modes: [...report.capability.modes] },
    services: mesh.services.list().filter(record => record.owner === id).length,
  }
}

/** Own node first, then by name: the same order on every node but for itself. */
function byName(a: NodeReply, b: NodeReply): number {
  if (a.self !== b.self) return a.self ? -1 : 1
  return a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1
}

export function nodeQueries(parts: NodeReplyParts): NodeQueries {
  const { mesh } = parts
  const nodes = (): NodeReply[] =>
    mesh
      .members()
      .map(member => nodeReply(member, mesh))
      .toSorted(byName)
  return {
    status: () => statusReply(parts),
    nodes,
    node: ref => findNode(nodes(), ref),
    waiting: () =>
      mesh
        .waiting()
        .map(({ id, name, role, addresses, since }) => ({ id, name, role, addresses: [...addresses], sinceMs: since })),
  }
}

function statusReply({ mesh, version, name, role, warnings }: NodeReplyParts): StatusReply {
  const { phase, meshId, via, windowOpenS, says } = mesh.status()
  const members = mesh.members()
  const records = mesh.services.list()
  const ages = members.filter(({ id }) => id !== mesh.id).map(({ id, ageMs }) => mesh.reports().get(id)?.ageMs ?? ageMs)
  return {
    version,
    node: {
      id: mesh.id,
      name,
      role,
      state: members.find(({ id }) => id === mesh.id)?.state ?? null,
      load: mesh.reports().get(mesh.id)?.report.load ?? null,
    },
    mesh: { phase, id: meshId, via, windowOpenS, says },
    peers: ages.length,
    waiting: mesh.waiting().length,
    services: { here: records.filter(({ owner }) => owner === mesh.id).length, mesh: records.length },
    viewAgeMs: ages.length === 0 ? null : Math.max(...ages),
    warnings: [...warnings()],
  }
}

export function membershipActions(parts: NodeReplyParts): MembershipActions {
  const { mesh } = parts
  return {
    approve: async who => nodeReply(await mesh.approve(who), mesh),
    async remove(ref, force) {
      const { id, name } = findNode(mesh.members(), ref)
      if (id === mesh.id && !force) {
        throw new ApiError('SELF_REMOVAL_REFUSED', {
          what: `${name} is this node: removed, it leaves the mesh for good${mesh.members().length === 1 ? ', and the mesh is no more' : ''}`,
          hint: `\`shoal node rm --force ${name}\` if that is meant`,
        })
      }
      await mesh.remove(id, 'removed by hand')
    },
    invite: async ({ ttlMs = INVITE_MS, role = 'edge' }) => ({ token: await mesh.invite({ ttlMs, role }), ttlMs, role }),
    async join(token) {
      await mesh.join(token)
      return statusReply(parts)
    },
    async openWindow(forMs) {
      await mesh.openWindow(forMs ?? WINDOW_MS)
      return statusReply(parts)
    },
  }
}

/** The profiles of the mesh; with them, how many services each is in force for. */
export function profileActions(mesh: Mesh): Pick<SettingActions, 'profiles' | 'setProfile' | 'removeProfile'> {
  const reply = (match: string, profile: Profile): ProfileReply => {
    const book = mesh.profiles.list()
    const usedBy = mesh.services
      .list()
      .filter(
        ({ spec }) =>
          (spec.name === match || shortImage(spec.image) === shortImage(match)) && pickProfile(spec, book) === profile,
      )
    return { match, cpu: profile.cpu ?? null, ram: profile.ram ?? null, gpu: profile.gpu ?? null, usedBy: usedBy.length }
  }
  const find = (match: string): Profile | undefined => mesh.profiles.list().find(entry => entry.match === match)?.profile
  return {
    profiles: () =>
      mesh.profiles
        .list()
        .map(({ match, profile }) => reply(match, profile))
        .toSorted((a, b) => (a.match < b.match ? -1 : 1)),
    async setProfile(match, profile) {
      parseProfile(profile) // refused here, before the whole mesh has it
      await mesh.profiles.set(match, profile)
      return reply(match, find(match) ?? profile)
    },
    async removeProfile(match) {
      if (find(match) === undefined) {
        throw new ServiceError('PROFILE_NOT_FOUND', {
          what: `there is no profile for ${match}`,
          hint: '`shoal profile ls` lists them',
        })
      }
      await mesh.profiles.remove(match)
    },
  }
}
