// Which network does this node stand in? A short text that is the same for nodes behind the same gateway: a digest of the gateway's hardware
// address and the subnet. A hint, never a proof: gateways of one brand in standby pairs share addresses, and a host may have several ways out.
// Placement prefers nodes of the same id and checks nothing with it. Called by compose.ts at start and when the control loop asks again.

import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import type { HostFiles } from './host-files.ts'

export interface NetworkHint {
  /** What goes into the load report. */
  readonly id: string
  /** How it was found, for `doctor`: `configured`, the gateway and interface, or why there is none. */
  readonly says: string
  /** Interface of the default route; undefined when there is none. */
  readonly device: string | undefined
  /** The gateway and its hardware address, as far as known. */
  readonly gateway?: { readonly address: string; readonly hardware: string | undefined }
}

interface Route {
  readonly device: string
  readonly destination: string
  readonly gateway: string
  readonly mask: string
  readonly metric: number
}

/** Sends the gateway something, so that the kernel has to find out its hardware address. */
export type Knock = (gateway: string) => Promise<void>

/**
 * The network this node stands in, asked again from time to time: a laptop moves, a gateway answers late. A hardware address once heard of a
 * gateway is kept while that gateway stays the way out, so that the id does not change because the kernel forgot a neighbour.
 */
export class NetworkWatch {
  readonly #files: HostFiles
  readonly #knock: Knock
  readonly #configured: string | undefined
  #hint: NetworkHint = { id: 'none', says: 'not looked yet', device: undefined }

  constructor(files: HostFiles, knock: Knock, configured?: string) {
    this.#files = files
    this.#knock = knock
    this.#configured = configured
  }

  current(): NetworkHint {
    return this.#hint
  }

  async refresh(): Promise<NetworkHint> {
    const first = await networkHint(this.#files, this.#configured)
    const address = first.gateway?.address
    if (address === undefined || first.gateway?.hardware !== undefined) return (this.#hint = first)
    await this.#knock(address)
    const second = await networkHint(this.#files, this.#configured)
    const known = this.#hint.gateway
    const lost =
      second.gateway?.hardware === undefined && known?.hardware !== undefined && known.address === second.gateway?.address
    return lost && this.#hint.device === second.device ? this.#hint : (this.#hint = second)
  }
}

/** An empty datagram to the discard port; time for one answer of the neighbour protocol. Failing to send is no news: the route may be gone. */
export async function knockByDatagram(gateway: string): Promise<void> {
  const socket = createSocket('udp4')
  await new Promise<void>(resolve => {
    socket.on('error', () => resolve())
    socket.send('', 9, gateway, () => setTimeout(resolve, 100))
  })
  socket.close()
}

/**
 * Reads the routes and neighbours of IPv4. The gateway's hardware address is known only once somebody has spoken with it; until then its address
 * counts instead: {@link NetworkWatch} takes care of that. `configured` wins over all.
 */
export async function networkHint(files: HostFiles, configured?: string): Promise<NetworkHint> {
  const routes = parseRoutes((await files.read('/proc/net/route')) ?? '')
  const way = routes
    .filter(({ destination, mask }) => destination === '00000000' && mask === '00000000')
    .toSorted((a, b) => a.metric - b.metric)[0]
  if (configured !== undefined) return { id: configured, says: 'configured', device: way?.device }
  if (way === undefined)
    return { id: 'none', says: 'no default route: this node is near nobody until mDNS shows otherwise', device: undefined }
  const gateway = address(way.gateway)
  const hardware = hardwareOf((await files.read('/proc/net/arp')) ?? '', gateway, way.device)
  const link = routes.find(
    ({ device, gateway: via, destination }) => device === way.device && via === '00000000' && destination !== '00000000',
  )
  const subnet = link === undefined ? '' : `${address(link.destination)}/${address(link.mask)}`
  const id = createHash('sha256')
    .update(`shoal-network-1 ${hardware ?? gateway} ${subnet}`)
    .digest('hex')
    .slice(0, 16)
  return {
    id,
    gateway: { address: gateway, hardware },
    says: `gateway ${gateway}${hardware === undefined ? '' : ` (${hardware})`} on ${way.device}, subnet ${subnet}`,
    device: way.device,
  }
}

function parseRoutes(text: string): readonly Route[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [device = '', destination = '', gateway = '', , , , metric = '0', mask = ''] = line.trim().split(/\s+/)
      return mask === '' ? [] : [{ device, destination, gateway, mask, metric: Number(metric) }]
    })
}

function hardwareOf(arp: string, gateway: string, device: string): string | undefined {
  const entry = arp
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .find(([ip, , , , , on]) => ip === gateway && on === device)
  const hardware = entry?.[3]
  // All zero: asked for, not answered.
  return hardware === undefined || /^[0:]+$/.test(hardware) ? undefined : hardware
}

/** The kernel writes addresses as hex in host order: `FE014D0A` is 10.77.1.254. */
function address(hex: string): string {
  return [...Buffer.from(hex, 'hex')].toReversed().join('.')
}
