// Which addresses of a host are worth telling others, and how a multiaddr is kept apart from its peer id. Used by host.ts (what this
// node announces) and peer-book.ts (what it believes of others).

import { networkInterfaces } from 'node:os'
import { CODE_P2P, multiaddr } from '@multiformats/multiaddr'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Names of interfaces that containers and virtual machines sit on: their addresses lead nowhere from another host. */
const INNER_INTERFACE = /^(docker|br-|veth|virbr|cni|flannel|podman|lxc|lxdbr|vmnet|vboxnet)/

/** The IP addresses of `interfaces` that another host may be able to reach: no loopback, no container bridge, no IPv6 link-local. */
export function outerAddresses(interfaces: ReturnType<typeof networkInterfaces>): ReadonlySet<string> {
  return new Set(
    Object.entries(interfaces)
      .filter(([name]) => !INNER_INTERFACE.test(name))
      .flatMap(([, addresses]) => addresses ?? [])
      .filter(({ internal, address }) => !internal && !address.toLowerCase().startsWith('fe80:'))
      .map(({ address }) => address),
  )
}

/**
 * Keeps what others may dial (docs/protocols/mesh.md, trap 8; libp2p announces loopback and bridges too, and a neighbour with an equal port dials itself).
 * `always` (plain multiaddrs) was asked for by the configuration. Addresses of interfaces that came up later count at once: the interfaces are read at each call.
 */
export function announceOuterOnly(
  addresses: readonly Multiaddr[],
  always: readonly string[] = [],
  interfaces = networkInterfaces(),
): Multiaddr[] {
  const outer = outerAddresses(interfaces)
  return addresses.filter(address => {
    const host = hostOf(address)
    return host === undefined || outer.has(host) || always.includes(plainAddress(address.toString()) ?? '')
  })
}

/** The IP address in a multiaddr, or undefined where it has none (a DNS name). */
export function hostOf(address: Multiaddr): string | undefined {
  return address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value
}

/** The address as text without its peer id, or undefined when it is no multiaddr of TCP. */
export function plainAddress(text: string): string | undefined {
  try {
    const address = multiaddr(text).decapsulateCode(CODE_P2P)
    return address.getComponents().some(({ name }) => name === 'tcp') ? address.toString() : undefined
  } catch {
    return undefined // no multiaddr: not worth keeping
  }
}
