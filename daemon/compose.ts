// Where everything meets: builds the parts of one node, starts them in order, stops them in reverse. The only place that calls a constructor of
// another room. Called by the CLI's `up`. Order: identity, store, engine, mesh → services and moves recover → load is sampled → the API answers.

import { randomBytes, randomUUID } from 'node:crypto'
import { setPriority } from 'node:os'
import type { Mesh } from '../gossip/mesh.ts'
import { openMesh } from '../gossip/open-mesh.ts'
import { foundingTiming, labFoundingTiming } from '../gossip/founding-state.ts'
import { createMover, type Mover } from '../migrate/mover.ts'
import { MOVE_PROTOCOL } from '../migrate/protocol.ts'
import type { NodeId } from '../placement/view.ts'
import { readAnsweredLoad, wiredAdmission } from './answered-load.ts'
import { eventFeed } from './api/event-feed.ts'
import { membershipActions, nodeQueries, profileActions } from './api/node-reply.ts'
import { openApi } from './api/server.ts'
import { configReply } from './api/config-reply.ts'
import { apiAddress, type LoadedConfig } from './config.ts'
import { ControlLoop } from './control-loop.ts'
import { DockerEngine } from './docker-engine.ts'
import { checkHost } from './doctor.ts'
import { membership } from './doctor-checks.ts'
import type { Engine } from './engine.ts'
import { GpuProbe, listenToProgram } from './gpu-probe.ts'
import { hostFiles } from './host-files.ts'
import { openIdentity } from './identity.ts'
import { LoadSampler } from './load-sampler.ts'
import { type Logger, openLog } from './log.ts'
import { memberWarnings } from './member-warnings.ts'
import { moveEngine } from './move-engine.ts'
import { shareMeasures } from './move-measures.ts'
import { moveRecords, openJournal } from './move-store.ts'
import { knockByDatagram, NetworkWatch } from './network-id.ts'
import { type NodeAbility, openNodeAbility } from './node-ability.ts'
import { OwnLoad } from './own-load.ts'
import { ownMoves } from './own-moves.ts'
import { type OwnMoves, remoteMoves } from './remote-moves.ts'
import { answerServiceRequests, remoteServices } from './remote-services.ts'
import { serviceBook } from './service-book.ts'
import { type LogWish, serviceLines } from './service-logs.ts'
import { Services } from './services.ts'
import { openStore, type Store } from './store.ts'
import { openStrategySetting, type StrategySetting } from './strategy-setting.ts'
import { systemClock } from './system-clock.ts'
import { VERSION } from './version.ts'

/** As nice counts: below 0 comes first. */
const PRIORITY = -10

/** Time the mesh has to say which services live elsewhere by now, milliseconds: a member on the LAN answers in tens. */
const EPOCHS_MS = 3_000

/** Time the engine has to answer at start, milliseconds. */
const ENGINE_FIRST_WORD_MS = 10_000

/** What is there before anything runs. */
interface Ground {
  readonly loaded: LoadedConfig
  readonly log: Logger
  readonly store: Store
  readonly engine: Engine
  readonly ability: NodeAbility
  readonly network: NetworkWatch
  readonly strategy: StrategySetting
  readonly mesh: Mesh
  readonly feed: ReturnType<typeof eventFeed>
  /** Ends with the node. */
  readonly life: AbortSignal
}

/**
 * Starts a node and resolves when it answers. `closed` resolves when `signal` has fired and everything has ended in order: leaving is announced,
 * services run on.
 * @throws ShoalError of whichever part cannot start; what had started is stopped again.
 */
export async function startNode(loaded: LoadedConfig, signal: AbortSignal): Promise<{ readonly closed: Promise<void> }> {
  await using starting = new AsyncDisposableStack()
  const life = new AbortController()
  const ground = await openGround(loaded, life.signal, starting)
  await startParts(ground, starting)
  const running = starting.move()
  return { closed: closeOn(signal, life, running, ground.log) }
}

async function closeOn(signal: AbortSignal, life: AbortController, running: AsyncDisposableStack, log: Logger): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => resolve(), { once: true })
  if (signal.aborted) resolve()
  await promise
  log.info('leaving: services run on without the daemon')
  life.abort(new Error('the daemon is stopping'))
  await running.disposeAsync()
}

/** A node that is red must still be able to send its services away: what moves them, started from here, wins over what made it red. */
function raisePriority(log: Logger): void {
  try {
    setPriority(PRIORITY)
  } catch (error) {
    log.info({ error }, 'runs at the usual priority: moves off an overloaded node take longer')
  }
}

async function openGround(loaded: LoadedConfig, life: AbortSignal, stack: AsyncDisposableStack): Promise<Ground> {
  const { config, warnings } = loaded
  const log = openLog({ level: config.logLevel, node: config.name })
  for (const warning of warnings) log.warn(warning)
  raisePriority(log)
  const identity = await openIdentity(config.dataDir)
  const store = stack.use(await openStore(config.dataDir))
  const engine = new DockerEngine({ socketPath: config.engineSocket, clock: systemClock })
  const info = await engine.info(AbortSignal.any([life, AbortSignal.timeout(ENGINE_FIRST_WORD_MS)]))
  const gpuProbe = stack.use(
    new GpuProbe({ files: hostFiles, clock: systemClock, listen: listenToProgram, intervalMs: config.intervalMs }),
  )
  await gpuProbe.start()
  const gpu = () => gpuProbe.current()
  const ability = await openNodeAbility({ config, engine, info, gpu, log, life })
  const network = new NetworkWatch(hostFiles, knockByDatagram, config.networkId)
  await network.refresh()
  const strategy = await openStrategySetting(loaded, store)
  const feed = eventFeed(systemClock)
  const mesh = await openMesh({
    privateKey: identity.privateKey,
    name: config.name,
    role: config.role,
    store: store.texts('mesh'),
    port: config.port,
    listenOn: config.listenAddress,
    mdns: config.mdns,
    trust: config.trust,
    windowMs: config.windowMs,
    secrets: store.texts('secrets'),
    timing: {
      ...(config.preset === 'lab' ? labFoundingTiming : foundingTiming),
      listenMs: config.listenMs,
      founderWaitMs: config.waitMs,
    },
    clock: systemClock,
    random: Math.random,
    randomBytes,
    log: { debug: (what, about) => log.debug(about, what), warn: (what, about) => log.warn(about, what) },
  })
  stack.defer(() => mesh.stop())
  log.info({ id: identity.id, addresses: mesh.addresses(), network: network.current().says }, 'this node is up')
  return { loaded, log, store, engine, ability, network, strategy, mesh, feed, life }
}

/** Services, moves, load, API: in this order, since each stands on the one before. */
async function startParts(ground: Ground, stack: AsyncDisposableStack): Promise<void> {
  const { loaded, log, engine, ability, mesh, feed, life } = ground
  const { config } = loaded
  mesh.onEvent(event => {
    log.info({ event }, event.says)
    feed.tell({ kind: event.kind, says: event.says, ...('node' in event ? { node: event.node } : {}) })
  })

  const services = new Services({
    self: mesh.id,
    role: config.role,
    engine,
    registry: mesh.services,
    profiles: mesh.profiles,
    capacity: ability.capacity,
    mesh: () => mesh.status().meshId ?? '',
    clock: systemClock,
    newId: randomUUID,
    tell(note) {
      log.info({ service: note.service, kind: note.kind }, note.says)
      feed.tell(note)
    },
  })
  const own = ownLoad(ground)
  const mover = await openMover(ground, services, own)
  const loop = controlLoop(ground, services, own, mover)
  const moves = ownMoves({ loop, mover, life })

  stack.defer(() => services.stop())
  stack.defer(() => mover.stop())
  await hearEpochs(ground)
  await services.load(life)
  await mover.recover()
  await services.start(id => mover.busy(id), life)

  stack.defer(() => loop.stop())
  loop.start()
  await openNodeApi(ground, services, moves, stack)
}

/** Before a container of ours runs on: does a newer epoch live elsewhere? A mesh that cannot be reached must not keep this node from its work. */
async function hearEpochs({ mesh, log, life }: Ground): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<'late'>()
  const cancel = systemClock.after(EPOCHS_MS, () => resolve('late'))
  const heard = await Promise.race([mesh.caughtUp(), promise])
  cancel()
  if (heard === 'late' && !life.aborted)
    log.warn('no other member answered yet: services run on by what this node knew when it stopped')
}

function ownLoad({ loaded, log, ability, network, strategy, mesh }: Ground): OwnLoad {
  const { config } = loaded
  return new OwnLoad({
    clock: systemClock,
    self: { id: mesh.id, name: config.name, role: config.role },
    network: () => network.current().id,
    capability: ability.capability,
    // Draining comes with the roles of the next issue.
    draining: () => false,
    settings: strategy.settings,
    services: () => mesh.services.list(),
    profiles: () => mesh.profiles.list(),
    capabilityOf: (peer: NodeId) => mesh.reports().get(peer)?.report.capability ?? null,
    onUnreadable: (service, error) => log.warn({ service, error }, 'its profile cannot be read: it counts as if it had none'),
  })
}

async function openMover(ground: Ground, services: Services, own: OwnLoad): Promise<Mover> {
  const { log, store, engine, ability, mesh, feed } = ground
  const mover = createMover(
    {
      self: mesh.id,
      clock: systemClock,
      newId: randomUUID,
      random: Math.random,
      open: (peer, signal) => mesh.openStream(peer, MOVE_PROTOCOL, signal),
      engine: moveEngine({
        engine,
        mesh: () => mesh.status().meshId ?? '',
        limitsOf: record => services.keeper.limitsOf(record.spec),
      }),
      services: serviceBook(services.keeper),
      admission: wiredAdmission(own),
      journal: await openJournal(store),
      records: moveRecords(store, error => log.warn({ error }, 'a record of an old move cannot be read; it is left out')),
      useOf: id => {
        const used = mesh
          .reports()
          .get(mesh.id)
          ?.report.services.find(service => service.id === id)
        return { memoryBytes: used?.ramBytes ?? 0, cpuCores: used?.cpuCores ?? 0 }
      },
    },
    ability.checkpointer,
    {
      onPeerLoad: (peer, load) => {
        const report = readAnsweredLoad(load, error => log.warn({ peer, error }, 'the load in its answer cannot be read'))
        if (report !== undefined) mesh.noteLoad(peer, report)
      },
    },
  )
  mover.onEvent(({ record, says }) => {
    log.info({ move: record.id, outcome: record.outcome }, says)
    feed.tell({ kind: 'move', says, service: record.service })
  })
  mesh.onStream(MOVE_PROTOCOL, stream => mover.handle(stream))
  shareMeasures({
    mesh,
    mover,
    onFailure: (move, error) => log.info({ move: move.id, error }, 'the target could not be told what was measured'),
  })
  return mover
}

function controlLoop(ground: Ground, services: Services, own: OwnLoad, mover: Mover): ControlLoop {
  const { ability, network, strategy, mesh, log } = ground
  const sampler = new LoadSampler({
    clock: systemClock,
    files: hostFiles,
    cgroup: ability.cgroup,
    services: () => services.list().flatMap(({ id }) => placed(id, services.containerOf(id))),
    useOf: ability.useOf,
    moves: () => mover.activity(),
    gpu: ability.gpu,
    override: ability.override,
  })
  return new ControlLoop({
    clock: systemClock,
    random: Math.random,
    settings: strategy.settings,
    draining: () => false,
    async sample() {
      await network.refresh()
      return sampler.sample()
    },
    mesh,
    mover,
    load: own,
    log,
  })
}

const placed = (id: string, containerId: string | undefined): readonly { id: string; containerId: string }[] =>
  containerId === undefined ? [] : [{ id, containerId }]

async function openNodeApi(ground: Ground, services: Services, own: OwnMoves, stack: AsyncDisposableStack): Promise<void> {
  const { loaded, log, engine, ability, strategy, mesh, feed, life } = ground
  const { config, origin } = loaded
  const parts = {
    mesh,
    version: VERSION,
    name: config.name,
    role: config.role,
    warnings: () => [
      ...loaded.warnings,
      ...ability.warnings(),
      ...memberWarnings(mesh.members()),
      ...services.parked().map(copy => `a copy of ${copy.name} is kept aside here: a newer one lives elsewhere`),
    ],
  }
  const remote = {
    mesh,
    services,
    ownLines: (wish: LogWish, signal: AbortSignal) =>
      serviceLines(
        {
          engine,
          clock: systemClock,
          containerOf: id => services.containerOf(id),
          recordOf: id => services.list().find(record => record.id === id),
        },
        wish,
        config.name,
        signal,
      ),
    clock: systemClock,
    life,
    newSuffix: () => randomBytes(3).toString('hex'),
  }
  answerServiceRequests(remote)
  const api = await openApi(
    {
      actions: {
        node: nodeQueries(parts),
        services: remoteServices(remote),
        moves: remoteMoves({ mesh, own }),
        settings: {
          ...profileActions(mesh),
          strategy: strategy.strategy,
          setStrategy: strategy.setStrategy,
          config: () => configReply(config, origin),
          doctor: async signal => ({
            checks: [...(await checkHost(loaded, signal)), membership(memberWarnings(mesh.members()))],
          }),
        },
        membership: membershipActions(parts),
        events: feed,
      },
      onInternalError: error => log.error({ error }, 'a request failed inside'),
    },
    { names: [] },
    { ...apiAddress(config), socket: config.socket },
  )
  stack.defer(() => api.close())
  log.info({ url: api.url, socket: config.socket }, 'the API answers')
}
