// Which network is this node in, and which of its links does multicast leave out? Pure readings of what Linux says in /proc/net/route and
// /proc/net/arp and of the interfaces. The daemon calls `networkIdOf` for its load report and `multicastReach` for `shoal doctor`.

import { createHash } from 'node:crypto'
import type { NetworkInterfaceInfo } from 'node:os'
import { outerAddresses } from './addresses.ts'

export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>

export interface DefaultRoute {
  readonly interface: string
  /** IPv4 address of the gateway. */
  readonly gateway: string
}

/** The default route of `routes` (text of /proc/net/route) with the lowest metric, or undefined. */
export function defaultRoute(routes: string): DefaultRoute | undefined {
  const rows = routes
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(
      ([, destination, , flags, , , , mask]) =>
        destination === '00000000' && mask === '00000000' && (Number.parseInt(flags ?? '', 16) & 2) === 2,
    )
    .toSorted((a, b) => Number(a[6]) - Number(b[6]))
  const [name, , gateway] = rows[0] ?? []
  return name === undefined || gateway === undefined ? undefined : { interface: name, gateway: dotted(gateway) }
}

/** The hardware address of `ip` in `arp` (text of /proc/net/arp), or undefined while the kernel does not know it. */
export function hardwareAddress(arp: string, ip: string): string | undefined {
  const row = arp
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .find(([address, , , mac]) => address === ip && mac !== undefined && mac !== '00:00:00:00:00:00')
  return row?.[3]
}

export interface OwnNetwork {
  readonly id: string
  /** False while the gateway's hardware address is not known: read again after something was sent to it. */
  readonly settled: boolean
}

/**
 * Two nodes with one gateway are in one network: the id is made of the gateway's hardware and IP address, never of the subnet's digits alone
 * (every second home is 192.168.1.0/24). Without a gateway: of the own first subnet; nodes that hear each other by mDNS are near in any case.
 */
export function networkIdOf({
  routes,
  arp,
  interfaces,
}: {
  readonly routes: string
  readonly arp: string
  readonly interfaces: Interfaces
}): OwnNetwork {
  const route = defaultRoute(routes)
  if (route === undefined) {
    const outer = outerAddresses(interfaces)
    const subnets = Object.values(interfaces)
      .flatMap(each => each ?? [])
      .filter(({ address, family, cidr }) => family === 'IPv4' && cidr !== null && outer.has(address))
    return {
      id: named(
        'link',
        subnets
          .map(({ cidr }) => cidr ?? '')
          .map(subnetOf)
          .toSorted()[0] ?? 'none',
      ),
      settled: true,
    }
  }
  const mac = hardwareAddress(arp, route.gateway)
  return mac === undefined
    ? { id: named('gateway', route.gateway), settled: false }
    : { id: named('gateway', `${mac.toLowerCase()} ${route.gateway}`), settled: true }
}

/** Multicast leaves on the default route's interface only (docs/protocols/mesh.md, trap 7); `skipped` are links on which neighbours are not heard. */
export function multicastReach({ routes, interfaces }: { readonly routes: string; readonly interfaces: Interfaces }): {
  readonly used: string | null
  readonly skipped: readonly string[]
} {
  const used = defaultRoute(routes)?.interface ?? null
  const outer = outerAddresses(interfaces)
  const links = Object.entries(interfaces)
    .filter(([, addresses]) => (addresses ?? []).some(({ address, family }) => family === 'IPv4' && outer.has(address)))
    .map(([name]) => name)
  return { used, skipped: links.filter(name => name !== used).toSorted() }
}

/** The kernel prints an address as one little-endian number in hex. */
function dotted(hex: string): string {
  return [6, 4, 2, 0].map(at => Number.parseInt(hex.slice(at, at + 2), 16)).join('.')
}

function subnetOf(cidr: string): string {
  const [address = '', bits = '32'] = cidr.split('/')
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const size = 2 ** (32 - Number(bits))
  return `${Math.floor(number / size) * size}/${bits}`
}

function named(kind: string, what: string): string {
  return `${kind}-${createHash('sha256').update(what).digest('hex').slice(0, 12)}`
}
