// What can this node do, and why not? Each check is a value: what was looked at, what was found, what to do. `shoal doctor` prints them, /api/doctor
// answers them. Looks only; changes nothing. The judgements are pure functions of what was found, in doctor-checks.ts.

import { statfs } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { runCommand } from '../migrate/checkpoint/command.ts'
import { probeNode } from '../migrate/checkpoint/probe.ts'
import { openCgroup } from './cgroup.ts'
import { apiAddress, bytesOf, type LoadedConfig } from './config.ts'
import type { Config } from './config-schema.ts'
import { DockerEngine } from './docker-engine.ts'
import * as judge from './doctor-checks.ts'
import type { EngineInfo } from './engine.ts'
import { EngineError } from './errors.ts'
import { findGpu } from './gpu-probe.ts'
import { hostFiles } from './host-files.ts'
import { nodeCapacity } from './load-sampler.ts'
import { knockByDatagram, NetworkWatch } from './network-id.ts'
import { RUNTIME_NAME, shimPath } from './shim-path.ts'
import { systemClock } from './system-clock.ts'

/** All checks of this host, in the order in which things depend on each other. */
export async function checkHost({ config, warnings }: LoadedConfig, signal: AbortSignal): Promise<readonly judge.Check[]> {
  const engine = await engineOf(config, signal)
  const info = engine instanceof EngineError ? undefined : engine
  const registered = info?.runtimes.includes(RUNTIME_NAME) ?? false
  const [probe, cgroup, gpu] = await Promise.all([
    probeNode(runCommand, registered ? await shimPath() : undefined, signal),
    openCgroup(hostFiles),
    gpuOf(),
  ])
  const override = config.capacity.ram === undefined ? {} : { ramBytes: bytesOf(config.capacity.ram) }
  const capacity = await nodeCapacity(hostFiles, cgroup, gpu.count, {
    ...override,
    ...(config.capacity.cores === undefined ? {} : { cores: config.capacity.cores }),
  })
  const { host, port } = apiAddress(config)
  return [
    judge.node(process.version),
    judge.configuration(warnings),
    judge.engine(engine),
    judge.runtime(info, config.statelessOnly),
    judge.memoryMoves(probe, config.statelessOnly),
    judge.seccomp(info),
    judge.cgroups(cgroup?.version, capacity),
    judge.dataDir(config.dataDir, await room(config.dataDir)),
    judge.runDir(config.runDir, await room(config.runDir)),
    judge.port('mesh port', config.port, await portState(config.listenAddress, config.port, config.socket)),
    judge.port('API port', port, await portState(host, port, config.socket)),
    judge.multicast(config.mdns, await new NetworkWatch(hostFiles, knockByDatagram, config.networkId).refresh(), interfaces()),
    judge.clock(systemClock.wallNow()),
    judge.gpu(gpu),
  ]
}

async function engineOf(config: Config, signal: AbortSignal): Promise<EngineInfo | EngineError> {
  try {
    return await new DockerEngine({ socketPath: config.engineSocket, clock: systemClock }).info(signal)
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
}

/** One reading. A tool that would have to be kept open is only looked for. */
async function gpuOf() {
  const source = await findGpu({ files: hostFiles, clock: systemClock, listen: () => () => undefined, intervalMs: 1000 })
  const reading = (await source?.read()) ?? { count: 0, usePct: null, says: 'no GPU found' }
  source?.close()
  return reading
}

/** Free bytes and kind of the file system a directory is on, or of the nearest one above that is there. */
async function room(path: string): Promise<judge.Room> {
  for (let at = path; ; at = at.replace(/\/[^/]*$/, '')) {
    try {
      const { bavail, bsize, type } = await statfs(at === '' ? '/' : at)
      return { freeBytes: bavail * bsize, tmpfs: type === judge.TMPFS_MAGIC }
    } catch (error) {
      if (at === '' || !(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
}

/** Whether a port is free; taken by the Shoal that answers on `socket` is as good. */
async function portState(host: string, port: number, socket: string): Promise<judge.PortState> {
  if (port === 0) return 'free'
  const code = await new Promise<string | undefined>(resolve => {
    const server = createServer()
    server.once('error', error => resolve('code' in error && typeof error.code === 'string' ? error.code : error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
  if (code === undefined) return 'free'
  if (code !== 'EADDRINUSE') return { failed: code }
  return (await answers(socket)) ? 'ours' : 'taken'
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath)
    const done = (is: boolean): void => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}

/** Interfaces with an IPv4 address that are no loopback. */
function interfaces(): readonly string[] {
  return Object.entries(networkInterfaces())
    .filter(([, addresses]) => (addresses ?? []).some(({ family, internal }) => family === 'IPv4' && !internal))
    .map(([name]) => name)
    .toSorted()
}
