import { expect, test } from 'vitest'
import type { LoadReport } from '../gossip/mesh.ts'
import type { MoveRecord } from '../migrate/move-record.ts'
import { lab, lan, type PlacementSettings } from '../placement/presets.ts'
import { seeded } from '../placement/seeded.ts'
import { capability, capacity, cloudNode, node, vec } from '../placement/test-mesh.ts'
import type { NodeView, Profile, Role, ServiceRecord, ServiceState } from '../placement/view.ts'
import { ControlLoop } from './control-loop.ts'
import { OwnLoad, type OwnSample } from './own-load.ts'

type Order = Parameters<ConstructorParameters<typeof ControlLoop>[0]['mover']['move']>[0]

function virtualClock() {
  let now = 0
  const timers: { at: number; run: () => void }[] = []
  return {
    now: () => now,
    wallNow: () => now,
    after(ms: number, run: () => void) {
      const timer = { at: now + ms, run }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0)
    },
    timers,
    set(ms: number) {
      now = ms
      for (const due of timers.filter(timer => timer.at <= now)) {
        timers.splice(timers.indexOf(due), 1)
        due.run()
      }
    },
  }
}

const record = (name: string, profile?: Profile, state: ServiceState = 'running'): ServiceRecord => ({
  id: `id-${name}`,
  spec: {
    name,
    type: 'stateful',
    image: 'ticker',
    args: [],
    env: [],
    restart: 'no',
    tty: false,
    ...(profile === undefined ? {} : { profile }),
  },
  owner: 'lab3',
  epoch: 1,
  counter: 0,
  state,
  reason: '',
  deleted: false,
})

const moved = (
  order: Order,
  outcome: MoveRecord['outcome'],
  to: string | null,
  refusals: MoveRecord['refusals'] = [],
): MoveRecord => ({
  id: 'm',
  side: 'source',
  name: order.service,
  type: 'stateful',
  from: 'lab3',
  to,
  startedAtMs: 0,
  phases: [],
  bytes: { image: 0, layer: 0, checkpoint: 0 },
  downtimeMs: null,
  errorMs: null,
  totalMs: null,
  outcome,
  refusals,
  error: outcome === 'done' ? null : { code: 'MOVE_X', what: 'the link broke', hint: 'try again' },
  ...order,
})

/** lab3 with services that need 10 % and use `use` each, the load `outside` them, and moves answered by `answer`. */
function lab3(
  options: {
    role?: Role
    settings?: Partial<PlacementSettings>
    peers?: readonly NodeView[]
    services?: readonly ServiceRecord[]
  } = {},
) {
  const clock = virtualClock()
  const world = {
    outside: 72,
    use: 0,
    draining: false,
    settings: { ...lab, ...options.settings },
    peers: options.peers ?? [node('vrone', 38), node('lab4', 39, { network: 'lan-b' }), cloudNode('mec')],
    services: options.services ?? ['app-1', 'app-2', 'app-3'].map(name => record(name, { cpu: '10%' })),
    published: [] as LoadReport[],
    orders: [] as Order[],
    running: new Set<string>(),
    mostAtOnce: 0,
    logged: [] as string[],
    answer: async (order: Order): Promise<MoveRecord> => moved(order, 'done', order.candidates[0] ?? null),
  }
  const load = new OwnLoad({
    clock,
    self: { id: 'lab3', name: 'lab3', role: options.role ?? 'edge' },
    network: () => 'lan-a',
    capability: () => capability,
    draining: () => world.draining,
    settings: () => world.settings,
    services: () => world.services,
    profiles: () => [],
    capabilityOf: () => capability,
    onUnreadable: () => void world.logged.push('unreadable profile'),
  })
  const log = (_: object, message: string) => void world.logged.push(message)
  let last = 0
  const loop = new ControlLoop({
    clock,
    random: seeded(1),
    settings: () => world.settings,
    draining: () => world.draining,
    sample: async (): Promise<OwnSample> => {
      const own = world.services.filter(one => one.owner === 'lab3')
      const sample = {
        at: clock.now(),
        spanMs: clock.now() - last,
        capacity: capacity(4),
        load: vec(world.outside + world.use * own.length),
        outside: vec(world.outside),
        services: own.map(one => ({ id: one.id, use: vec(world.use), cpuCores: (world.use / 100) * 4, ramBytes: 0 })),
      }
      last = sample.at
      return sample
    },
    mesh: {
      publishLoad: report => void world.published.push(report),
      view: () => ({ peers: world.peers }),
      services: { list: () => world.services },
    },
    mover: {
      busy: id => world.running.has(id),
      move: async order => {
        world.orders.push(order)
        world.running.add(order.service)
        world.mostAtOnce = Math.max(world.mostAtOnce, world.running.size)
        const result = await world.answer(order)
        world.running.delete(order.service)
        const to = result.outcome === 'done' ? result.to : null
        if (to !== null) {
          world.services = world.services.map(one =>
            one.id === order.service ? { ...one, owner: to, epoch: one.epoch + 1 } : one,
          )
        }
        return result
      },
    },
    load,
    log: { info: log, warn: log, error: log },
  })
  const ticks = async (count: number, settle = true) => {
    for (let index = 0; index < count; index += 1) {
      clock.set(clock.now() + world.settings.intervalMs)
      await loop.tick()
      if (settle) await loop.settled()
    }
  }
  const sent = () => world.orders.map(order => [order.service.slice(3), order.candidates[0]])
  return { clock, world, load, loop, ticks, sent }
}

test('a node red for two samples sends its services where Algorithm I says: same network, other network, cloud', async () => {
  const { world, ticks, sent } = lab3()
  await ticks(1)
  expect(sent()).toEqual([])
  await ticks(1)
  expect(sent()).toEqual([
    ['app-1', 'vrone'],
    ['app-2', 'lab4'],
    ['app-3', 'mec'],
  ])
  expect(world.published.map(report => report.state)).toEqual(['green', 'red'])
  expect(world.orders[0]).toMatchObject({ mode: 'stop-copy', strategy: 'algorithm-1', reason: 'lab3 red: cpu 72 >= 50' })
})

test('the cloud is always among the targets, as the last', async () => {
  const peers = [...Array.from({ length: 30 }, (_, index) => node(`p${index}`, 10)), cloudNode('mec')]
  const { world, ticks } = lab3({ peers })
  await ticks(2)
  expect(world.orders[0]?.candidates.at(-1)).toBe('mec')
})

test('two moves run at a time, the third waits', async () => {
  const { world, ticks, loop, clock } = lab3()
  const gates: (() => void)[] = []
  world.answer = async order => {
    await new Promise<void>(open => gates.push(open))
    return moved(order, 'done', order.candidates[0] ?? null)
  }
  await ticks(2, false)
  expect(world.orders).toHaveLength(2)
  clock.set(10_000)
  await loop.tick()
  expect(world.orders).toHaveLength(2)
  while (gates.length > 0 || world.orders.length < 3) {
    gates.shift()?.()
    await Promise.resolve()
  }
  gates.shift()?.()
  await loop.settled()
  expect(world.mostAtOnce).toBe(2)
  expect(world.published).toHaveLength(3)
})

test('with load of the services themselves the node stops when enough has left', async () => {
  const { world, ticks, sent } = lab3()
  Object.assign(world, { outside: 40, use: 4 })
  await ticks(6)
  expect(sent()).toEqual([['app-1', 'vrone']])
  expect(world.published.at(-1)?.load.cpuPct).toBe(48)
})

test('smoothed load that still shows a service which left sends no other after it', async () => {
  const { world, ticks, sent } = lab3({ settings: { ewmaWeight: 0.3, nodeCooldownMs: 0 } })
  Object.assign(world, { outside: 30, use: 9 })
  await ticks(12)
  expect(sent()).toHaveLength(1)
})

test('a queued service stays when the load has fallen meanwhile', async () => {
  const { world, ticks, sent, loop } = lab3({ settings: { movesAtATime: 1 } })
  world.answer = async order => {
    // While the first one travels, `yes` ends; the sample it began in is still under way.
    world.outside = 20
    await ticks(2, false)
    return moved(order, 'done', order.candidates[0] ?? null)
  }
  await ticks(2)
  await loop.settled()
  expect(sent()).toEqual([['app-1', 'vrone']])
  expect(world.logged).toContain('enough has left: this service stays')
})

test('a move that fails is not tried again at once, and then waits twice as long', async () => {
  const { world, ticks } = lab3({ services: [record('app-1', { cpu: '10%' })] })
  world.answer = async order => moved(order, 'failed', null)
  await ticks(6)
  expect(world.orders).toHaveLength(1)
  await ticks(2)
  expect(world.orders).toHaveLength(2)
  await ticks(8)
  expect(world.orders).toHaveLength(2)
  await ticks(1)
  expect(world.orders).toHaveLength(3)
})

test('a move that cannot begin is logged, explained, and does not stop the loop', async () => {
  const { world, ticks, loop } = lab3({ services: [record('app-1', { cpu: '10%' })] })
  world.answer = () => Promise.reject(new Error('the service is held by another move'))
  await ticks(3)
  expect(world.logged).toContain('the move could not begin')
  expect(loop.explain('id-app-1')?.text).toContain('failed: the service is held by another move')
  expect(world.published).toHaveLength(3)
})

test('the last decision is kept with its inputs and told with its outcome', async () => {
  const { world, ticks, loop } = lab3()
  world.answer = async order =>
    order.service === 'id-app-1'
      ? moved(order, 'done', 'lab4', [{ node: 'vrone', code: 'ADMIT_NO_ROOM', what: 'no room here: cpu 45 + 10 = 55', hint: '' }])
      : moved(order, 'done', order.candidates[0] ?? null)
  await ticks(2)
  const told = loop.explain('id-app-1')
  expect(told?.decision.inputs).toEqual(world.peers)
  expect(told?.text).toContain('app-1 moved lab3 -> lab4')
  expect(told?.text).toContain(
    '1 vrone  cpu 38 + 10 = 48 < 50, rtt 1 ms  [same-network]  refused: no room here: cpu 45 + 10 = 55',
  )
  expect(loop.explain('id-unknown')).toBeUndefined()
})

test('a dry run decides at any load and offers to nobody', async () => {
  const { world, ticks, loop } = lab3()
  world.outside = 5
  await ticks(1)
  expect(loop.plan('id-app-1')?.candidates.map(candidate => candidate.name)).toEqual(['vrone', 'lab4', 'mec'])
  expect(loop.plan('id-app-1', 'lab4')?.candidates.map(candidate => candidate.name)).toEqual(['lab4'])
  expect(loop.plan('id-nobody')).toBeUndefined()
  expect(world.orders).toEqual([])
})

test('a cloud node is never red, but a draining one sends its services away', async () => {
  const { world, ticks } = lab3({ role: 'cloud' })
  world.outside = 95
  await ticks(3)
  expect(world.published.map(report => report.state)).toEqual(['green', 'green', 'green'])
  expect(world.orders).toEqual([])
  world.draining = true
  await ticks(1)
  expect(world.orders).toHaveLength(3)
  expect(world.published.at(-1)?.state).toBe('draining')
})

test('the strategy may change while the node runs', async () => {
  const { world, ticks, sent } = lab3({ peers: [node('vrone', 8), node('lab4', 15, { network: 'lan-b' })] })
  world.settings = { ...world.settings, strategy: 'algorithm-2' }
  await ticks(2)
  expect(sent()).toEqual([
    ['app-1', 'lab4'],
    ['app-2', 'lab4'],
    ['app-3', 'lab4'],
  ])
})

test('an unknown strategy stops no sample', async () => {
  const { world, ticks } = lab3({ settings: { strategy: 'nope' } })
  await ticks(3)
  expect(world.published).toHaveLength(3)
  expect(world.logged).toContain('a sample or a decision failed; the next one is tried as usual')
})

test('with the default preset a node rests thirty seconds between rounds', async () => {
  const { world, ticks } = lab3({ settings: { ...lan, ewmaWeight: 1 }, services: [record('app-1')] })
  await ticks(2)
  expect(world.orders).toHaveLength(1)
  world.services = [...world.services, record('app-9')]
  await ticks(5)
  expect(world.orders).toHaveLength(1)
  await ticks(1)
  expect(world.orders).toHaveLength(2)
})

test('only running services of this node move: not stopped ones, not those of others', async () => {
  const services = [
    record('a', undefined, 'stopped'),
    { ...record('b'), owner: 'vrone' },
    record('c', undefined, 'parked'),
    record('d'),
  ]
  const { ticks, sent } = lab3({ services })
  await ticks(2)
  expect(sent().map(([name]) => name)).toEqual(['d'])
})

test('started, it samples every interval, and stops when told', async () => {
  const { world, clock, loop } = lab3()
  world.outside = 5
  loop.start()
  for (let at = 0; at <= 3000; at += 1000) {
    clock.set(at)
    await new Promise<void>(done => setImmediate(done))
  }
  expect(world.published).toHaveLength(4)
  await loop.stop()
  clock.set(10_000)
  expect(world.published).toHaveLength(4)
  expect(clock.timers).toEqual([])
})

test('a profile of the mesh that cannot be read is told once and stops nothing', async () => {
  const { world, ticks, sent } = lab3({ services: [record('a', { cpu: 'lots' })] })
  await ticks(3)
  expect(world.logged.filter(line => line === 'unreadable profile')).toHaveLength(1)
  expect(sent()).toEqual([['a', 'vrone']])
})
