// How the API says a service: its record, with the owner's name, the profile in force and the use its owner last reported. Pure.
// Called by remote-services.ts for every row.

import type { Member, Mesh } from '../../gossip/mesh.ts'
import { shortImage } from '../../placement/profile.ts'
import type { NodeId, ServiceRecord } from '../../placement/view.ts'
import type { ServiceDetail, ServiceReply } from './schema/service.ts'

export type ServiceSight = Pick<Mesh, 'members' | 'reports' | 'profiles'>

/** The name of a node, or the end of its id where it is not (or no longer) known. */
export function nodeName(members: readonly Pick<Member, 'id' | 'name'>[], id: NodeId): string {
  return members.find(member => member.id === id)?.name ?? `…${id.slice(-8)}`
}

/** The row of `ls`. */
export function serviceReply(record: ServiceRecord, sight: ServiceSight): ServiceReply {
  const { id, spec, owner, state, reason, epoch } = record
  return {
    id,
    name: spec.name,
    type: spec.type,
    node: nodeName(sight.members(), owner),
    nodeId: owner,
    state,
    reason,
    epoch,
    image: spec.image,
    profile: profileInForce(record, sight),
    use: useOf(record, sight),
  }
}

/** `inspect`: the row and the whole spec. */
export function serviceDetail(record: ServiceRecord, sight: ServiceSight): ServiceDetail {
  const { args, env, restart, tty } = record.spec
  return { ...serviceReply(record, sight), args: [...args], env: [...env], restart, tty }
}

/** Name over image over what the service was run with: the order of placement/profile.ts `pickProfile`, with the origin told. */
function profileInForce({ spec }: ServiceRecord, sight: ServiceSight): ServiceReply['profile'] {
  const book = sight.profiles.list().filter(entry => !entry.deleted)
  const byName = book.find(entry => entry.match === spec.name)?.profile
  const byImage = book.find(entry => shortImage(entry.match) === shortImage(spec.image))?.profile
  const profile = byName ?? byImage ?? spec.profile
  if (profile === undefined) return null
  const from = byName !== undefined ? 'name' : byImage !== undefined ? 'image' : 'service'
  return { cpu: profile.cpu ?? null, ram: profile.ram ?? null, gpu: profile.gpu ?? null, from }
}

function useOf({ id, owner }: ServiceRecord, sight: ServiceSight): ServiceReply['use'] {
  const report = sight.reports().get(owner)?.report
  const use = report?.services.find(service => service.id === id)
  if (report === undefined || use === undefined) return null
  const { cores, ramBytes } = report.capacity
  return {
    cpuCores: use.cpuCores,
    ramBytes: use.ramBytes,
    cpuPct: share(use.cpuCores, cores),
    ramPct: share(use.ramBytes, ramBytes),
  }
}

const share = (part: number, whole: number): number => (whole > 0 ? (part / whole) * 100 : 0)
