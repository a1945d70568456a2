// What does each finding on this host mean? Pure: from what doctor.ts found to ok, warning or failed, with words and the next step.
// `failed`: this node cannot run. `warning`: it runs, and something does not work here.

import type { NodeProbe } from '../migrate/checkpoint/probe.ts'
import type { Capacity, Millis } from '../placement/view.ts'
import type { EngineInfo } from './engine.ts'
import type { EngineError } from './errors.ts'
import type { GpuReading } from './gpu-probe.ts'
import type { NetworkHint } from './network-id.ts'

export interface Check {
  readonly name: string
  readonly level: 'ok' | 'warning' | 'failed'
  readonly says: string
  /** The next step; empty when there is none to take. */
  readonly hint: string
}

export interface Room {
  readonly freeBytes: number
  readonly tmpfs: boolean
}

export type PortState = 'free' | 'ours' | 'taken' | { readonly failed: string }

/** Type of a tmpfs as statfs tells it. */
export const TMPFS_MAGIC = 0x01021994
/** Below this the store cannot be trusted to go on writing (bytes). */
const LEAST_DATA_BYTES = 64 * 1024 ** 2
/** Below this nearly no checkpoint fits (bytes). */
const LEAST_RUN_BYTES = 64 * 1024 ** 2
/** Docker's default profile forbids io_uring from here on. */
const IO_URING_FORBIDDEN_SINCE = 25

const ok = (name: string, says: string): Check => ({ name, level: 'ok', says, hint: '' })
const warning = (name: string, says: string, hint: string): Check => ({ name, level: 'warning', says, hint })
const failed = (name: string, says: string, hint: string): Check => ({ name, level: 'failed', says, hint })
const mib = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`

export function node(version: string): Check {
  return version.startsWith('v24.')
    ? ok('Node.js', version)
    : failed('Node.js', `${version}, Shoal needs 24`, 'start Shoal by its launcher, which brings its own')
}

export function configuration(warnings: readonly string[]): Check {
  return warnings.length === 0
    ? ok('configuration', 'valid')
    : warning('configuration', warnings.join('; '), '`shoal config show --origin` shows where each value comes from')
}

/** Told by a node that runs only: whose word counts in the mesh is known there. */
export function membership(warnings: readonly string[]): Check {
  return warnings.length === 0
    ? ok('members', 'all are confirmed, or there are none yet')
    : warning(
        'members',
        warnings.join('; '),
        'confirm those you know with `shoal approve NAME`; take others out with `shoal node rm NAME`',
      )
}

export function engine(found: EngineInfo | EngineError): Check {
  return 'version' in found
    ? ok('engine', `Docker ${found.version}, API ${found.apiVersion}, ${found.storageDriver}, kernel ${found.kernel}`)
    : failed('engine', found.message, found.hint)
}

export function runtime(info: EngineInfo | undefined, statelessOnly: boolean): Check {
  if (statelessOnly) return ok('runtime shim', 'not needed: statelessOnly is set')
  if (info === undefined) return warning('runtime shim', 'unknown while the engine does not answer', 'start the engine first')
  return info.runtimes.includes('shoal')
    ? ok('runtime shim', 'registered in the engine')
    : warning('runtime shim', 'not registered: no stateful service can move here', 'run `shoal setup`')
}

export function memoryMoves(probe: NodeProbe, statelessOnly: boolean): Check {
  if (statelessOnly) return ok('memory moves', 'off: statelessOnly is set')
  const tools = `CRIU ${probe.criu ?? 'missing'}, runc ${probe.runc ?? 'missing'}, CPU ${probe.cpuDigest}`
  const [first, ...more] = probe.complaints
  return first === undefined
    ? ok('memory moves', tools)
    : warning('memory moves', `off here (${tools}): ${[first, ...more].join('; ')}`, first.split(': ').at(-1) ?? '')
}

/** Programs that hold an io_uring cannot be checkpointed; Node.js opens one by itself where the profile lets it. */
export function seccomp(info: EngineInfo | undefined): Check {
  const name = 'seccomp'
  if (info === undefined) return warning(name, 'unknown while the engine does not answer', 'start the engine first')
  const profile = info.securityOptions.find(option => option.startsWith('name=seccomp'))
  if (profile === undefined || profile.includes('unconfined')) {
    return warning(
      name,
      'no profile: programs that open an io_uring (Node.js does) cannot move with their memory',
      "use the engine's default profile",
    )
  }
  const major = Number.parseInt(info.version, 10)
  return major >= IO_URING_FORBIDDEN_SINCE
    ? ok(name, "the engine's profile; it keeps io_uring away from services")
    : warning(
        name,
        `the profile of Docker ${info.version} allows io_uring: services that open one (Node.js does) cannot move with their memory`,
        `use Docker ${IO_URING_FORBIDDEN_SINCE} or newer`,
      )
}

export function cgroups(version: 1 | 2 | undefined, { cores, ramBytes, gpus }: Capacity): Check {
  const has = `${cores} cores, ${mib(ramBytes)} RAM, ${gpus === 0 ? 'no GPU' : `${gpus} GPU`}`
  return version === undefined
    ? warning('capacity', `${has}; no cgroups found, services are measured by the engine`, 'mount /sys/fs/cgroup')
    : ok('capacity', `${has} (cgroups version ${version})`)
}

export function dataDir(path: string, { freeBytes, tmpfs }: Room): Check {
  if (freeBytes < LEAST_DATA_BYTES)
    return failed('data directory', `${path}: only ${mib(freeBytes)} left`, 'free space, or set dataDir')
  return tmpfs
    ? warning('data directory', `${path} is a tmpfs: this node forgets who it is when the host restarts`, 'set dataDir to a disk')
    : ok('data directory', `${path}, ${mib(freeBytes)} free`)
}

/** Checkpoints are kept in memory while a move runs. */
export function runDir(path: string, { freeBytes, tmpfs }: Room): Check {
  if (!tmpfs)
    return warning(
      'run directory',
      `${path} is no tmpfs: checkpoints go over the disk, moves freeze longer`,
      'set runDir to a tmpfs',
    )
  return freeBytes < LEAST_RUN_BYTES
    ? warning('run directory', `${path}: only ${mib(freeBytes)} left for checkpoints`, 'enlarge that tmpfs')
    : ok('run directory', `${path}, tmpfs, ${mib(freeBytes)} free: no larger memory can move`)
}

export function port(name: string, number: number, state: PortState): Check {
  if (state === 'free') return ok(name, number === 0 ? 'any free one' : `${number} is free`)
  if (state === 'ours') return ok(name, `${number}, held by the Shoal that runs here`)
  if (state === 'taken')
    return failed(
      name,
      `${number} is taken by another program`,
      `end it (\`ss -ltnp sport = :${number}\` names it), or set another`,
    )
  return failed(name, `${number} cannot be opened: ${state.failed}`, 'set an address of this host and a port this user may open')
}

/** Multicast goes out on the default route's interface only. */
export function multicast(mdns: boolean, network: NetworkHint, interfaces: readonly string[]): Check {
  if (!mdns) return ok('discovery', `off by configuration; network id ${network.id}: ${network.says}`)
  if (network.device === undefined) {
    return warning(
      'discovery',
      `nobody can be found by mDNS: ${network.says}`,
      'add a default route, or join by `shoal join TOKEN`',
    )
  }
  const skipped = interfaces.filter(name => name !== network.device)
  const left = skipped.length === 0 ? '' : `; skipped: ${skipped.join(', ')}`
  return ok('discovery', `mDNS on ${network.device}${left}; network id ${network.id}: ${network.says}`)
}

/** Nothing in Shoal orders by wall time, but tokens expire by it. */
export function clock(wallMs: Millis): Check {
  return wallMs < Date.UTC(2026, 0)
    ? warning(
        'clock',
        `it says ${new Date(wallMs).toISOString()}`,
        'set the clock: invitations are refused as expired or live too long',
      )
    : ok('clock', new Date(wallMs).toISOString())
}

export function gpu({ count, usePct, says }: GpuReading): Check {
  return ok('GPU', count === 0 ? says : `${count}: ${says}${usePct === null ? '' : `, ${usePct} % busy`}`)
}
