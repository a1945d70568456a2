// What does a running container hold that may stand in the way of a move? Reads /proc of its processes; obstacles.ts judges it.

import { readdir, readFile, readlink } from 'node:fs/promises'
import type { RuncContainer } from './runc-state.ts'
import { processesOf } from './runc-state.ts'

export interface ProcessFacts {
  readonly pid: number
  /** Targets of all open descriptors: `/dev/null`, `anon_inode:[io_uring]`, `socket:[123]`. */
  readonly open: readonly string[]
  /** Paths of all mappings, without repetition. */
  readonly mapped: readonly string[]
  /** inotify and fanotify marks: device numbers of what is watched, as the kernel writes them (hexadecimal). */
  readonly watched: readonly string[]
  /** Namespaces by kind, as `pid:[4026532…]`. */
  readonly namespaces: Readonly<Record<string, string>>
  /** Anonymous and shared memory, resident or swapped, bytes. */
  readonly memoryBytes: number
}

export interface ContainerProcesses {
  readonly first: number
  readonly processes: readonly ProcessFacts[]
  /** Device number of the root file system, in the form of `watched`. */
  readonly rootDevice: string
  /** Open MPTCP sockets in its network namespace. */
  readonly mptcpSockets: number
}

const namespaceKinds = ['pid', 'mnt', 'net', 'ipc', 'uts', 'user'] as const
/** A program with a hundred thousand descriptors is looked at only so far: CRIU finds the rest. */
const DESCRIPTORS = 20_000

/** A process may end while it is looked at: what is gone is empty. */
const text = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
const names = (path: string): Promise<string[]> => readdir(path).catch(() => [])
const link = (path: string): Promise<string> => readlink(path).catch(() => '')

export async function containerProcesses(container: RuncContainer): Promise<ContainerProcesses> {
  const processes: ProcessFacts[] = []
  for (const pid of await processesOf(container)) processes.push(await processFacts(pid))
  return {
    first: container.pid,
    processes,
    rootDevice: rootDevice(await text(`/proc/${container.pid}/mountinfo`)),
    mptcpSockets: mptcpSockets(await text(`/proc/${container.pid}/net/protocols`)),
  }
}

async function processFacts(pid: number): Promise<ProcessFacts> {
  const descriptors = (await names(`/proc/${pid}/fd`)).slice(0, DESCRIPTORS)
  const open: string[] = []
  const watched: string[] = []
  for (const descriptor of descriptors) {
    const target = await link(`/proc/${pid}/fd/${descriptor}`)
    open.push(target)
    if (/inotify|fanotify/.test(target)) watched.push(...watchedDevices(await text(`/proc/${pid}/fdinfo/${descriptor}`)))
  }
  const namespaces: Record<string, string> = {}
  for (const kind of namespaceKinds) namespaces[kind] = await link(`/proc/${pid}/ns/${kind}`)
  return {
    pid,
    open,
    mapped: mappedPaths(await text(`/proc/${pid}/maps`)),
    watched,
    namespaces,
    memoryBytes: memoryBytes(await text(`/proc/${pid}/status`)),
  }
}

export const watchedDevices = (fdinfo: string): string[] =>
  [...fdinfo.matchAll(/\bsdev:([0-9a-f]+)/g)].map(match => match[1] ?? '')

export const mappedPaths = (maps: string): string[] => [
  ...new Set([...maps.matchAll(/^(?:\S+\s+){5}(\S.*)$/gm)].map(match => match[1] ?? '')),
]

/** RssAnon, RssShmem and VmSwap: what a memory image holds beside what is read from files. */
export const memoryBytes = (status: string): number =>
  [...status.matchAll(/^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$/gm)].reduce((sum, match) => sum + Number(match[1]) * 1024, 0)

/** The kernel's `s_dev` is major << 20 | minor. */
export function rootDevice(mountinfo: string): string {
  const match = /^\d+ \d+ (\d+):(\d+) \S+ \/ /m.exec(mountinfo)
  return match === null ? '' : ((Number(match[1]) << 20) | Number(match[2])).toString(16)
}

/** Upper directory of an overlay root, or undefined. Octal escapes of the kernel are undone. */
export function upperDirectory(mountinfo: string): string | undefined {
  const root = mountinfo.split('\n').find(line => /^\d+ \d+ \d+:\d+ \S+ \/ /.test(line))
  const raw = /[ ,]upperdir=([^, ]+)/.exec(root ?? '')?.[1]
  return raw?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

export const mptcpSockets = (protocols: string): number =>
  [...protocols.matchAll(/^MPTCP(?:v6)?\s+\d+\s+(\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0)
