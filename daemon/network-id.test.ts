// Nodes behind one gateway get one network id; nodes behind another, another.

import { expect, test } from 'vitest'
import { recordedFiles } from './host-files.ts'
import { networkHint, NetworkWatch } from './network-id.ts'

const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n'
const routeA = `${head}eth0\t00000000\tFE014D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t00014D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`
const arp = (ip: string, hardware: string) =>
  `IP address       HW type     Flags       HW address            Mask     Device\n${ip}      0x1         0x2         ${hardware}     *        eth0\n`
const files = (route: string, neighbours: string) => recordedFiles({ '/proc/net/route': route, '/proc/net/arp': neighbours })

test('nodes behind the same gateway are near each other, whatever their own address', async () => {
  const one = await networkHint(files(routeA, arp('10.77.1.254', '02:42:0a:4d:01:fe')))
  const other = await networkHint(
    files(routeA, `${arp('10.77.1.254', '02:42:0a:4d:01:fe')}10.77.1.5 0x1 0x2 02:42:0a:4d:01:05 * eth0\n`),
  )
  expect(one.id).toBe(other.id)
  expect(one).toMatchObject({
    device: 'eth0',
    says: 'gateway 10.77.1.254 (02:42:0a:4d:01:fe) on eth0, subnet 10.77.1.0/255.255.255.0',
  })
})

test('the same digits behind another gateway are another network', async () => {
  const home = await networkHint(files(routeA, arp('10.77.1.254', '02:42:0a:4d:01:fe')))
  const elsewhere = await networkHint(files(routeA, arp('10.77.1.254', '52:54:00:00:00:01')))
  expect(home.id).not.toBe(elsewhere.id)
})

test('a gateway that has not answered yet counts by its address', async () => {
  const silent = await networkHint(files(routeA, arp('10.77.1.254', '00:00:00:00:00:00')))
  expect(silent.says).toBe('gateway 10.77.1.254 on eth0, subnet 10.77.1.0/255.255.255.0')
})

test('of two ways out the one with the lower metric counts', async () => {
  const wifi = 'wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n'
  expect((await networkHint(files(routeA + wifi, ''))).device).toBe('eth0')
})

test('what is configured wins, and no way out is said', async () => {
  expect(await networkHint(files(routeA, ''), 'hall-2')).toMatchObject({ id: 'hall-2', says: 'configured' })
  expect(await networkHint(files(head, ''))).toMatchObject({ id: 'none', device: undefined })
})

test('a gateway nobody has spoken with is knocked at, and what was learnt is not forgotten with the kernel', async () => {
  const texts = { '/proc/net/route': routeA, '/proc/net/arp': '' }
  const knocked: string[] = []
  const watch = new NetworkWatch(recordedFiles(texts), async gateway => {
    knocked.push(gateway)
    if (knocked.length === 1) texts['/proc/net/arp'] = arp(gateway, '02:42:0a:4d:01:fe')
  })
  const first = await watch.refresh()
  expect(first.id).toBe((await networkHint(files(routeA, arp('10.77.1.254', '02:42:0a:4d:01:fe')))).id)
  texts['/proc/net/arp'] = ''
  expect((await watch.refresh()).id).toBe(first.id)
  expect(knocked).toEqual(['10.77.1.254', '10.77.1.254'])
})
