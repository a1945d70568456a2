// What the mesh promises without any configuration, on four engines with a daemon each: it finds its neighbours, lets in who may come in and
// nobody else, shows every node to every other, and its daemons may come and go without a service noticing. The tests tell one story, in order.

import { expect, test } from 'vitest'
import type { ExplainReply } from '../../daemon/api/schema/move.ts'
import type { NodeReply, WaitingReply } from '../../daemon/api/schema/node.ts'
import type { ServiceDetail, ServiceReply } from '../../daemon/api/schema/service.ts'
import type { ProfileReply } from '../../daemon/api/schema/strategy.ts'
import { containerOf, identityOf } from './containers.ts'
import { eventually } from './eventually.ts'
import { meshUpMs, nodeLimits } from './limits.ts'
import { everyoneSeesEveryone, nodesSeenBy, servicesSeenBy, startNodeDaemon as startDaemonOf, statusOf } from './mesh.ts'
import type { LabNode } from './node.ts'
import type { NodeName } from './settings.ts'
import { useLab } from './use-lab.ts'

/** The threshold is the usual one, but a node is not called red before it was busy for a minute: nothing moves in the middle of a test. */
const startNodeDaemon = (node: LabNode, env: Readonly<Record<string, string>> = {}) =>
  startDaemonOf(node, { SHOAL_SMOOTHING_SAMPLES: '60', ...env })

const lab = useLab({ project: `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-mesh` })
const at = (name: NodeName): LabNode => lab().node(name)

/** What one test leaves for the next: the story goes on. */
const story = { meshId: '', usedToken: '', early: '', stays: '' }

/** Waits until `node` is a member of a mesh, with `peers` others. */
const memberWith = (node: LabNode, peers: number) =>
  eventually(() => statusOf(node), {
    deadlineMs: meshUpMs,
    says: `${node.name} is in a mesh with ${peers} others`,
    until: status => status.mesh.phase === 'member' && status.peers === peers,
  })

async function asSeen(viewer: LabNode, name: NodeName): Promise<NodeReply> {
  const found = (await nodesSeenBy(viewer)).find(node => node.name === name)
  if (found === undefined) throw new Error(`${viewer.name} sees no ${name}`)
  return found
}

/** Waits until everybody but `name` itself sees it in `state`. */
const othersSee = (name: NodeName, state: NodeReply['state']) =>
  Promise.all(
    lab()
      .nodes.filter(node => node.name !== name)
      .map(viewer =>
        eventually(() => asSeen(viewer, name), {
          deadlineMs: meshUpMs,
          says: `${viewer.name} sees ${name} ${state}`,
          until: node => node.state === state,
        }),
      ),
  )

/** A member whose record lets it admit others. */
async function sponsor(...among: readonly NodeName[]): Promise<LabNode> {
  for (const name of among) if ((await asSeen(at(name), name)).mayAdmit) return at(name)
  throw new Error(`none of ${among.join(', ')} may admit`)
}

async function invite(from: LabNode, ...flags: readonly string[]): Promise<string> {
  const answer = (await from.shoalJson('invite', ...flags)) as { readonly token: string }
  return answer.token
}

/** `--json` goes first: what follows the image is the program's. */
const run = async (node: LabNode, ...args: readonly string[]) =>
  JSON.parse(await node.output(['shoal', 'run', '--json', ...args])) as ServiceDetail

test('two fresh nodes of one LAN become one mesh by mDNS alone: no click, no token, no configuration', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  await Promise.all([startNodeDaemon(lab3), startNodeDaemon(vrone)])
  const [one, other] = await Promise.all([memberWith(lab3, 1), memberWith(vrone, 1)])
  expect(one.mesh.id).toMatch(/^[0-9a-f]{20}$/)
  expect(other.mesh.id).toBe(one.mesh.id)
  expect([one.mesh.via, other.mesh.via].toSorted()).toEqual(['founder', 'window'])
  expect(await asSeen(lab3, 'vrone')).toMatchObject({ self: false, heardByMdns: true })
  expect(await asSeen(vrone, 'lab3')).toMatchObject({ self: false, heardByMdns: true })
  story.meshId = one.mesh.id ?? ''
})

test('who came in by the window may not admit others, and is told so, until a person confirms it', async () => {
  const founder = await sponsor('lab3', 'vrone')
  const guest = founder.name === 'lab3' ? at('vrone') : at('lab3')
  expect(await asSeen(founder, guest.name)).toMatchObject({ via: 'window', mayAdmit: false })
  const refused = await guest.shoal('invite')
  expect(refused).toMatchObject({ code: 5, stdout: '' })
  expect(refused.stderr).toMatch(/shoal: .+\n {2}.+/)
  expect(await founder.shoal('approve', guest.name)).toMatchObject({ code: 0, stdout: `${guest.name}\n` })
  await eventually(() => asSeen(guest, guest.name), {
    deadlineMs: meshUpMs,
    says: `${guest.name} may admit now`,
    until: ({ mayAdmit }) => mayAdmit,
  })
  expect((await guest.shoal('invite', '--ttl', '2s')).code).toBe(0)
})

test('a node that hears nobody founds a mesh of its own, and a token takes it over into the other', async () => {
  const lab4 = at('lab4')
  await startNodeDaemon(lab4)
  const alone = await memberWith(lab4, 0)
  expect(alone.mesh).toMatchObject({ via: 'founder' })
  expect(alone.mesh.id).not.toBe(story.meshId)

  const lab3 = at('lab3')
  const early = await run(lab3, '--name', 'early', '--cpu', '0.05', await lab3.loadImage('ticker'), '8', '50')
  await lab3.output(['shoal', 'profile', 'set', 'anything:1', '--cpu', '10%', '--ram', '64Mi'])
  story.early = early.id

  story.usedToken = await invite(await sponsor('lab3', 'vrone'))
  const joined = await lab4.shoal('join', story.usedToken)
  expect(joined).toMatchObject({ code: 0, stdout: `${story.meshId}\n` })
  expect((await memberWith(lab4, 2)).mesh).toMatchObject({ id: story.meshId, via: 'token' })
})

test('a token that was used is refused with a clear line, and the node stays where it was', async () => {
  const mec = at('mec')
  await startNodeDaemon(mec)
  const { mesh } = await memberWith(mec, 0)
  const used = await mec.shoal('join', story.usedToken)
  expect(used).toMatchObject({ code: 5, stdout: '' })
  expect(used.stderr).toMatch(/it was used[^]*shoal invite/)
  expect((await statusOf(mec)).mesh.id).toBe(mesh.id)
})

test('a token that nobody made, or that is none, is refused, each with its reason', async () => {
  const mec = at('mec')
  const forged = story.usedToken.replace(/^(shoal1-[0-9a-f]+-)[0-9a-f]{8}/, '$100000000')
  expect(forged).not.toBe(story.usedToken)
  const wrong = await mec.shoal('join', forged)
  expect(wrong.code).toBe(5)
  expect(wrong.stderr).toMatch(/no such token[^]*shoal invite/)
  const nonsense = await mec.shoal('join', 'open-sesame')
  expect(nonsense.code).toBe(2)
  expect(nonsense.stderr).toMatch(/no token[^]*copy the whole line/)
  expect((await statusOf(mec)).peers).toBe(0)
})

test('any member that may admit invites, also one that came by a token; a late joiner gets services and profiles', async () => {
  const [lab4, mec] = [at('lab4'), at('mec')]
  expect(await asSeen(lab4, 'lab4')).toMatchObject({ via: 'token', mayAdmit: true })
  const invitation = await invite(lab4, '--role', 'cloud', '--ttl', '10m')
  const from = performance.now()
  await mec.output(['shoal', 'join', invitation])
  await everyoneSeesEveryone(lab())
  // mec has spoken to another member before, as a stranger: that must not keep the two apart now.
  expect(performance.now() - from).toBeLessThan(8_000)
  expect(await asSeen(at('vrone'), 'mec')).toMatchObject({ role: 'cloud', via: 'token' })
  for (const late of [lab4, mec]) {
    await eventually(() => servicesSeenBy(late), {
      deadlineMs: meshUpMs,
      says: `${late.name} knows the service that ran before it came`,
      until: services => services.some(service => service.name === 'early' && service.node === 'lab3'),
    })
    const { profiles } = (await late.shoalJson('profile', 'ls')) as { profiles: ProfileReply[] }
    expect(profiles).toContainEqual({ match: 'anything:1', cpu: '10%', ram: '64Mi', gpu: null, usedBy: 0 })
  }
})

test('every node sees every other: its load, its own limits as capacity, its network, and how old that is', async () => {
  const bytes = (memory: string) => Number.parseInt(memory, 10) * 1024 ** 3
  for (const viewer of lab().nodes) {
    const seen = await eventually(() => nodesSeenBy(viewer), {
      deadlineMs: meshUpMs,
      says: `${viewer.name} has fresh reports of all`,
      until: nodes => nodes.length === 4 && nodes.every(({ ageMs, state }) => ageMs < 5_000 && state === 'green'),
    })
    for (const { name, capacity, load, self, addresses } of seen) {
      const limits = nodeLimits[name as NodeName]
      expect({ name, cores: capacity?.cores, ramBytes: capacity?.ramBytes, gpus: capacity?.gpus }).toEqual({
        name,
        cores: limits.cpus,
        ramBytes: bytes(limits.memory),
        gpus: 0,
      })
      expect(load?.cpuPct).toBeGreaterThanOrEqual(0)
      expect(load?.ramPct).toBeGreaterThan(0)
      expect(self).toBe(name === viewer.name)
      expect(addresses.join(' ')).toContain(at(name as NodeName).ip)
    }
    const networkOf = (name: NodeName) => seen.find(node => node.name === name)?.network
    expect(networkOf('lab3')).toBe(networkOf('vrone'))
    expect(new Set([networkOf('lab3'), networkOf('lab4'), networkOf('mec')]).size).toBe(3)
  }
})

test('`shoal node ls` and `status` say the same to a person', async () => {
  const mec = at('mec')
  const table = await mec.output(['shoal', 'node', 'ls'])
  expect(table.split('\n')[0]).toMatch(/^NAME +ROLE +STATE +CPU +RAM +GPU +SERVICES/)
  expect(table).toMatch(/^mec \* +cloud +green /m)
  for (const name of ['lab3', 'vrone', 'lab4']) expect(table).toMatch(new RegExp(`^${name} +edge +green +.*none`, 'm'))
  expect(await mec.output(['shoal', 'status'])).toMatch(new RegExp(`^mesh ${story.meshId.slice(0, 12)} · mec · 3 peers`))
  expect(await mec.shoal('node', 'inspect', 'nobody')).toMatchObject({ code: 3, stdout: '' })
})

test('`explain` and `move --dry-run` name every candidate and every reason, from any node, and move nothing', async () => {
  const before = identityOf(await containerOf(at('lab3'), story.early))
  const plan = await eventually(() => at('mec').shoalJson('explain', 'early') as Promise<ExplainReply>, {
    deadlineMs: meshUpMs,
    says: 'the owner has measured the service',
  })
  expect(plan).toMatchObject({ service: 'early', node: 'lab3', strategy: 'algorithm-1', mode: 'stop-copy' })
  expect(plan.candidates.map(({ node }) => node)).toEqual(['vrone', 'lab4', 'mec'])
  expect(plan.candidates[0]?.because).toMatch(/cpu [\d.]+ \+ 5 = [\d.]+ < 50/)
  expect(plan.candidates[2]?.because).toMatch(/last resort/)
  expect(plan.verdict).toMatchObject({ kind: 'move', to: 'vrone' })

  const dry = await at('vrone').shoal('move', 'early', 'lab4', '--dry-run')
  expect(dry.code).toBe(0)
  expect(dry.stdout).toMatch(/^verdict: +to lab4: /m)
  const whole = await at('vrone').shoal('move', 'early', '--dry-run')
  expect(whole.stdout).toMatch(/CANDIDATE +TIER +SCORE +BECAUSE\nvrone +0 /)
  expect(identityOf(await containerOf(at('lab3'), story.early))).toEqual(before)
})

test('a strategy is chosen per node, kept over a restart, and what is unknown is refused with what there is', async () => {
  const lab3 = at('lab3')
  expect(await lab3.shoalJson('strategy', 'get')).toMatchObject({ name: 'algorithm-1', exact: true, origin: 'preset lab' })
  expect((await lab3.shoal('strategy', 'set', 'algorithm-2')).code).toBe(0)
  expect(await at('mec').shoalJson('explain', 'early')).toMatchObject({ strategy: 'algorithm-2' })
  const wrong = await lab3.shoal('strategy', 'set', 'algorithm-3')
  expect(wrong.code).toBe(2)
  expect(wrong.stderr).toMatch(/algorithm-3[^]*algorithm-1/)
  expect(await at('vrone').shoalJson('strategy', 'get')).toMatchObject({ name: 'algorithm-1' })
  await lab3.stopDaemon()
  await startNodeDaemon(lab3)
  expect(await lab3.shoalJson('strategy', 'get')).toMatchObject({ name: 'algorithm-2', origin: 'set' })
  await lab3.output(['shoal', 'strategy', 'set', 'algorithm-1'])
  await everyoneSeesEveryone(lab())
})

test('SIGTERM is announced as leaving, and the services run on without the daemon', async () => {
  const vrone = at('vrone')
  const { id } = await run(vrone, '--name', 'stays', '--cpu', '0.05', await vrone.loadImage('ticker'), '8', '50')
  story.stays = id
  const before = identityOf(await containerOf(vrone, id))
  expect(before.running).toBe(true)
  expect(await vrone.stopDaemon()).toBe(0)
  await othersSee('vrone', 'leaving')
  expect(identityOf(await containerOf(vrone, id))).toEqual(before)
  const { services } = (await at('lab4').shoalJson('ls')) as { services: ServiceReply[] }
  expect(services).toContainEqual(expect.objectContaining({ name: 'stays', node: 'vrone', state: 'running', epoch: 1 }))
})

test('a restarted daemon is a member again by itself, and its containers were not touched', async () => {
  const vrone = at('vrone')
  const before = identityOf(await containerOf(vrone, story.stays))
  await startNodeDaemon(vrone)
  await othersSee('vrone', 'green')
  expect((await memberWith(vrone, 3)).mesh.id).toBe(story.meshId)
  await everyoneSeesEveryone(lab())
  expect(identityOf(await containerOf(vrone, story.stays))).toEqual(before)
  expect(await at('mec').shoalJson('inspect', 'stays')).toMatchObject({ id: story.stays, state: 'running', epoch: 1 })
})

test('a daemon that dies without a word is seen as lost, is asked nothing, and comes back as it was', async () => {
  const vrone = at('vrone')
  const before = identityOf(await containerOf(vrone, story.stays))
  await vrone.killDaemon('SIGKILL')
  await othersSee('vrone', 'lost')
  const refused = await at('lab4').shoal('stop', 'stays')
  expect(refused.code).toBe(4)
  expect(refused.stderr).toMatch(/vrone has sent no sign of life for \d+ s/)
  expect(identityOf(await containerOf(vrone, story.stays))).toEqual(before)
  await startNodeDaemon(vrone)
  await everyoneSeesEveryone(lab())
  expect(identityOf(await containerOf(vrone, story.stays))).toEqual(before)
})

/** A mesh of lab3 alone, with a service so that it stays; vrone is a fresh host beside it. */
async function anewOnLanA(env: Readonly<Record<string, string>>): Promise<void> {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  await Promise.all(lab().nodes.map(node => node.stopDaemon()))
  await Promise.all([lab3.reset(), vrone.reset()])
  await startNodeDaemon(lab3, env)
  await memberWith(lab3, 0)
  await run(lab3, '--name', 'anchor', '--cpu', '0.05', await lab3.loadImage('ticker'), '4', '50')
  await startNodeDaemon(vrone)
}

const waitingAt = (node: LabNode) =>
  eventually(async () => ((await node.shoalJson('approve')) as { waiting: WaitingReply[] }).waiting, {
    deadlineMs: meshUpMs,
    says: `${node.name} shows who waits`,
  })

test('outside the join window a node of the LAN waits, both sides say so, and `shoal approve` lets it in', async () => {
  await anewOnLanA({ SHOAL_TRUST: 'ask' })
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  expect(await waitingAt(lab3)).toMatchObject([{ name: 'vrone', role: 'edge' }])
  expect(await lab3.output(['shoal', 'status'])).toMatch(/^waiting: +1: /m)
  const waits = await eventually(() => statusOf(vrone), {
    deadlineMs: meshUpMs,
    says: 'vrone knows that it waits',
    until: ({ mesh }) => mesh.says.includes('shoal approve'),
  })
  expect(waits).toMatchObject({ peers: 0, mesh: { phase: 'waiting', id: null } })
  expect((await lab3.shoal('approve', 'nobody')).code).toBe(3)
  // What the waiting node tells its user to type is what works.
  const [, told = ''] = /`shoal approve (\S+)`/.exec(waits.mesh.says) ?? []
  expect(await lab3.shoal('approve', told)).toMatchObject({ code: 0, stdout: 'vrone\n' })
  const { mesh } = await memberWith(vrone, 1)
  expect(mesh).toMatchObject({ via: 'approval', id: (await statusOf(lab3)).mesh.id })
  expect(await asSeen(lab3, 'vrone')).toMatchObject({ via: 'approval', mayAdmit: true })
  await eventually(() => servicesSeenBy(vrone), {
    deadlineMs: meshUpMs,
    says: 'vrone has the services of its new mesh',
    until: services => services.some(({ name }) => name === 'anchor'),
  })
})

test('`windowMs` says how long the window stays open, and `shoal open` opens it again: the node that waits comes in by itself', async () => {
  await anewOnLanA({ SHOAL_WINDOW_MS: '0' })
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  expect((await statusOf(lab3)).mesh.windowOpenS).toBe(0)
  expect(await waitingAt(lab3)).toMatchObject([{ name: 'vrone' }])
  expect((await statusOf(vrone)).peers).toBe(0)
  expect((await lab3.shoal('open', '--for', '1m')).code).toBe(0)
  expect((await memberWith(vrone, 1)).mesh).toMatchObject({ via: 'window' })
  expect((await statusOf(lab3)).mesh.windowOpenS).toBeGreaterThan(0)
})

test('a removed node is out at once, is told so, and stays out though the window is open', async () => {
  const [lab3, vrone] = [at('lab3'), at('vrone')]
  const { id } = await asSeen(lab3, 'vrone')
  expect((await lab3.shoal('node', 'rm', 'nobody')).code).toBe(3)
  expect(await lab3.shoal('node', 'rm', 'vrone')).toMatchObject({ code: 0, stdout: 'vrone\n' })
  const members = async () => (await nodesSeenBy(lab3)).map(({ name }) => name)
  expect(await members()).toEqual(['lab3'])
  const isTold = (says: string) =>
    eventually(async () => (await statusOf(vrone)).mesh.says, {
      deadlineMs: meshUpMs,
      says,
      until: told => told === 'this node was removed from its mesh',
    })
  await isTold('vrone was told so')
  // It comes back, as often as it likes: it is heard on the link, and refused.
  await vrone.stopDaemon()
  await startNodeDaemon(vrone)
  await eventually(() => statusOf(vrone), {
    deadlineMs: meshUpMs,
    says: 'vrone, started again, has looked around',
    until: ({ mesh }) => mesh.phase !== 'listening',
  })
  expect((await statusOf(lab3)).mesh.windowOpenS).toBeGreaterThan(0)
  expect(await members()).toEqual(['lab3'])
  expect((await lab3.shoal('run', '--node', id, 'shoal/ticker:latest')).code).toBe(3)
})
