// What does a lab look like: names, addresses, limits? Pure; lab.ts hands the answer to compose as variables.

import { createHash } from 'node:crypto'
import { LabError } from './errors.ts'
import type { nodeLimits, NodeLimits } from './limits.ts'

export type NodeName = keyof typeof nodeLimits
export type NetworkName = 'lan-a' | 'lan-b' | 'wan'

export const nodeNames: readonly NodeName[] = ['lab3', 'vrone', 'lab4', 'mec']

/** Where each node stands: its network and the end of its address. docker-compose.test.yml says the same. */
export const places: Readonly<Record<NodeName, { readonly network: NetworkName; readonly suffix: string }>> = {
  lab3: { network: 'lan-a', suffix: '1.3' },
  vrone: { network: 'lan-a', suffix: '1.5' },
  lab4: { network: 'lan-b', suffix: '2.4' },
  mec: { network: 'wan', suffix: '9.9' },
}

/** Third byte of each network's addresses. */
export const networkByte: Readonly<Record<NetworkName, number>> = { 'lan-a': 1, 'lan-b': 2, wan: 9 }

export interface LabSettings {
  /** Compose project and value of the label `shoal.lab`. */
  readonly project: string
  /** First two bytes of all addresses: `10.77`. */
  readonly net: string
  /** Prefix of the host's bridges; an interface name has 15 characters at most. */
  readonly bridge: string
  readonly image: string
  readonly dist: string
  /** False where the kernel grants no CAP_SYS_RESOURCE, so that a privileged container cannot start. */
  readonly privileged: boolean
  readonly limits: Readonly<Record<NodeName, NodeLimits>>
  /** tbf rate on every node, as tc writes it; undefined: not shaped. */
  readonly rate: string | undefined
}

/** The bridge prefix of a project: the same each time, so that clean-up finds it. */
export const bridgeOf = (project: string): string => `shl${createHash('sha256').update(project).digest('hex').slice(0, 8)}`

export const bridgeSuffix: Readonly<Record<NetworkName, string>> = { 'lan-a': 'a', 'lan-b': 'b', wan: 'w' }

const candidateNets = Array.from({ length: 64 }, (_, index) => `10.${64 + index}`)

/**
 * A free 10.X for a project: none of its /16 is in `taken` (prefixes like `10.77.1.0/24`). Starts at a place that follows from the
 * name, so that the same project mostly gets the same addresses.
 */
export function chooseNet(project: string, taken: readonly string[]): string {
  const first = createHash('sha256').update(project).digest().readUInt8(0) % candidateNets.length
  const inOrder = [...candidateNets.slice(first), ...candidateNets.slice(0, first)]
  const free = inOrder.find(net => !taken.some(prefix => prefix.startsWith(`${net}.`) || prefix.startsWith('10.0.0.0/8')))
  if (free === undefined) {
    throw new LabError('LAB_UNAVAILABLE', {
      what: 'no free 10.64 to 10.127 network is left on this machine',
      hint: 'remove labs that are still up: npm run lab -- down --all',
    })
  }
  return free
}

/** The variables of docker-compose.test.yml. */
export function composeVariables(settings: LabSettings): Record<string, string> {
  const variables: Record<string, string> = {
    SHOAL_LAB: settings.project,
    SHOAL_NET: settings.net,
    SHOAL_BRIDGE: settings.bridge,
    SHOAL_LAB_IMAGE: settings.image,
    SHOAL_DIST: settings.dist,
    SHOAL_PRIVILEGED: String(settings.privileged),
    SHOAL_RATE: settings.rate ?? '',
  }
  for (const name of nodeNames) {
    variables[`SHOAL_${name.toUpperCase()}_CPUS`] = String(settings.limits[name].cpus)
    variables[`SHOAL_${name.toUpperCase()}_MEM`] = settings.limits[name].memory
  }
  return variables
}

/** Does the kernel grant CAP_SYS_RESOURCE (bit 24)? `status` is the text of /proc/self/status. */
export function mayBePrivileged(status: string): boolean {
  const bounding = /^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1]
  return bounding !== undefined && ((BigInt(`0x${bounding}`) >> 24n) & 1n) === 1n
}
