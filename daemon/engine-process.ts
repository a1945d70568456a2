// Which process is the engine on this host? Asked by setup.ts, which has to tell it to read its configuration again.

import type { HostFiles } from './host-files.ts'

export interface EngineProcess {
  readonly pid: number
}

/** By the engine's pid file where that names a dockerd, else the only dockerd there is. Undefined when there is none, or more than one. */
export async function engineProcess(files: HostFiles): Promise<EngineProcess | undefined> {
  const isEngine = async (pid: number): Promise<boolean> => (await files.read(`/proc/${pid}/comm`))?.trim() === 'dockerd'
  for (const path of ['/run/docker.pid', '/var/run/docker.pid']) {
    const pid = Number((await files.read(path))?.trim())
    if (Number.isInteger(pid) && pid > 1 && (await isEngine(pid))) return { pid }
  }
  const pids: number[] = []
  for (const name of await files.list('/proc')) if (/^\d+$/.test(name) && (await isEngine(Number(name)))) pids.push(Number(name))
  const [pid, ...others] = pids
  return pid === undefined || others.length > 0 ? undefined : { pid }
}
