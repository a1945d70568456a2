// The stop-copy move between two real engines, before any mesh: mover, driver, shim, engine and protocol are the real ones, the nodes know each
// other by address (stop-copy-node.ts). The ticker says what was lost: its number lives in memory only, its counter has no gap.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { request } from 'node:http'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { criuConfigLines } from '../../migrate/checkpoint/criu-config.ts'
import type { JournalEntry } from '../../migrate/journal.ts'
import type { MoveRecord } from '../../migrate/move-record.ts'
import { eventually } from './eventually.ts'
import type { LabNode } from './node.ts'
import { makeDist } from './stop-copy-dist.ts'
import { useLab } from './use-lab.ts'

type Name = 'lab3' | 'vrone'

const dist = await makeDist()
afterAll(() => rm(dist, { recursive: true, force: true }))
const lab = useLab({
  project: `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-move`,
  nodes: ['lab3', 'vrone'],
  dist,
  keep: false,
  limits: { lab3: { cpus: 1, memory: '2g' } },
})
const node = (name: Name): LabNode => lab().node(name)
const other = (name: Name): Name => (name === 'lab3' ? 'vrone' : 'lab3')

/** A request to the mover of a node. */
function ask<T>(name: Name, path: string, body: unknown = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: node(name).path('/run/stop-copy.sock'), path, method: 'POST' }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as T)
        else reject(new Error(text))
      })
    })
    call.on('error', reject)
    call.end(JSON.stringify(body))
  })
}

/** Starts the mover in a node, as a process of the node; resolves when it answers. */
async function startMover(name: Name): Promise<void> {
  const peer = other(name)
  const words = `echo $$ > /run/mover.pid; exec /usr/lib/shoal/node /usr/lib/shoal/stop-copy-node.mjs ${name} ${peer}=${node(peer).ip}`
  await node(name).run(['rm', '-f', '/run/stop-copy.sock'])
  const child = spawn('docker', ['exec', '-d', `${lab().project}-${name}`, 'sh', '-c', `${words} >> /var/log/shoal.log 2>&1`], {
    stdio: 'ignore',
  })
  await new Promise(resolve => child.once('close', resolve))
  await eventually(() => ask(name, '/probe'), { deadlineMs: 60_000, says: `the mover of ${name} answers` })
}
const killMover = (name: Name) => node(name).run(['sh', '-c', 'kill -9 $(cat /run/mover.pid)'])

interface Line {
  readonly number: string
  readonly counter: number
  readonly ms: number
}

/** Every line the ticker has written into the log of a container. */
async function ticks(name: Name, id: string): Promise<Line[]> {
  const text = await node(name).output(['docker', 'logs', id])
  return text.split('\n').map(line => {
    const [number = '', counter, ms] = line.split(' ')
    return { number, counter: Number(counter), ms: Number(ms) }
  })
}

interface Copy {
  readonly node: Name
  readonly id: string
  readonly state: string
}

async function copies(): Promise<Copy[]> {
  const all = await Promise.all(
    (['lab3', 'vrone'] as const).map(async name => {
      const lines = await node(name).output(['docker', 'ps', '-a', '--no-trunc', '--format', '{{.ID}} {{.State}}'])
      return lines
        .split('\n')
        .filter(Boolean)
        .map(line => ({ node: name, id: line.split(' ')[0] ?? '', state: line.split(' ')[1] ?? '' }))
    }),
  )
  return all.flat()
}

interface Started {
  readonly id: string
  readonly number: string
}

/** Runs the ticker on lab3, known to its mover as service `svc-1`. */
async function startTicker(args: readonly string[] = ['64'], tty = false): Promise<Started> {
  const image = await node('lab3').loadImage('ticker')
  const container = await node('lab3').docker.createContainer({
    Image: image,
    Cmd: [...args],
    Tty: tty,
    Hostname: 'ticker-home',
    HostConfig: { Sysctls: { 'net.core.somaxconn': '200' } },
  })
  await container.start()
  const spec = { name: 'ticker', type: 'stateful', image, args, env: [], restart: 'no', tty }
  const record = { id: 'svc-1', spec, owner: 'lab3', epoch: 1, counter: 1, state: 'running', reason: '', deleted: false }
  await ask('lab3', '/adopt', { record, containerId: container.id })
  const lines = await eventually(() => ticks('lab3', container.id), {
    deadlineMs: 20_000,
    says: 'the ticker ticks',
    until: all => all.length > 20,
  })
  return { id: container.id, number: lines[0]?.number ?? '' }
}

const move = (from: Name): Promise<MoveRecord> => ask(from, '/move', { service: 'svc-1', candidates: [other(from)] })

/** One running copy in all, which goes on with this number and, from where it came, without a gap. */
async function expectOneCopy(number: string): Promise<Copy & { readonly lines: readonly Line[] }> {
  const copy = await eventually(copies, {
    deadlineMs: 60_000,
    says: 'one copy is left, and it runs',
    until: all => all.length === 1 && all[0]?.state === 'running',
  }).then(all => all[0])
  if (copy === undefined) throw new Error('no copy')
  const before = (await ticks(copy.node, copy.id)).length
  const lines = await eventually(() => ticks(copy.node, copy.id), {
    deadlineMs: 20_000,
    says: 'it ticks on',
    until: all => all.length > before + 20,
  })
  expect(new Set(lines.map(line => line.number))).toEqual(new Set([number]))
  const gaps = lines.filter((line, index) => index > 0 && line.counter !== (lines[index - 1]?.counter ?? 0) + 1)
  expect(gaps).toEqual([])
  return { ...copy, lines }
}

beforeEach(async () => {
  for (const name of ['lab3', 'vrone'] as const) {
    await killMover(name)
    await node(name).reset()
    await node(name).run(['rm', '-rf', '/var/lib/stop-copy', '/run/shoal'])
    node(name).writeFile('/etc/criu/runc.conf', `${criuConfigLines.join('\n')}\n`)
    node(name).writeFile('/etc/docker/daemon.json', '{"runtimes":{"shoal":{"path":"/usr/lib/shoal/shoal-runtime"}}}')
    await node(name).output(['sh', '-c', 'kill -HUP $(cat /run/docker.pid)'])
    await startMover(name)
  }
})

test('a service moves there and back with its memory, its counter without a gap, and one copy is left', async () => {
  const { id, number } = await startTicker()
  const there = await move('lab3')
  expect(there).toMatchObject({ outcome: 'done', error: null, from: 'lab3', to: 'vrone', mode: 'stop-copy' })
  const onVrone = await expectOneCopy(number)
  expect(onVrone).toMatchObject({ node: 'vrone' })
  expect(onVrone.lines[0]?.counter).toBeGreaterThan(20)
  // The image was on lab3 alone: it went along.
  expect(there.bytes.image).toBeGreaterThan(500_000)
  expect(there.bytes.checkpoint).toBeGreaterThan(64 * 1024 * 1024)
  expect(there.downtimeMs).toBeGreaterThan(0)
  expect(there.downtimeMs).toBeLessThan(there.totalMs ?? 0)

  const back = await move('vrone')
  expect(back).toMatchObject({ outcome: 'done', error: null })
  // The layers were known by now.
  expect(back.bytes.image).toBe(0)
  const home = await expectOneCopy(number)
  expect(home).toMatchObject({ node: 'lab3' })
  expect(home.id).not.toBe(id)
  expect(home.lines[0]?.counter).toBeGreaterThan(onVrone.lines.at(-1)?.counter ?? 0)
})

test('the downtime the nodes measure is the gap the ticker shows, within the stated error and its own period', async () => {
  const { id, number } = await startTicker(['16'])
  const output = await node('lab3').docker.getContainer(id).logs({ stdout: true, follow: true })
  let text = ''
  output.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const record = await move('lab3')
  const copy = await expectOneCopy(number)
  const lastMs = Number([...text.matchAll(/[0-9a-f]{32} \d+ (\d{13})/g)].at(-1)?.[1])
  const gapMs = (copy.lines[0]?.ms ?? 0) - lastMs
  expect(Math.abs(gapMs - (record.downtimeMs ?? Number.NaN))).toBeLessThan((record.errorMs ?? 0) + 60)
})

test('every page of the memory is right at the target', async () => {
  const { number } = await startTicker(['8', '1'])
  expect(await move('lab3')).toMatchObject({ outcome: 'done' })
  const { lines, id } = await expectOneCopy(number)
  const first = lines[0]?.counter ?? 0
  // 2048 pages, one checked each tick: a wrong one ends the program with "BAD page".
  const all = await eventually(() => ticks('vrone', id), {
    deadlineMs: 30_000,
    says: 'each page was checked',
    until: seen => (seen.at(-1)?.counter ?? 0) > first + 2048,
  })
  expect(all.every(line => line.number === number)).toBe(true)
})

test('what was written, deleted and set in the container is there at the target', async () => {
  const { id, number } = await startTicker()
  const pid = await node('lab3').output(['docker', 'inspect', '-f', '{{.State.Pid}}', id])
  await node('lab3').output([
    'sh',
    '-ec',
    `cd /proc/${pid}/root; mkdir data; echo kept > data/note; chmod 640 data/note; truncate -s 100M data/hole`,
  ])
  expect(await move('lab3')).toMatchObject({ outcome: 'done' })
  const copy = await expectOneCopy(number)
  const there = await node('vrone').output([
    'docker',
    'inspect',
    '-f',
    '{{.State.Pid}} {{.Config.Hostname}} {{.HostConfig.Runtime}}',
    copy.id,
  ])
  const [pidThere = '', hostname, runtime] = there.split(' ')
  expect({ hostname, runtime }).toEqual({ hostname: 'ticker-home', runtime: 'shoal' })
  expect(
    await node('vrone').output([
      'sh',
      '-ec',
      `cd /proc/${pidThere}/root/data; cat note; stat -c '%a %s' note hole; du -k hole | cut -f1`,
    ]),
  ).toBe('kept\n640 5\n644 104857600\n0')
  // The engine's own default, which CRIU does not restore.
  const port = ['nsenter', '-t', pidThere, '-n', 'cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start']
  expect(await node('vrone').output(port)).toBe('0')
})

test('a service that moved can be stopped, with its own handler, and started afresh', async () => {
  const { number } = await startTicker()
  await move('lab3')
  const { id } = await expectOneCopy(number)
  await node('vrone').output(['docker', 'stop', id])
  expect(await node('vrone').output(['docker', 'inspect', '-f', '{{.State.ExitCode}}', id])).toBe('7')
  await node('vrone').output(['docker', 'start', id])
  const lines = await eventually(() => ticks('vrone', id), {
    deadlineMs: 10_000,
    says: 'a new life',
    until: all => all.at(-1)?.number !== number,
  })
  expect(lines.at(-1)?.number).toMatch(/^[0-9a-f]{32}$/)
})

test('a service with a terminal is refused before anything freezes, and runs on', async () => {
  const { id } = await startTicker(['16'], true)
  const record = await move('lab3')
  expect(record).toMatchObject({
    outcome: 'failed',
    error: { code: 'OBSTACLE_TERMINAL', hint: 'start it without -t' },
    downtimeMs: null,
  })
  expect(await copies()).toEqual([{ node: 'lab3', id, state: 'running' }])
})

/** Runs the thesis's page counter on lab3 as service `svc-1`. */
async function startPages(securityOptions: readonly string[] = []): Promise<string> {
  const image = await node('lab3').loadImage('page-counter')
  const container = await node('lab3').docker.createContainer({ Image: image, HostConfig: { SecurityOpt: [...securityOptions] } })
  await container.start()
  const spec = { name: 'pages', type: 'stateful', image, args: [], env: [], restart: 'no', tty: false }
  const record = { id: 'svc-1', spec, owner: 'lab3', epoch: 1, counter: 1, state: 'running', reason: '', deleted: false }
  await ask('lab3', '/adopt', { record, containerId: container.id })
  await eventually(() => page('lab3', container.id), { deadlineMs: 20_000, says: 'the page is served' })
  return container.id
}

/** The page as a browser on that node gets it. */
async function page(name: Name, id: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
  const address = await node(name).output(['docker', 'inspect', '-f', format, id])
  return node(name).output(['curl', '-sSf', '--max-time', '2', `http://${address}:8080/`])
}

test("the thesis's page counter counts on where it was, under its new address", async () => {
  const id = await startPages()
  const before = await page('lab3', id)
  expect(await move('lab3')).toMatchObject({ outcome: 'done', error: null })
  const [copy] = await copies()
  const after = await eventually(() => page('vrone', copy?.id ?? ''), { deadlineMs: 10_000, says: 'the page is served' })
  const counted = (text: string) => JSON.parse(text) as { started: string; views: number }
  expect(counted(after)).toEqual({ started: counted(before).started, views: counted(before).views + 1 })
})

test('a service that uses io_uring is refused before anything freezes, and runs on', async () => {
  const id = await startPages(['seccomp=unconfined'])
  expect(await move('lab3')).toMatchObject({ outcome: 'failed', error: { code: 'OBSTACLE_IO_URING' }, downtimeMs: null })
  expect(await copies()).toEqual([{ node: 'lab3', id, state: 'running' }])
  expect(await page('lab3', id)).toMatch(/\d/)
})

test('a target without room for the memory refuses with the figures, and the service runs on', async () => {
  await node('vrone').output(['mount', '-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', '/run/shoal'])
  try {
    const { number } = await startTicker(['64'])
    const record = await move('lab3')
    expect(record).toMatchObject({ outcome: 'refused', refusals: [{ node: 'vrone', code: 'MOVE_NO_ROOM' }] })
    expect(record.error?.what).toMatch(/\d+ MiB.* are left in \/run\/shoal/)
    expect(await expectOneCopy(number)).toMatchObject({ node: 'lab3' })
  } finally {
    await node('vrone').output(['umount', '/run/shoal'])
  }
})

test('a service whose image is gone from its node is refused, and runs on', async () => {
  const { number } = await startTicker()
  await node('lab3').output(['docker', 'rmi', '-f', 'shoal/ticker:latest'])
  expect(await move('lab3')).toMatchObject({ outcome: 'failed', error: { code: 'MOVE_IMAGE_MISSING' } })
  expect(await expectOneCopy(number)).toMatchObject({ node: 'lab3' })
})

test('a target that is not there is said so, and the service runs on', async () => {
  const { number } = await startTicker()
  await killMover('vrone')
  expect(await move('lab3')).toMatchObject({ outcome: 'refused', refusals: [{ node: 'vrone' }] })
  expect(await expectOneCopy(number)).toMatchObject({ node: 'lab3' })
})

const steps = async (name: Name): Promise<string[]> => {
  const entries = await ask<JournalEntry[]>(name, '/journal').catch(() => [])
  return entries.map(entry => `${entry.side} ${entry.step}`)
}
const journalHolds = (name: Name, step: string): boolean => {
  const [side, word] = step.split(' ')
  const path = node(name).path('/var/lib/stop-copy/journal')
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  return lines.some(line => line.includes(`"side":"${side}"`) && line.includes(`"step":"${word}"`))
}

describe('the daemon is killed without a word in the middle of a move, and comes back: one copy runs, with its memory', () => {
  test.each<{ who: Name; when: string; at: Name; ends: Name | 'either' }>([
    { who: 'lab3', when: 'source offered', at: 'lab3', ends: 'lab3' },
    { who: 'lab3', when: 'source freezing', at: 'lab3', ends: 'lab3' },
    { who: 'lab3', when: 'source handed-over', at: 'lab3', ends: 'either' },
    { who: 'lab3', when: 'target committed', at: 'vrone', ends: 'vrone' },
    { who: 'vrone', when: 'target reserved', at: 'vrone', ends: 'lab3' },
    { who: 'vrone', when: 'source freezing', at: 'lab3', ends: 'lab3' },
    { who: 'vrone', when: 'target starting', at: 'vrone', ends: 'either' },
    { who: 'vrone', when: 'target committed', at: 'vrone', ends: 'vrone' },
  ])('$who dies once "$when" stands in the journal of $at', async ({ who, when, at, ends }) => {
    const { number } = await startTicker()
    const moving = move('lab3').catch(() => undefined)
    await eventually(() => journalHolds(at, when), { deadlineMs: 30_000, says: `${when} is in the journal`, everyMs: 2 })
    await killMover(who)
    await startMover(who)
    await moving
    const copy = await expectOneCopy(number)
    if (ends !== 'either') expect(copy.node).toBe(ends)
    // The registry's word follows the copy.
    const owned = await ask<{ record: { owner: string; epoch: number } }[]>(copy.node, '/owned')
    expect(owned.at(-1)?.record).toMatchObject({ owner: copy.node, epoch: copy.node === 'lab3' ? 1 : 2 })
    expect((await steps('lab3')).filter(step => step.startsWith('source'))).toEqual([])
  })
})
