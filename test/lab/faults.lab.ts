// What if it goes wrong in the middle? The daemon of either side dies without a word before the freeze, during the transfer, before the commit and
// after it; the cable is cut; the target's memory fills up. Whatever comes, afterwards one copy runs, with its memory, and nothing else is left.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MoveReply } from '../../daemon/api/schema/move.ts'
import type { ServiceDetail } from '../../daemon/api/schema/service.ts'
import { containerOf, containersOf } from './containers.ts'
import { eventually } from './eventually.ts'
import { labEnvironment, movesOf, serviceSeenBy, startMesh } from './mesh.ts'
import { calm, knows, moveBy, moveFolder, moveMs, namesIn, nothingLeftOn, runService, soonMs, Witness } from './moving.ts'
import type { LabNode } from './node.ts'
import { useLab } from './use-lab.ts'

const ticker = 'shoal/ticker:latest'
/** At the link's rate its memory takes some three seconds: long enough to act in the middle. */
const memoryMib = '72'
const rate = '200mbit'

const project = `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-faults`
const lab = useLab({
  project,
  nodes: ['lab3', 'vrone'],
  rate,
  limits: { lab3: { cpus: 1, memory: '2g' }, vrone: { cpus: 1, memory: '2g' } },
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

const startDaemon = (node: LabNode) => node.startDaemon({ env: { ...labEnvironment, SHOAL_NAME: node.name, ...calm } })

let count = 0
/** A ticker on lab3, and the move of it to vrone, begun. */
async function moving(): Promise<{ readonly service: ServiceDetail; readonly move: string }> {
  count += 1
  const service = await runService(lab3(), `tick-${count}`, ticker, [memoryMib])
  await witness.ticks(service.id, lab3())
  return { service, move: await lab3().output(['shoal', 'move', '-d', service.name, 'vrone']) }
}

/** Resolves when `check` sees something; looks as often as it can, since the moments are short. */
const when = (says: string, check: () => unknown) => eventually(() => Boolean(check()), { deadlineMs: moveMs, says, everyMs: 2 })

/** The moments of a move, as they show on the nodes' own disks and in the engines' events. */
const moments = {
  'the memory is on its way': (_: string) =>
    moveFolder(vrone(), 'incoming').some(move => namesIn(vrone(), `/run/shoal/incoming/${move}/images`).length > 0),
  'the target may decide': (_: string) => moveFolder(vrone(), 'restore').length + moveFolder(vrone(), 'restoring').length > 0,
  'the copy is being restored': (_: string) => moveFolder(vrone(), 'restoring').length > 0,
  'the copy runs': (service: string) =>
    witness.events(service).some(({ node, action }) => node === 'vrone' && action === 'start'),
} as const

const ended = (node: LabNode, id: string): Promise<MoveReply> =>
  eventually(async () => (await movesOf(node)).find(move => move.id === id), {
    deadlineMs: moveMs,
    says: `${node.name} knows how the move ended`,
    until: move => move !== undefined && move.outcome !== 'running' && move.outcome !== 'unresolved',
  })

interface Ending {
  readonly service: ServiceDetail
  readonly move: string
}

/** One copy, on `home`, with its memory; both nodes say so; the records tell how; nothing is left; and it can be moved as ever. */
async function endedOn(home: LabNode, { service, move }: Ending): Promise<MoveReply> {
  const at = home.name === 'vrone' ? [lab3(), vrone()] : [lab3()]
  await witness.oneCopyWithItsMemory(service.id, home, at)
  for (const node of lab().nodes) {
    await knows(node, service.name, home)
    expect(await serviceSeenBy(node, service.name)).toMatchObject({ epoch: home.name === 'vrone' ? 2 : 1 })
    await nothingLeftOn(node)
  }
  const record = await ended(lab3(), move)
  expect(record.outcome).toBe(home.name === 'vrone' ? 'done' : 'failed')
  if (record.outcome === 'failed') {
    expect(record.error?.code).toMatch(/^MOVE_|^MESH_/)
    expect(record.error?.hint).not.toBe('')
    expect(witness.events(service.id).filter(({ node }) => node === 'vrone')).toEqual([])
  } else {
    expect(witness.events(service.id).filter(({ action }) => action === 'unpause')).toEqual([])
  }
  return record
}

const gone = async ({ name }: ServiceDetail): Promise<void> => {
  await lab3().output(['shoal', 'rm', '-f', name])
}

describe('the daemon is killed without a word, and comes back', () => {
  test.each(['lab3', 'vrone'] as const)(
    'before the freeze (%s): the image is still on its way; it never stood still',
    async name => {
      const victim = lab().node(name)
      const { id } = await runService(lab3(), `pages-${name}`, 'shoal/page-counter:latest')
      const url = async () => `http://${(await containerOf(lab3(), id)).NetworkSettings.Networks['bridge']?.IPAddress}:8080/`
      const view = async () =>
        JSON.parse(await lab3().output(['curl', '-sf', '--max-time', '2', await url()])) as { started: string; views: number }
      const before = await eventually(view, { deadlineMs: soonMs, says: 'the page is served' })
      const move = await lab3().output(['shoal', 'move', '-d', `pages-${name}`, 'vrone'])
      await eventually(() => movesOf(lab3()), {
        deadlineMs: soonMs,
        says: 'the image is on its way',
        until: moves => moves.some(record => record.id === move && record.phases.some(phase => phase.name === 'prepare')),
        everyMs: 20,
      })
      await victim.killDaemon()
      await startDaemon(victim)
      const record = await ended(lab3(), move)
      expect(record.outcome).toMatch(/^(failed|refused)$/)
      expect(record.downtimeMs).toBeNull()
      await witness.oneCopyOn(id, lab3())
      expect(witness.events(id).map(({ action }) => action)).toEqual(['start'])
      expect(await view()).toEqual({ started: before.started, views: before.views + 1 })
      expect((await vrone().docker.listImages({ all: true })).flatMap(({ RepoTags }) => RepoTags ?? [])).not.toContain(
        'shoal/page-counter:latest',
      )
      for (const node of lab().nodes) {
        await knows(node, `pages-${name}`, lab3())
        await nothingLeftOn(node)
      }
      await lab3().output(['shoal', 'rm', '-f', `pages-${name}`])
    },
  )

  test.each<{ victim: 'lab3' | 'vrone'; moment: keyof typeof moments; home: 'lab3' | 'vrone' | 'either' }>([
    { victim: 'lab3', moment: 'the memory is on its way', home: 'lab3' },
    { victim: 'vrone', moment: 'the memory is on its way', home: 'lab3' },
    { victim: 'lab3', moment: 'the target may decide', home: 'vrone' },
    { victim: 'vrone', moment: 'the target may decide', home: 'either' },
    { victim: 'vrone', moment: 'the copy is being restored', home: 'either' },
    { victim: 'lab3', moment: 'the copy runs', home: 'vrone' },
    { victim: 'vrone', moment: 'the copy runs', home: 'vrone' },
  ])('$victim, once $moment', async ({ victim, moment, home }) => {
    const { service, move } = await moving()
    await when(moment, () => moments[moment](service.id))
    await lab().node(victim).killDaemon()
    expect(witness.events(service.id).some(({ node, action }) => node === 'lab3' && action === 'pause')).toBe(true)
    await startDaemon(lab().node(victim))
    const at = home === 'either' ? await homeOf(service, move) : lab().node(home)
    const record = await endedOn(at, { service, move })
    if (victim === 'lab3' && record.outcome === 'failed') expect(record.error?.code).toBe('MOVE_RESTARTED')
    await gone(service)
  })

  /** Where the move ended, when either side may have it. */
  async function homeOf(_: ServiceDetail, move: string): Promise<LabNode> {
    return (await ended(lab3(), move)).outcome === 'done' ? vrone() : lab3()
  }

  test('both, at once, in the middle of the transfer', async () => {
    const begun = await moving()
    await when('the memory is on its way', () => moments['the memory is on its way'](begun.service.id))
    await Promise.all([lab3().killDaemon(), vrone().killDaemon()])
    await Promise.all([startDaemon(lab3()), startDaemon(vrone())])
    await endedOn(lab3(), begun)
    // It moves as ever afterwards.
    const { code, move } = await moveBy(lab3(), begun.service.name, vrone())
    expect({ code, ...move }).toMatchObject({ code: 0, outcome: 'done', error: null })
    await witness.oneCopyWithItsMemory(begun.service.id, vrone(), [lab3(), vrone()])
    await gone(begun.service)
  })
})

describe('the cable of the target is cut, and plugged in again', () => {
  test('during the transfer: within seconds the service thaws where it was', async () => {
    const begun = await moving()
    await when('the memory is on its way', () => moments['the memory is on its way'](begun.service.id))
    await vrone().cut()
    try {
      const cutAtMs = Date.now()
      await witness.saw(lab3(), begun.service.id, 'unpause')
      expect(Date.now() - cutAtMs).toBeLessThan(20_000)
    } finally {
      await vrone().heal()
    }
    await endedOn(lab3(), begun)
    await gone(begun.service)
  })

  test('after the hand-over: the source stays frozen while the target runs it, and lets go when it hears so', async () => {
    const begun = await moving()
    await when('the target may decide', () => moments['the target may decide'](begun.service.id))
    await vrone().cut()
    try {
      await witness.saw(vrone(), begun.service.id, 'start')
      await witness.ticks(begun.service.id, vrone())
      expect((await containersOf(lab3(), begun.service.id)).map(({ State }) => State.Status)).toEqual(['paused'])
      expect((await movesOf(lab3())).find(({ id }) => id === begun.move)?.outcome).toMatch(/running|unresolved/)
    } finally {
      await vrone().heal()
    }
    await endedOn(vrone(), begun)
    await gone(begun.service)
  })
})

test('the memory of the target fills up during the transfer: a typed error, and the service thaws where it was', async () => {
  const { service, move } = await moving()
  await when('the memory is on its way', () => moments['the memory is on its way'](service.id))
  await vrone().output(['mount', '-o', 'remount,size=32m', '/run'])
  try {
    const record = await endedOn(lab3(), { service, move })
    expect(record.error).toMatchObject({
      code: expect.stringMatching(/MOVE_NO_ROOM|MOVE_DAMAGED|MOVE_ENGINE_FAILED/),
      hint: expect.stringMatching(/\w/),
    })
  } finally {
    await vrone().output(['mount', '-o', 'remount,size=50%', '/run'])
  }
  await gone(service)
})
