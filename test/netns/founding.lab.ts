// Zero configuration, for real: meshes in processes of their own, each on a host of its own, finding each other by real multicast on one
// link. Nobody clicks. Needs root; touches no interface outside its own namespaces. SHOAL_PLUG_LATE_MS sets how late the link comes.

import { expect, test } from 'vitest'
import { makeLink } from './link.ts'
import type { Link, LinkHost } from './link.ts'
import { eventually, meshNodes, oneMesh, pause } from './nodes.ts'

const plugLateMs = Number(process.env['SHOAL_PLUG_LATE_MS'] ?? 15_000)

async function hostsOn(link: Link, count: number): Promise<readonly LinkHost[]> {
  return await Promise.all(Array.from({ length: count }, (_, at) => link.host(`n${at + 1}`)))
}

test.each([2, 4, 12])('%i nodes that start at once end in one mesh', async count => {
  await using link = await makeLink()
  await using nodes = await meshNodes()
  const hosts = await hostsOn(link, count)
  await Promise.all(hosts.map(host => host.plugIn()))
  const running = hosts.map(host => nodes.start(host))
  await oneMesh(running, 30_000 + 2_000 * count)
  const ways = running.map(node => node.status()?.via)
  expect(ways.filter(via => via === 'founder')).toHaveLength(1)
  expect(ways.filter(via => via === 'window')).toHaveLength(count - 1)
  for (const node of running) {
    // One link is one network, whatever the nodes call their gateways.
    const peers = node.status()?.peers ?? []
    expect(new Set(peers.map(({ network }) => network)).size).toBe(1)
  }
})

test('nodes that start one after another end in one mesh', async () => {
  await using link = await makeLink()
  await using nodes = await meshNodes()
  const hosts = await hostsOn(link, 4)
  await Promise.all(hosts.map(host => host.plugIn()))
  const running = []
  for (const [at, host] of hosts.entries()) {
    running.push(nodes.start(host))
    await pause([500, 2_500, 6_000, 0][at] ?? 0)
  }
  await oneMesh(running, 40_000)
})

test('two nodes whose link is plugged in late leave their meshes of one for the one on the link', async () => {
  await using link = await makeLink()
  await using nodes = await meshNodes()
  const hosts = await hostsOn(link, 4)
  const early = hosts.slice(0, 2)
  await Promise.all(early.map(host => host.plugIn()))
  const running = hosts.map(host => nodes.start(host))
  await pause(plugLateMs)
  const alone = running.slice(2).map(node => node.status())
  expect(alone).toMatchObject([{ phase: 'member' }, { phase: 'member' }])
  expect(alone.map(status => status?.members.length)).toEqual([1, 1])
  await Promise.all(hosts.slice(2).map(host => host.plugIn()))
  await oneMesh(running, 40_000)
})

test('a killed node is lost and a frozen one too, within four seconds; thawed, it is back', async () => {
  await using link = await makeLink()
  await using nodes = await meshNodes()
  const hosts = await hostsOn(link, 4)
  await Promise.all(hosts.map(host => host.plugIn()))
  const running = hosts.map(host => nodes.start(host))
  await oneMesh(running, 40_000)
  const [first, second, third, fourth] = running
  if (first === undefined || second === undefined || third === undefined || fourth === undefined)
    throw new Error('four were started')
  const seen = (name: string) => [first, second].map(node => node.status()?.members.find(member => member.name === name)?.state)
  fourth.signal('SIGKILL')
  await eventually(running, 4_500, () => seen('n4').every(state => state === 'lost'))
  third.signal('SIGSTOP')
  await eventually(running, 4_500, () => seen('n3').every(state => state === 'lost'))
  third.signal('SIGCONT')
  await eventually(running, 10_000, () => seen('n3').every(state => state === 'green'))
  second.signal('SIGTERM')
  await eventually(running, 3_000, () => first.status()?.members.find(member => member.name === 'n2')?.state === 'leaving')
})
