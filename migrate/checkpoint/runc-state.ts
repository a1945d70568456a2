// Where does runc keep a container of the engine, and which process is its first? The engine's own State.Pid is not asked: it may be another's.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { MoveError } from '../errors.ts'

/** Directory of runc's roots: `moby` below it, for custom runtimes too (seen with Docker 28). */
export const RUNC_ROOTS = '/run/docker/runtime-runc'

const State = Compile(
  Type.Object({ init_process_pid: Type.Integer({ minimum: 1 }), cgroup_paths: Type.Record(Type.String(), Type.String()) }),
)

export interface RuncContainer {
  /** For `runc --root`. */
  readonly root: string
  /** First process, in this node's pid namespace. */
  readonly pid: number
  /** Its directories in the cgroup hierarchies, as this node sees them. */
  readonly cgroups: readonly string[]
}

/** Finds a container by its full id under any root. Throws `MOVE_NOT_MOVABLE` when runc does not know it. */
export async function runcContainer(id: string, roots: string = RUNC_ROOTS): Promise<RuncContainer> {
  const names = await readdir(roots).catch(() => [])
  for (const name of names) {
    const root = join(roots, name)
    const text = await readFile(join(root, id, 'state.json'), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const state: unknown = JSON.parse(text)
    if (State.Check(state)) return { root, pid: state.init_process_pid, cgroups: Object.values(state.cgroup_paths) }
  }
  throw new MoveError('MOVE_NOT_MOVABLE', {
    what: `runc does not know container ${id.slice(0, 12)} under ${roots}`,
    hint: 'services that move must run with runc, as the engine does by default',
  })
}

/** Pids of all processes of a container, from its cgroup; at least its first process. */
export async function processesOf({ pid, cgroups }: RuncContainer): Promise<number[]> {
  for (const path of cgroups) {
    const text = await readFile(join(path, 'cgroup.procs'), 'utf8').catch(() => '')
    const pids = text.split('\n').filter(Boolean).map(Number)
    if (pids.includes(pid)) return pids
  }
  return [pid]
}
