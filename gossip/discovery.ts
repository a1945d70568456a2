// Who else is on this link? One `@libp2p/mdns` at a time, used directly instead of through the host: libp2p's `peer:discovery` fires once
// per peer and never for a changed address (docs/protocols/mesh.md, trap 10), while this passes on everything that is heard. What is heard is a
// candidate, never a member. Multicast leaves on the default route's interface only (trap 7; `doctor` lists the others). Called by open-mesh.ts.

import { networkInterfaces } from 'node:os'
import { mdns } from '@libp2p/mdns'
import type { MulticastDNSComponents } from '@libp2p/mdns'
import type { PeerDiscovery, PeerInfo } from '@libp2p/interface'
import type { Clock } from '../placement/clock.ts'
import type { NodeId } from '../placement/view.ts'
import { outerAddresses, plainAddress } from './addresses.ts'
import { LIMITS, RHYTHM } from './limits.ts'
import { everyBeat } from './rhythm.ts'

/** A node heard on the own link, with addresses without peer id. */
export interface Heard {
  readonly id: NodeId
  readonly addresses: readonly string[]
}

export interface LanListener {
  readonly self: NodeId
  /** Whether this node has nobody yet: it asks more often then, as a cable may be plugged in anywhere. */
  readonly alone: () => boolean
  readonly onHeard: (heard: Heard) => void
}

/** The own link, as far as multicast reaches. */
export interface Lan {
  listen(listener: LanListener): Promise<void>
  hush(): Promise<void>
}

export type LanFactory = (components: MulticastDNSComponents) => Lan

/** No multicast at all: nodes are found by token, address or other members. */
export const noLan: LanFactory = () => ({ listen: async () => undefined, hush: async () => undefined })

const SERVICE_TAG = '_shoal._udp.local'

/** mDNS on `clock`'s rhythm. */
export function mdnsLan(clock: Clock): LanFactory {
  return components => {
    let inner: PeerDiscovery | undefined
    let stopWatch: () => void = () => undefined
    const restart = async (listener: LanListener): Promise<void> => {
      const before = inner
      inner = mdns({ serviceTag: SERVICE_TAG, interval: RHYTHM.mdnsMs })(components)
      inner.addEventListener('peer', event => tell(event.detail, listener))
      await stopInner(before)
      await startInner(inner)
    }
    return {
      async listen(listener) {
        await restart(listener)
        let links = linksOf()
        let askedAt = clock.now()
        let busy = false
        stopWatch = everyBeat(clock, RHYTHM.linkWatchMs, () => {
          const now = linksOf()
          const moved = now !== links
          if (busy || !(moved || (listener.alone() && clock.now() - askedAt >= RHYTHM.mdnsAloneMs))) return
          links = now
          askedAt = clock.now()
          busy = true
          // A fresh module asks at once, and joins the group on interfaces that came up since.
          void restart(listener).finally(() => (busy = false))
        })
      },
      async hush() {
        stopWatch()
        await stopInner(inner)
        inner = undefined
      },
    }
  }
}

function tell(found: PeerInfo, listener: LanListener): void {
  const id = found.id.toString()
  if (id === listener.self) return // a neighbour's bridge may echo us
  const addresses = found.multiaddrs
    .map(address => plainAddress(address.toString()))
    .filter(address => address !== undefined)
    .filter(address => !/^\/ip[46]\/(127\.|::1\/)/.test(address))
    .slice(0, LIMITS.addressesPerPeerMax)
  listener.onHeard({ id, addresses })
}

/** The host's own outer addresses as one comparable text. */
function linksOf(): string {
  return [...outerAddresses(networkInterfaces())].toSorted().join(' ')
}

interface Runs {
  start(): Promise<void> | void
  stop(): Promise<void> | void
}

function isRunning(module: object): module is Runs {
  return 'start' in module && typeof module.start === 'function' && 'stop' in module && typeof module.stop === 'function'
}

async function startInner(module: PeerDiscovery): Promise<void> {
  if (isRunning(module)) await module.start()
}

async function stopInner(module: PeerDiscovery | undefined): Promise<void> {
  if (module !== undefined && isRunning(module)) await module.stop()
}
