// Brings one mesh up on the lab's engines, as users do: setup, one daemon each, LAN A by mDNS alone, the others by a token.

import type { ServiceDetail, ServiceReply } from '../../daemon/api/schema/service.ts'
import type { MoveReply } from '../../daemon/api/schema/move.ts'
import type { NodeReply, StatusReply } from '../../daemon/api/schema/node.ts'
import { LabError } from './errors.ts'
import { eventually } from './eventually.ts'
import type { Lab } from './lab.ts'
import { meshUpMs } from './limits.ts'
import type { LabNode } from './node.ts'

/** Settings of every daemon of the lab: short times, thesis's rules. */
export const labEnvironment = { SHOAL_PRESET: 'lab' } as const

/** GET of the node's API, as JSON. The shape is the caller's word: it is the API's own schema type. */
export async function ask<Reply>(node: LabNode, path: string): Promise<Reply> {
  const response = await node.api(path)
  const text = await response.text()
  if (!response.ok) {
    throw new LabError('LAB_COMMAND_FAILED', {
      what: `${node.name}: GET ${path}: ${response.status} ${text}`,
      hint: `its log: /var/log/shoal.log in the node`,
    })
  }
  return JSON.parse(text)
}

export const nodesSeenBy = async (node: LabNode): Promise<readonly NodeReply[]> =>
  (await ask<{ nodes: NodeReply[] }>(node, '/api/nodes')).nodes
export const servicesSeenBy = async (node: LabNode): Promise<readonly ServiceReply[]> =>
  (await ask<{ services: ServiceReply[] }>(node, '/api/services')).services
export const movesOf = async (node: LabNode): Promise<readonly MoveReply[]> =>
  (await ask<{ moves: MoveReply[] }>(node, '/api/moves')).moves
export const serviceSeenBy = (node: LabNode, name: string): Promise<ServiceDetail> =>
  ask(node, `/api/services/${encodeURIComponent(name)}`)
export const statusOf = (node: LabNode): Promise<StatusReply> => ask(node, '/api/status')

/** Registers the shim with the node's engine and starts its daemon; `mec` is the cloud. */
export async function startNodeDaemon(node: LabNode, env: Readonly<Record<string, string>> = {}): Promise<void> {
  await node.output(['shoal', 'setup', '--yes'])
  await node.startDaemon({
    env: { ...labEnvironment, SHOAL_NAME: node.name, SHOAL_ROLE: node.name === 'mec' ? 'cloud' : 'edge', ...env },
  })
}

/** Every node of `lab` sees every other as a live member with a load report. */
export async function everyoneSeesEveryone(lab: Lab): Promise<void> {
  for (const node of lab.nodes) {
    await eventually(() => nodesSeenBy(node), {
      deadlineMs: meshUpMs,
      says: `${node.name} sees all ${lab.nodes.length} nodes alive, each with its load`,
      until: seen => seen.filter(({ state, load }) => state !== 'lost' && load !== null).length === lab.nodes.length,
    })
  }
}

/**
 * One mesh of all the lab's nodes. lab3 founds it, or vrone does: whoever is there on LAN A finds the other by mDNS; nodes of other networks
 * get a token each, since multicast does not cross the router.
 */
export async function startMesh(lab: Lab, env: Readonly<Record<string, string>> = {}): Promise<void> {
  const local = lab.nodes.filter(({ network }) => network === 'lan-a')
  const remote = lab.nodes.filter(({ network }) => network !== 'lan-a')
  await Promise.all(lab.nodes.map(node => startNodeDaemon(node, env)))
  for (const node of local) {
    await eventually(() => nodesSeenBy(node), {
      deadlineMs: meshUpMs,
      says: `${node.name} is in one mesh with its LAN`,
      until: seen => seen.length >= local.length,
    })
  }
  const sponsor = await sponsorOf(local)
  for (const node of remote) {
    const role = node.name === 'mec' ? 'cloud' : 'edge'
    const { token } = JSON.parse(await sponsor.output(['shoal', 'invite', '--role', role, '--json']))
    await node.output(['shoal', 'join', token])
  }
  await everyoneSeesEveryone(lab)
}

/** A node whose own record lets it admit others: the founder of the LAN's mesh. */
async function sponsorOf(nodes: readonly LabNode[]): Promise<LabNode> {
  for (const node of nodes) {
    if ((await nodesSeenBy(node)).some(({ self, mayAdmit }) => self && mayAdmit)) return node
  }
  throw new LabError('LAB_UNAVAILABLE', {
    what: 'no node of LAN A may admit others',
    hint: 'one of them must have founded the mesh: see their logs',
  })
}
