// What the lab promises to the tests that build on it: four hosts with engines, limits and networks of their own, and no trace afterwards.

import { chmod, cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cleanUp, leftovers } from './cleanup.ts'
import { eventually } from './eventually.ts'
import { startLab } from './lab.ts'
import { nodeLimits } from './limits.ts'
import type { LabNode } from './node.ts'
import { nodeNames } from './settings.ts'
import { useLab } from './use-lab.ts'

const project = `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-itself`
const lab = useLab({ project, keep: false })

/** Sends a datagram to a multicast group from one node; says which of the others hear it. */
const hear = (group: string, seconds: number) =>
  `const s = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true })
   s.on('message', m => { console.log(String(m)); process.exit(0) })
   s.bind(15353, () => { s.addMembership('${group}'); console.error('listening') })
   setTimeout(() => process.exit(3), ${seconds * 1000})`
const speak = (group: string) =>
  `const s = require('node:dgram').createSocket('udp4')
   s.bind(0, () => { s.setMulticastTTL(8)
     let sent = 0
     const each = () => s.send('from ' + require('node:os').hostname(), 15353, '${group}', () => { if (++sent < 10) setTimeout(each, 100); else s.close() })
     each() })`

/** Runs a script of Node.js (this one's binary, seen through /proc) in a node's network. */
const node24 = (node: LabNode, script: string) => node.runHere([process.execPath, '-e', script])

const pings = async (from: LabNode, to: LabNode) => (await from.run(['ping', '-c', '1', '-W', '1', to.ip])).code === 0

test.each(nodeNames)('%s has an engine of its own, a CRIU that works, and the shim can rely on runc', async name => {
  const node = lab().node(name)
  expect((await node.docker.version()).Version).toMatch(/^2[89]\.|^[3-9]\d\./)
  expect(await node.docker.listContainers({ all: true })).toEqual([])
  expect(await node.output(['criu', 'check'])).toBe('Looks good.')
  expect(await node.output(['runc', '--version'])).toContain('runc version')
})

test.each(nodeNames)('%s sees its own capacity: the limits of its cgroup', async name => {
  const node = lab().node(name)
  const bytes = Number.parseInt(nodeLimits[name].memory, 10) * 1024 ** 3
  const read = (one: string, two: string) =>
    node.output(['sh', '-c', `cat /sys/fs/cgroup/${one} 2>/dev/null || cat /sys/fs/cgroup/${two}`])
  expect(Number(await read('memory/memory.limit_in_bytes', 'memory.max'))).toBe(bytes)
  const cpu = await read('cpu/cpu.cfs_quota_us', 'cpu.max')
  expect(Number(cpu.split(' ')[0]) / 100_000).toBe(nodeLimits[name].cpus)
})

test('each node goes out by the router, neighbours directly, others through it', async () => {
  const lab3 = lab().node('lab3')
  const vrone = lab().node('vrone')
  const lab4 = lab().node('lab4')
  const mec = lab().node('mec')
  expect(await lab3.output(['ip', 'route', 'show', 'default'])).toMatch(/via \d+\.\d+\.1\.254 dev eth0/)
  expect(await lab3.output(['ip', 'route', 'get', vrone.ip])).not.toContain(' via ')
  for (const [from, to] of [
    [lab3, vrone],
    [vrone, lab3],
    [lab3, lab4],
    [lab4, mec],
    [mec, lab3],
  ] as const) {
    expect(`${from.name} → ${to.name}: ${await pings(from, to)}`).toBe(`${from.name} → ${to.name}: true`)
  }
})

test('multicast from lab3 reaches its neighbour vrone and nobody behind the router', async () => {
  const group = '239.255.77.1'
  const heard = Promise.all(
    (['vrone', 'lab4', 'mec'] as const).map(async name => (await node24(lab().node(name), hear(group, 4))).stdout.trim()),
  )
  await node24(lab().node('lab3'), `setTimeout(() => { ${speak(group)} }, 1000)`)
  expect(await heard).toEqual(['from lab3', '', ''])
})

test('a cut node reaches nobody and keeps its address and route; healed, it is back', async () => {
  const lab4 = lab().node('lab4')
  const mec = lab().node('mec')
  const routes = await lab4.output(['ip', 'route'])
  await lab4.cut()
  expect(await pings(lab4, mec)).toBe(false)
  expect((await lab4.output(['ip', 'route'])).replaceAll(' linkdown', '')).toBe(routes.replaceAll(' linkdown', ''))
  await lab4.heal()
  await eventually(() => pings(lab4, mec), { deadlineMs: 10_000, says: 'lab4 reaches mec again' })
})

test('two networks can be kept apart at the router while each stays whole', async () => {
  const lab3 = lab().node('lab3')
  await lab().router.block('lan-a', 'wan')
  expect(await pings(lab3, lab().node('mec'))).toBe(false)
  expect(await pings(lab3, lab().node('vrone'))).toBe(true)
  expect(await pings(lab3, lab().node('lab4'))).toBe(true)
  await lab().router.allow('lan-a', 'wan')
  expect(await pings(lab3, lab().node('mec'))).toBe(true)
})

test('the router can hold back what it passes on, and data still arrives whole', async () => {
  const { router } = lab()
  const lab3 = lab().node('lab3')
  const mec = lab().node('mec')
  const roundTripMs = async (to: LabNode) =>
    Number(/time=([\d.]+)/.exec(await lab3.output(['ping', '-c', '1', '-W', '2', to.ip]))?.[1])
  await router.delay(20)
  expect(await roundTripMs(mec)).toBeGreaterThanOrEqual(40)
  expect(await roundTripMs(mec)).toBeLessThan(80)
  expect(await roundTripMs(lab().node('vrone'))).toBeLessThan(10)
  const digest = node24(
    mec,
    `const { createHash } = require('node:crypto')
     require('node:net').createServer(s => { const h = createHash('sha256'); s.on('data', d => h.update(d)).on('end', () => { console.log(h.digest('hex')); s.end(); process.exit() }) }).listen(15354)
     setTimeout(() => process.exit(3), 20000)`,
  )
  const sent = await node24(
    lab3,
    `const { createHash, randomBytes } = require('node:crypto')
     const data = randomBytes(8 << 20)
     const go = () => { const s = require('node:net').connect(15354, '${mec.ip}', () => s.end(data)); s.on('error', () => setTimeout(go, 200)) }
     console.log(createHash('sha256').update(data).digest('hex')); go()`,
  )
  expect((await digest).stdout).toBe(sent.stdout)
  await router.delay(0)
  expect(await roundTripMs(mec)).toBeLessThan(10)
})

test('a ticker runs on one node under the default seccomp profile, and its frozen memory can be dumped while it lives on', async () => {
  const lab3 = lab().node('lab3')
  const image = await lab3.loadImage('ticker')
  expect(await lab().node('vrone').docker.listImages()).toEqual([])
  const container = await lab3.docker.createContainer({ Image: image, Cmd: ['32'], name: 'ticker' })
  await container.start()
  const lastTick = async () => {
    const log = (await container.logs({ stdout: true, tail: 1, follow: false })).subarray(8).toString('utf8')
    const [number, counter] = log.trim().split(' ')
    return { number, counter: Number(counter) }
  }
  const before = await eventually(lastTick, { deadlineMs: 10_000, says: 'it ticks', until: tick => tick.counter > 10 })
  await container.pause()
  await lab3.output(['mkdir', '-p', '/run/dump/images', '/run/dump/work'])
  const { Id } = await container.inspect()
  const options =
    '--image-path /run/dump/images --work-path /run/dump/work --leave-running --empty-ns network --manage-cgroups-mode ignore'
  await lab3.output(['runc', '--root', '/run/docker/runtime-runc/moby', 'checkpoint', ...options.split(' '), Id])
  expect(Number.parseInt(await lab3.output(['du', '-sm', '/run/dump/images']), 10)).toBeGreaterThanOrEqual(32)
  await lab3.output(['rm', '-r', '/run/dump'])
  await container.unpause()
  const after = await eventually(lastTick, {
    deadlineMs: 5_000,
    says: 'it goes on',
    until: tick => tick.counter > before.counter + 10,
  })
  expect(after.number).toBe(before.number)
  await container.stop()
  expect((await container.inspect()).State.ExitCode).toBe(7)
  await container.remove()
})

test('the page counter counts in memory, and opens no io_uring under the default seccomp profile', async () => {
  const vrone = lab().node('vrone')
  const container = await vrone.docker.createContainer({ Image: await vrone.loadImage('page-counter'), name: 'pages' })
  await container.start()
  const { NetworkSettings, State } = await container.inspect()
  const url = `http://${NetworkSettings.Networks['bridge']?.IPAddress}:8080/`
  await eventually(() => vrone.output(['curl', '-sf', url]), { deadlineMs: 15_000, says: 'the page answers' })
  expect(JSON.parse(await vrone.output(['curl', '-sf', url]))).toMatchObject({ views: 2 })
  expect(await vrone.output(['ls', '-l', `/proc/${State.Pid}/fd`])).not.toContain('io_uring')
  await container.remove({ force: true })
})

test('load from outside the services counts to the node it runs in', async () => {
  const lab3 = lab().node('lab3')
  const usedMs = async () => {
    const usage = await lab3.output([
      'sh',
      '-c',
      'cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat',
    ])
    return usage.startsWith('usage_usec') ? Number(usage.split(/\s/)[1]) / 1e3 : Number(usage) / 1e6
  }
  const before = await usedMs()
  {
    await using _load = await lab3.burn({ seconds: 20, percent: 100, threads: 1 })
    await eventually(async () => (await usedMs()) - before, {
      deadlineMs: 15_000,
      says: 'a second is used',
      until: ms => ms > 1000,
    })
  }
  expect((await lab3.run(['pgrep', 'burner'])).code).toBe(1)
})

/** Stands in for the product: a `shoal` that answers on the socket and does what a daemon's process does. */
const standIn = `
  import { createServer } from 'node:http'
  import { mkdirSync } from 'node:fs'
  if (process.argv[2] !== 'up') { console.log(JSON.stringify({ args: process.argv.slice(2) })); process.exit(0) }
  if (process.argv[3] === '--bad') { console.error('unknown flag --bad'); process.exit(2) }
  mkdirSync('/run/shoal', { recursive: true })
  createServer((request, response) => response.end(JSON.stringify({ pid: process.pid, word: process.env.WORD, path: request.url })))
    .listen('/run/shoal/shoal.sock', () => console.log('up', process.pid))
  process.on('SIGTERM', () => process.exit(0))`

async function standInDist(): Promise<string> {
  const dist = await mkdtemp(join(tmpdir(), 'shoal-stand-in-'))
  await chmod(dist, 0o755)
  await cp(process.execPath, join(dist, 'node'), { dereference: true })
  await writeFile(join(dist, 'shoal.mjs'), standIn)
  await writeFile(join(dist, 'shoal'), '#!/bin/sh\nexec /usr/lib/shoal/node /usr/lib/shoal/shoal.mjs "$@"\n', { mode: 0o755 })
  return dist
}

test('a daemon is started, killed and started anew while the engine runs on; its API answers on one loopback port', async () => {
  const dist = await standInDist()
  try {
    await using small = await startLab({ project: `${project}-2`, keep: false, nodes: ['vrone'], dist, rate: '100mbit' })
    const vrone = small.node('vrone')
    expect(await vrone.output(['tc', 'qdisc', 'show', 'dev', 'eth0'])).toContain('tbf')
    const engine = await vrone.output(['cat', '/run/docker.pid'])
    const url = vrone.apiUrl
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const first = await vrone.startDaemon({ env: { WORD: 'one' } })
    const reply = async () => (await vrone.api('/v1/x')).json()
    expect(await reply()).toMatchObject({ word: 'one', path: '/v1/x' })
    expect(await vrone.killDaemon('SIGKILL')).toBe(137)
    await expect(vrone.api('/')).rejects.toThrow('fetch failed')
    const second = await vrone.startDaemon({ env: { WORD: 'two' } })
    expect(second.pid).not.toBe(first.pid)
    expect(await reply()).toMatchObject({ word: 'two' })
    expect(await vrone.stopDaemon()).toBe(0)
    await expect(vrone.startDaemon({ flags: ['--bad'] })).rejects.toThrow(/ended with code 2: [^]*unknown flag --bad/)
    expect(vrone.daemonLog().match(/^up /gm)).toHaveLength(2)
    expect(await vrone.shoalJson('ls', 'a b')).toEqual({ args: ['ls', 'a b', '--json'] })
    expect(await vrone.output(['cat', '/run/docker.pid'])).toBe(engine)
  } finally {
    await rm(dist, { recursive: true, force: true })
  }
})

test('a lab that is kept is found again, its nodes as fresh hosts with their images', async () => {
  const options = { project: `${project}-2`, nodes: ['vrone'] } as const
  try {
    const first = await startLab({ ...options, keep: true })
    const vrone = first.node('vrone')
    const image = await vrone.loadImage('burner')
    const container = await vrone.docker.createContainer({ Image: image, Cmd: ['duty', '60', '1', '1'] })
    await container.start()
    await container.pause()
    vrone.writeFile('/var/lib/shoal/left-behind', 'x')
    await vrone.cut()
    const engine = await vrone.output(['cat', '/run/docker.pid'])
    await first[Symbol.asyncDispose]()

    const again = await startLab({ ...options, keep: true })
    expect(await again.node('vrone').output(['cat', '/run/docker.pid'])).toBe(engine)
    expect(await again.node('vrone').docker.listContainers({ all: true })).toEqual([])
    expect(await again.node('vrone').docker.listImages()).toHaveLength(1)
    expect((await again.node('vrone').run(['test', '-e', '/var/lib/shoal'])).code).toBe(1)
    expect((await again.node('vrone').run(['ping', '-c1', '-W1', again.node('vrone').ip.replace(/\d+$/, '254')])).code).toBe(0)
    await again[Symbol.asyncDispose]()
    expect(await leftovers(options.project)).toMatchObject({ containers: [expect.any(String), expect.any(String)] })
  } finally {
    await cleanUp(options.project)
  }
  expect(await leftovers(options.project)).toEqual({ containers: [], networks: [], volumes: [], rules: [] })
})
