import { expect, test } from 'vitest'
import { announceOuterOnly, plainAddress } from './addresses.ts'
import { multiaddr } from '@multiformats/multiaddr'
import { defaultRoute, multicastReach, networkIdOf } from './own-network.ts'
import type { Interfaces } from './own-network.ts'

const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
const routes = [
  head,
  'eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
  'eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
].join('\n')
const arpOf = (mac: string): string =>
  [
    'IP address       HW type     Flags       HW address            Mask     Device',
    `192.168.1.1      0x1         0x2         ${mac}     *        eth0`,
  ].join('\n')
const address = (ip: string, internal = false): NonNullable<Interfaces[string]>[number] => ({
  address: ip,
  family: 'IPv4',
  internal,
  cidr: `${ip}/24`,
  mac: '00:00:00:00:00:01',
  netmask: '255.255.255.0',
})
const interfaces: Interfaces = {
  lo: [address('127.0.0.1', true)],
  eth0: [address('192.168.1.7')],
  wlan0: [address('10.0.0.7')],
  docker0: [address('172.17.0.1')],
  'br-12ab': [address('172.18.0.1')],
}

test('the default route is read from the kernel’s table', () => {
  expect(defaultRoute(routes)).toEqual({ interface: 'eth0', gateway: '192.168.1.1' })
  expect(defaultRoute(head)).toBeUndefined()
})

test('one gateway is one network; two homes with the same digits are two', () => {
  const home = networkIdOf({ routes, arp: arpOf('aa:bb:cc:00:00:01'), interfaces })
  const sameHome = networkIdOf({ routes, arp: arpOf('AA:BB:CC:00:00:01'), interfaces: { eth0: [address('192.168.1.9')] } })
  const otherHome = networkIdOf({ routes, arp: arpOf('aa:bb:cc:00:00:02'), interfaces })
  expect(sameHome).toEqual(home)
  expect(otherHome.id).not.toBe(home.id)
  expect(networkIdOf({ routes, arp: arpOf('00:00:00:00:00:00'), interfaces }).settled).toBe(false)
})

test('links that multicast leaves out are named; container bridges are no links', () => {
  expect(multicastReach({ routes, interfaces })).toEqual({ used: 'eth0', skipped: ['wlan0'] })
})

test('loopback and container bridges are never announced; an address that was asked for is', () => {
  const all = ['127.0.0.1', '192.168.1.7', '172.17.0.1', '172.18.0.1', '203.0.113.9'].map(ip => multiaddr(`/ip4/${ip}/tcp/4747`))
  const kept = announceOuterOnly(all, ['/ip4/203.0.113.9/tcp/4747'], interfaces).map(String)
  expect(kept).toEqual(['/ip4/192.168.1.7/tcp/4747', '/ip4/203.0.113.9/tcp/4747'])
})

test('an address is kept without its peer id, and nonsense is not kept', () => {
  const id = '12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p'
  expect(plainAddress(`/ip4/10.0.0.1/tcp/4747/p2p/${id}`)).toBe('/ip4/10.0.0.1/tcp/4747')
  expect(plainAddress('../../etc/passwd')).toBeUndefined()
  expect(plainAddress('/ip4/10.0.0.1/udp/53')).toBeUndefined()
})
