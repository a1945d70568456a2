// A service as the engine itself sees it, past Shoal: what lab tests judge by when they say that a container was or was not touched.

import type Docker from 'dockerode'
import { LabError } from './errors.ts'
import type { LabNode } from './node.ts'

/** All containers on `node` that carry the mark of this service, stopped ones too. */
export async function containersOf(node: LabNode, serviceId: string): Promise<readonly Docker.ContainerInspectInfo[]> {
  const found = await node.docker.listContainers({ all: true, filters: { label: [`shoal.service=${serviceId}`] } })
  return Promise.all(found.map(({ Id }) => node.docker.getContainer(Id).inspect()))
}

/**
 * The one container of a service.
 * @throws LabError LAB_UNAVAILABLE when there is none, or more than one.
 */
export async function containerOf(node: LabNode, serviceId: string): Promise<Docker.ContainerInspectInfo> {
  const [first, ...others] = await containersOf(node, serviceId)
  if (first !== undefined && others.length === 0) return first
  throw new LabError('LAB_UNAVAILABLE', {
    what: `${node.name} has ${first === undefined ? 'no container' : `${others.length + 1} containers`} of service ${serviceId}`,
    hint: 'docker ps -a on that node shows what there is',
  })
}

/** What stays the same as long as nobody stops, starts or replaces a container. */
export const identityOf = ({ Id, State }: Docker.ContainerInspectInfo) => ({
  id: Id,
  pid: State.Pid,
  startedAt: State.StartedAt,
  running: State.Running,
})
