// Why can this running service not be moved with its memory? Asked before anything freezes, so that a refusal costs nobody a moment; what
// only CRIU can see is read from its log afterwards (dump-log.ts). Pure.

import { MoveError } from '../errors.ts'
import type { MoveErrorCode } from '../errors.ts'
import type { ContainerFacts } from '../ports.ts'
import type { ContainerProcesses, ProcessFacts } from './process-facts.ts'

/** Devices every container has, which CRIU restores. */
const harmless = /^\/dev\/(null|zero|full|random|urandom|tty|ptmx|console|pts\/|shm\/|mqueue\/)/

interface Obstacle {
  readonly code: MoveErrorCode
  readonly what: string
  readonly hint: string
}

const foreign = (mode: string): boolean => mode === 'host' || mode.startsWith('container:')

/** What the engine's own description says against a move. */
function ofContainer(container: ContainerFacts): Obstacle | undefined {
  if (container.tty) {
    return { code: 'OBSTACLE_TERMINAL', what: 'it has a terminal', hint: 'start it without -t' }
  }
  const shared = [
    foreign(container.pidMode) ? 'processes' : '',
    foreign(container.ipcMode) ? 'IPC' : '',
    foreign(container.networkMode) ? 'network' : '',
  ].filter(Boolean)
  if (shared.length > 0) {
    return {
      code: 'OBSTACLE_HOST_NAMESPACE',
      what: `it shares its ${shared.join(' and ')} with the host or another container`,
      hint: 'start it with namespaces of its own, as services are by default',
    }
  }
  if (container.devices.length > 0) {
    return { code: 'OBSTACLE_DEVICE', what: `it was given ${container.devices.join(', ')}`, hint: 'start it without devices' }
  }
  const mount = container.mounts.find(each => each.kind !== 'tmpfs')
  if (mount !== undefined) {
    return {
      code: 'OBSTACLE_HOST_MOUNT',
      what: `its ${mount.target} is a ${mount.kind} of this node (${mount.source}), which would not move along`,
      hint: 'this version moves services without volumes and host directories only',
    }
  }
  return undefined
}

function ofProcess(process: ProcessFacts, all: ContainerProcesses): Obstacle | undefined {
  const held = [...process.open, ...process.mapped]
  if (held.some(name => name.includes('anon_inode:[io_uring]'))) {
    return {
      code: 'OBSTACLE_IO_URING',
      what: `process ${process.pid} uses io_uring, which CRIU cannot move`,
      hint: "run it under the engine's default seccomp profile, which denies io_uring, or switch io_uring off in the program",
    }
  }
  const special = held.find(name => /anon_inode:\[(userfaultfd|perf_event)\]/.test(name))
  if (special !== undefined) {
    return {
      code: 'OBSTACLE_USERFAULTFD',
      what: `process ${process.pid} holds ${special.replace('anon_inode:', '')}, which CRIU cannot move`,
      hint: 'switch the feature off in the program, or run the service as stateless',
    }
  }
  const device = held.find(name => name.startsWith('/dev/') && !harmless.test(name))
  if (device !== undefined) {
    return { code: 'OBSTACLE_DEVICE', what: `process ${process.pid} uses ${device}`, hint: 'run the service without that device' }
  }
  if (process.watched.includes(all.rootDevice)) {
    return {
      code: 'OBSTACLE_FILE_WATCH',
      what: `process ${process.pid} watches files of its image (inotify or fanotify), which CRIU cannot move`,
      hint: 'switch file watching off in the program, or let it watch a tmpfs',
    }
  }
  const first = all.processes.find(each => each.pid === all.first)
  const nested = Object.entries(process.namespaces).find(
    ([kind, name]) => name !== '' && (first?.namespaces[kind] ?? name) !== name,
  )
  if (nested !== undefined) {
    return {
      code: 'OBSTACLE_NESTED',
      what: `process ${process.pid} runs in a ${nested[0]} namespace of its own`,
      hint: 'run one program per service, without systemd or an engine inside',
    }
  }
  return undefined
}

/** Throws the first obstacle as a `MoveError`; `name` is the service's. */
export function refuseObstacles(name: string, container: ContainerFacts, all: ContainerProcesses): void {
  const mptcp: Obstacle | undefined =
    all.mptcpSockets === 0
      ? undefined
      : {
          code: 'OBSTACLE_MPTCP',
          what: 'it listens with MPTCP, which CRIU cannot move',
          hint: 'for Go programs set GODEBUG=multipathtcp=0',
        }
  const found =
    ofContainer(container) ?? mptcp ?? all.processes.map(each => ofProcess(each, all)).find(each => each !== undefined)
  if (found !== undefined)
    throw new MoveError(found.code, { what: `${name} cannot be moved with its memory: ${found.what}`, hint: found.hint })
}
