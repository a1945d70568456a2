// How does the daemon look at /proc and /sys? A port of two calls, so that everything that reads them is tested with recorded files.
// Used by cgroup.ts, load-sampler.ts, gpu-probe.ts, network-id.ts and doctor.ts.

import { readdir, readFile } from 'node:fs/promises'

export interface HostFiles {
  /** The file's text; undefined when it is not there or does not let itself be read (a device that has gone, a file of root's). */
  read(path: string): Promise<string | undefined>
  /** Names in a directory, sorted; empty when there is none. */
  list(path: string): Promise<readonly string[]>
}

const ABSENT = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'ENODEV',
  'ENXIO',
  'EINVAL',
  'EOPNOTSUPP',
  'ESRCH',
  'EISDIR',
  'EIO',
  'EBUSY',
  'EAGAIN',
])

/** The real ones. Any other failure than being absent is thrown. */
export const hostFiles: HostFiles = {
  read: path => readFile(path, 'utf8').catch(absent(undefined)),
  list: path => readdir(path).then(names => names.toSorted(), absent<readonly string[]>([])),
}

function absent<T>(instead: T): (error: unknown) => T {
  return error => {
    if (error instanceof Error && 'code' in error && ABSENT.has(String(error.code))) return instead
    throw error
  }
}

/** Files as a value, for tests: path → text. */
export function recordedFiles(texts: Readonly<Record<string, string>>): HostFiles {
  return {
    read: async path => texts[path],
    list: async path => {
      const below = path.endsWith('/') ? path : `${path}/`
      const names = Object.keys(texts).flatMap(name =>
        name.startsWith(below) ? [name.slice(below.length).split('/')[0] ?? ''] : [],
      )
      return [...new Set(names)].toSorted()
    },
  }
}
