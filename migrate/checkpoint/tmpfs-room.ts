// Does a memory image fit where checkpoints are kept? A tmpfs takes from the node's memory, so the file system's own free space is only one
// bound; the memory that is left, of the machine and of this node's cgroup, is the other.

import { readFile, statfs } from 'node:fs/promises'
import { MoveError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

/** What is left, in bytes, by each bound; Infinity where there is none. */
export interface Room {
  readonly tmpfsBytes: number
  readonly machineBytes: number
  readonly cgroupBytes: number
}

const number = async (path: string): Promise<number | undefined> => {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  const value = text === undefined ? Number.NaN : Number(text.trim())
  return Number.isFinite(value) ? value : undefined
}

/** A field of `memory.stat` in bytes; 0 where it is missing. */
async function cacheBytes(path: string, field: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return Number(new RegExp(`^${field} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
}

/** Limit minus use of this node's own cgroup (version 2, else 1), page cache that can be dropped counted as free. */
async function cgroupLeft(): Promise<number> {
  const v2 = '/sys/fs/cgroup/memory'
  const v1 = '/sys/fs/cgroup/memory/memory'
  const limit = (await number(`${v2}.max`)) ?? (await number(`${v1}.limit_in_bytes`))
  const used = (await number(`${v2}.current`)) ?? (await number(`${v1}.usage_in_bytes`))
  if (limit === undefined || used === undefined) return Number.POSITIVE_INFINITY
  const dropped = (await cacheBytes(`${v2}.stat`, 'inactive_file')) || (await cacheBytes(`${v1}.stat`, 'total_inactive_file'))
  return limit - used + dropped
}

export async function roomAt(folder: string): Promise<Room> {
  const { bavail, bsize } = await statfs(folder)
  const meminfo = await readFile('/proc/meminfo', 'utf8')
  return {
    tmpfsBytes: bavail * bsize,
    machineBytes: Number(/^MemAvailable:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024,
    cgroupBytes: await cgroupLeft(),
  }
}

const mib = (bytes: number): string => `${Math.floor(bytes / 1024 / 1024)} MiB`

/** Throws `MOVE_NO_ROOM` unless `bytes` and a margin fit into every bound. Pure. */
export function checkRoom(room: Room, bytes: number, folder: string): void {
  const needed = bytes + LIMITS.roomMarginBytes
  const bounds: readonly [number, string][] = [
    [room.tmpfsBytes, `in ${folder}`],
    [room.machineBytes, 'of memory on this node'],
    [room.cgroupBytes, "below this node's memory limit"],
  ]
  for (const [left, where] of bounds) {
    if (left < needed) {
      throw new MoveError('MOVE_NO_ROOM', {
        what: `the service holds ${mib(bytes)}; with a margin ${mib(needed)} are needed, ${mib(left)} are left ${where}`,
        hint: 'free memory there, or move a smaller service',
      })
    }
  }
}
