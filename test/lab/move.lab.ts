// `shoal move`, by whole daemons between real engines: the memory, the files, the limits and the image go along, one copy runs at any time, the
// record says what it cost; and what cannot be moved is refused with a reason, runs on where it was, and leaves nothing at the target.

import { statfs } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MoveReply } from '../../daemon/api/schema/move.ts'
import type { ServiceDetail } from '../../daemon/api/schema/service.ts'
import { containerOf, containersOf } from './containers.ts'
import { eventually } from './eventually.ts'
import { everyoneSeesEveryone, movesOf, nodesSeenBy, serviceSeenBy, startMesh, startNodeDaemon } from './mesh.ts'
import { calm, knows, moveBy, nothingLeftOn, runService, soonMs, Witness } from './moving.ts'
import type { LabNode } from './node.ts'
import { useLab } from './use-lab.ts'

const ticker = 'shoal/ticker:latest'
const pageCounter = 'shoal/page-counter:latest'
const mib = 1024 * 1024

const project = `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-moves`
const lab = useLab({
  project,
  nodes: ['lab3', 'vrone'],
  limits: { lab3: { cpus: 1, memory: '3g' }, vrone: { cpus: 1, memory: '2g' } },
})
const lab3 = (): LabNode => lab().node('lab3')
const vrone = (): LabNode => lab().node('vrone')
let witness: Witness

beforeAll(async () => {
  await lab3().loadImage('ticker')
  await lab3().loadImage('page-counter')
  await startMesh(lab(), calm)
  witness = await Witness.of(project, lab().nodes)
})
afterAll(() => witness[Symbol.asyncDispose]())

const inspectMove = async (node: LabNode, id: string) => (await node.shoalJson('moves', 'inspect', id)) as MoveReply
const imagesOf = async (node: LabNode) =>
  (await node.docker.listImages({ all: true })).map(({ Id, RepoTags }) => `${Id} ${(RepoTags ?? []).join()}`).toSorted()

describe('a ticker: a number that is only in its memory, and a count', () => {
  let service: ServiceDetail
  let there: MoveReply

  beforeAll(async () => {
    service = await runService(lab3(), 'tick', ticker, ['64'], ['--cpu', '0.2', '--ram', '10%'])
    await witness.ticks(service.id, lab3())
  })

  test('moves from where it runs, asked of another node, with its memory and its image; one copy at any time', async () => {
    await knows(vrone(), 'tick', lab3())
    const { code, move } = await moveBy(vrone(), 'tick', vrone())
    there = move
    expect({ code, ...move }).toMatchObject({ code: 0, outcome: 'done', error: null, from: 'lab3', to: 'vrone', refusals: [] })
    await witness.oneCopyWithItsMemory(service.id, vrone(), [lab3(), vrone()])
    expect(move.bytes.image).toBeGreaterThan(500_000)
    expect(move.bytes.checkpoint).toBeGreaterThan(64 * mib)
    for (const node of lab().nodes) {
      await knows(node, 'tick', vrone())
      expect(await serviceSeenBy(node, 'tick')).toMatchObject({ id: service.id, epoch: 2, args: ['64'] })
      await nothingLeftOn(node)
    }
  })

  test('the limits of its profile are in force at the target, a share of the host as that host counts', async () => {
    const { Id, HostConfig } = await containerOf(vrone(), service.id)
    const tenth = (2 * 1024 * mib) / 10
    const v1 = `/sys/fs/cgroup/memory/docker/${Id}/memory.limit_in_bytes`
    const kept = Number(await vrone().output(['sh', '-c', `cat ${v1} || cat /sys/fs/cgroup/docker/${Id}/memory.max`]))
    for (const bytes of [HostConfig.Memory, kept]) expect(Math.abs((bytes ?? 0) - tenth)).toBeLessThan(mib)
    expect((HostConfig.CpuQuota ?? 0) / (HostConfig.CpuPeriod ?? 1)).toBe(0.2)
  })

  test('what the move cost is told by both nodes: phases, bytes, frozen time with its error, total', async () => {
    const atSource = await inspectMove(lab3(), there.id)
    expect(atSource).toEqual(there)
    expect(atSource.phases.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['offer', 'prepare', 'freeze', 'checkpoint', 'transfer', 'restore', 'release']),
    )
    const { downtimeMs, errorMs, totalMs, bytes } = atSource
    expect(downtimeMs).toBeGreaterThan(0)
    expect(errorMs).toBeGreaterThan(0)
    expect(errorMs).toBeLessThan(downtimeMs ?? 0)
    expect(totalMs).toBeGreaterThan(downtimeMs ?? 0)
    expect(bytes.total).toBe(bytes.image + bytes.layer + bytes.checkpoint)
    expect(atSource.phases.reduce((sum, { ms }) => sum + ms, 0)).toBeLessThanOrEqual((totalMs ?? 0) + 50)
    const atTarget = await eventually(() => inspectMove(vrone(), there.id.slice(0, 8)), {
      deadlineMs: 5_000,
      says: 'vrone was told what lab3 has measured',
      until: move => move.downtimeMs !== null,
    })
    expect(atTarget).toMatchObject({
      phases: atSource.phases,
      downtimeMs,
      errorMs,
      totalMs,
      id: there.id,
      side: 'target',
      outcome: 'done',
      error: null,
      from: 'lab3',
      to: 'vrone',
      bytes,
    })
    for (const node of lab().nodes) {
      expect((await movesOf(node)).map(({ id }) => id)).toContain(there.id)
      expect(await node.output(['shoal', 'moves', 'ls'])).toMatch(/^\S+ +tick +lab3 +vrone +stop-copy +done .* by-hand$/m)
      expect(await node.output(['shoal', 'moves', 'inspect', there.id])).toMatch(
        /^total: +\d.*s$[^]*^bytes: +\d+.*image.*layer.*checkpoint/m,
      )
    }
  })

  test('the frozen time the nodes measured is the gap in what it printed, within the stated error and its own period', () => {
    const at = (name: string) =>
      witness.lines(service.id).flatMap(({ node, line }) => (node === name ? [Number(line.split(' ')[2])] : []))
    const gapMs = Math.min(...at('vrone')) - Math.max(...at('lab3'))
    expect(Math.abs(gapMs - (there.downtimeMs ?? Number.NaN))).toBeLessThan((there.errorMs ?? 0) + 100)
  })

  test('and back again, asked of the node it leaves: the image is there already', async () => {
    const { code, move } = await moveBy(vrone(), service.id, lab3())
    expect({ code, ...move }).toMatchObject({ code: 0, outcome: 'done', from: 'vrone', to: 'lab3', bytes: { image: 0 } })
    await witness.oneCopyWithItsMemory(service.id, lab3(), [lab3(), vrone()])
    for (const node of lab().nodes) {
      await knows(node, 'tick', lab3())
      await nothingLeftOn(node)
    }
    expect(await serviceSeenBy(vrone(), 'tick')).toMatchObject({ epoch: 3 })
  })

  test('after it moved it is stopped with its own handler, started afresh, and removed', async () => {
    expect((await vrone().shoal('stop', 'tick')).code).toBe(0)
    expect((await containerOf(lab3(), service.id)).State).toMatchObject({ Running: false, ExitCode: 7 })
    expect((await vrone().shoal('start', 'tick')).code).toBe(0)
    await witness.ticks(service.id, lab3())
    expect(new Set(witness.lines(service.id).map(({ line }) => line.split(' ')[0])).size).toBe(3) // two numbers and `term`
    expect((await vrone().shoal('rm', '-f', 'tick')).code).toBe(0)
    expect(await containersOf(lab3(), service.id)).toEqual([])
  })
})

/** The page as a browser on that node gets it. */
async function page(node: LabNode, service: string): Promise<{ readonly started: string; readonly views: number }> {
  const { NetworkSettings } = await containerOf(node, service)
  return JSON.parse(
    await node.output(['curl', '-sf', '--max-time', '2', `http://${NetworkSettings.Networks['bridge']?.IPAddress}:8080/`]),
  ) as {
    readonly started: string
    readonly views: number
  }
}
const served = (node: LabNode, service: string) =>
  eventually(() => page(node, service), { deadlineMs: soonMs, says: `${node.name} serves the page` })

/** A path inside the container of the service, as its node sees it. */
const inside = async (node: LabNode, service: string, path: string) =>
  `/proc/${(await containerOf(node, service)).State.Pid}/root${path}`

test('a Node.js server keeps its count, its address book and the files it has written', async () => {
  const { id } = await runService(lab3(), 'pages', pageCounter)
  const before = await served(lab3(), id)
  await lab3().output([
    'sh',
    '-ec',
    `cd ${await inside(lab3(), id, '/')}; mkdir data; echo kept > data/note; chmod 640 data/note; rm page-counter.mjs`,
  ])
  const { code, move } = await moveBy(lab3(), 'pages', vrone())
  expect({ code, ...move }).toMatchObject({ code: 0, outcome: 'done', error: null })
  expect(move.bytes.image).toBeGreaterThan(50 * mib)
  await witness.oneCopyOn(id, vrone())
  expect(await served(vrone(), id)).toEqual({ started: before.started, views: before.views + 1 })
  const root = await inside(vrone(), id, '')
  expect(await vrone().output(['sh', '-ec', `cat ${root}/data/note; stat -c %a ${root}/data/note; ls ${root}`])).toMatch(
    /^kept\n640\n(?![^]*page-counter\.mjs)/,
  )

  const back = await moveBy(lab3(), 'pages', lab3())
  expect(back.move).toMatchObject({ outcome: 'done', bytes: { image: 0 } })
  expect(await served(lab3(), id)).toEqual({ started: before.started, views: before.views + 2 })
  expect(await lab3().output(['cat', await inside(lab3(), id, '/data/note')])).toBe('kept')
  await lab3().output(['shoal', 'rm', '-f', 'pages'])
})

test('of an image the target has in part only the missing layers travel', async () => {
  const whole = await runService(lab3(), 'second', pageCounter)
  await served(lab3(), whole.id)
  const { move } = await moveBy(lab3(), 'second', vrone())
  expect(move).toMatchObject({ outcome: 'done', bytes: { image: 0 } })
  await lab3().output(['shoal', 'rm', '-f', 'second'])

  const draft = await lab3().docker.createContainer({ Image: pageCounter })
  await draft.start()
  await lab3().output(['sh', '-c', `head -c 300000 /dev/urandom > /proc/${(await draft.inspect()).State.Pid}/root/more`])
  await draft.commit({ repo: 'shoal/page-counter', tag: 'more' })
  await draft.remove({ force: true })
  const { id } = await runService(lab3(), 'third', 'shoal/page-counter:more')
  await served(lab3(), id)
  const third = await moveBy(lab3(), 'third', vrone())
  expect(third.move).toMatchObject({ outcome: 'done', error: null })
  expect(third.move.bytes.image).toBeGreaterThan(300_000)
  expect(third.move.bytes.image).toBeLessThan(mib)
  await served(vrone(), id)
  await lab3().output(['shoal', 'rm', '-f', 'third'])
})

describe('what cannot be moved', () => {
  /** As it was before, on lab3, with its memory; and nothing of it at the target. */
  async function runsOnAt(service: ServiceDetail, imagesBefore: readonly string[]): Promise<void> {
    await witness.oneCopyWithItsMemory(service.id, lab3(), [lab3()])
    expect(await containersOf(vrone(), service.id)).toEqual([])
    expect(await imagesOf(vrone())).toEqual(imagesBefore)
    for (const node of lab().nodes) {
      await knows(node, service.name, lab3())
      expect(await serviceSeenBy(node, service.name)).toMatchObject({ epoch: 1 })
      await nothingLeftOn(node)
    }
  }

  const gone = async (name: string): Promise<void> => {
    await lab3().output(['shoal', 'rm', '-f', name])
  }

  test('a service with a terminal is refused before it freezes', async () => {
    const { id } = await runService(lab3(), 'typed', ticker, ['4'], ['-t'])
    const before = await imagesOf(vrone())
    const { code, move } = await moveBy(lab3(), 'typed', vrone())
    expect({ code, ...move }).toMatchObject({
      code: 1,
      outcome: 'failed',
      downtimeMs: null,
      error: { code: 'OBSTACLE_TERMINAL', hint: 'start it without -t' },
    })
    await witness.oneCopyOn(id, lab3())
    expect(witness.events(id).map(({ action }) => action)).toEqual(['start'])
    expect(await imagesOf(vrone())).toEqual(before)
    await nothingLeftOn(vrone())
    await gone('typed')
  })

  test('a service that is larger than the target is refused by the target with the figures', async () => {
    const service = await runService(lab3(), 'large', ticker, ['4'], ['--ram', '2200Mi'])
    const before = await imagesOf(vrone())
    await knows(vrone(), 'large', lab3())
    const { code, move } = await moveBy(vrone(), 'large', vrone())
    expect({ code, ...move }).toMatchObject({ code: 4, outcome: 'refused', refusals: [{ node: 'vrone', code: 'ADMIT_NO_ROOM' }] })
    expect(move.refusals[0]?.message).toMatch(/ram/)
    expect(move.refusals[0]?.hint).not.toBe('')
    expect(witness.events(service.id).map(({ action }) => action)).toEqual(['start'])
    await runsOnAt(service, before)
    await gone('large')
  })

  test('a target without room for the memory where checkpoints are kept refuses with the figures', async () => {
    const service = await runService(lab3(), 'roomy', ticker, ['64'])
    await witness.ticks(service.id, lab3())
    const before = await imagesOf(vrone())
    await vrone().output(['mount', '-o', 'remount,size=48m', '/run'])
    try {
      const { code, move } = await moveBy(lab3(), 'roomy', vrone())
      expect({ code, ...move }).toMatchObject({
        code: 4,
        outcome: 'refused',
        refusals: [{ node: 'vrone', code: 'MOVE_NO_ROOM' }],
      })
      expect(move.refusals[0]?.message).toMatch(/\d+ MiB.*\d+ MiB are left in \/run\/shoal/)
      await runsOnAt(service, before)
    } finally {
      await vrone().output(['mount', '-o', 'remount,size=50%', '/run'])
    }
    await gone('roomy')
  })

  test('a writable layer that does not fit the disk of the target is refused, and the service thaws', async () => {
    const service = await runService(lab3(), 'writes', ticker, ['4'])
    await witness.ticks(service.id, lab3())
    const before = await imagesOf(vrone())
    const file = await inside(lab3(), service.id, '/large')
    // 10 GiB are left on the disk both share, then 4: too few for the 6 that were written, as files and on their way.
    const filler = '/var/lib/docker/filler'
    const { bavail, bsize } = await statfs(vrone().path('/var/lib/docker'))
    const spare = Math.max(0, bavail * bsize - 10 * 1024 * mib)
    if (spare > 0) await vrone().output(['fallocate', '-l', String(spare), filler])
    const left = Math.min(bavail * bsize, 10 * 1024 * mib)
    await lab3().output(['fallocate', '-l', String(Math.round(0.6 * left)), file])
    let moved: Awaited<ReturnType<typeof moveBy>>
    try {
      moved = await moveBy(lab3(), 'writes', vrone())
    } finally {
      await vrone().output(['rm', '-f', filler])
      await lab3().output(['rm', file])
    }
    const { code, move } = moved
    expect({ code, ...move }).toMatchObject({ code: 1, outcome: 'failed', error: { code: 'MOVE_NO_ROOM' } })
    expect(move.error?.message).toMatch(/writable layer.*bytes/)
    await runsOnAt(service, before)
    await gone('writes')
  })

  test('a service whose image is gone from its node is refused, and says how to bring it back', async () => {
    const service = await runService(lab3(), 'bare', ticker, ['4'])
    await witness.ticks(service.id, lab3())
    const before = await imagesOf(vrone())
    await lab3().output(['docker', 'rmi', '-f', ticker])
    const { code, move } = await moveBy(lab3(), 'bare', vrone())
    await lab3().loadImage('ticker')
    expect({ code, ...move }).toMatchObject({ code: 1, outcome: 'failed', error: { code: 'MOVE_IMAGE_MISSING' } })
    expect(move.error?.hint).toMatch(/load|build/)
    await runsOnAt(service, before)
    await gone('bare')
  })

  test('no such service, no such node, the node it is on already: each is said, and nothing happens', async () => {
    const service = await runService(lab3(), 'still', ticker, ['4'])
    await witness.ticks(service.id, lab3())
    const before = await imagesOf(vrone())
    const nobody = await lab3().shoal('move', 'nobody', 'vrone')
    expect(nobody).toMatchObject({ code: 3, stdout: '' })
    expect(nobody.stderr).toMatch(/nobody[^]*shoal ls/)
    const unknown = await lab3().shoal('move', 'still', 'nowhere')
    expect(unknown).toMatchObject({ code: 3, stdout: '' })
    expect(unknown.stderr).toMatch(/nowhere[^]*shoal node ls/)
    const { code, move } = await moveBy(lab3(), 'still', lab3())
    expect({ code, ...move }).toMatchObject({ code: 4, outcome: 'refused', error: { code: 'MOVE_NO_CANDIDATE' } })
    await runsOnAt(service, before)
    await gone('still')
  })

  test('a target that cannot restore memory refuses a stateful service', async () => {
    const service = await runService(lab3(), 'memory', ticker, ['4'])
    await witness.ticks(service.id, lab3())
    await vrone().stopDaemon()
    await startNodeDaemon(vrone(), { ...calm, SHOAL_STATELESS_ONLY: 'true' })
    await everyoneSeesEveryone(lab())
    await eventually(() => nodesSeenBy(lab3()), {
      deadlineMs: soonMs,
      says: 'lab3 knows that vrone restores no memory',
      until: nodes => nodes.some(node => node.name === 'vrone' && node.capability?.shim === false),
    })
    const before = await imagesOf(vrone())
    const { code, move } = await moveBy(lab3(), 'memory', vrone())
    expect({ code, ...move }).toMatchObject({ code: 4, outcome: 'refused', refusals: [{ node: 'vrone' }] })
    expect(move.refusals[0]?.code).toMatch(/MOVE_MODE_UNAVAILABLE|ADMIT_CAPABILITY/)
    expect(move.refusals[0]?.hint).toMatch(/shoal (doctor|setup)/)
    await runsOnAt(service, before)
    await gone('memory')
  })
})
