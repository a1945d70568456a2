// What does CRIU's log mean, in words a user can act on? One table from CRIU's sentences to our codes and hints (facts measured with
// CRIU 4.2); asked after a failed dump or restore. Pure.

import { MoveError } from '../errors.ts'
import type { MoveErrorCode } from '../errors.ts'

interface Reading {
  readonly pattern: RegExp
  readonly code: MoveErrorCode
  readonly what: string
  readonly hint: string
}

/** First match in the order of the table wins: the telling line comes before its consequences. */
const readings: readonly Reading[] = [
  {
    pattern: /anon_inode:\[io_uring\]|Unknown shit 600|send_fds failed \(-22\)/,
    code: 'OBSTACLE_IO_URING',
    what: 'it uses io_uring, which CRIU cannot move',
    hint: "run it under the engine's default seccomp profile, which denies io_uring, or switch io_uring off in the program",
  },
  {
    pattern: /Unsupported proto 262/,
    code: 'OBSTACLE_MPTCP',
    what: 'it listens with MPTCP, which CRIU cannot move',
    hint: 'for Go programs set GODEBUG=multipathtcp=0',
  },
  {
    pattern: /fsnotify: Can't dump that handle/,
    code: 'OBSTACLE_FILE_WATCH',
    what: 'it watches files of its image (inotify or fanotify), which CRIU cannot move',
    hint: 'switch file watching off in the program, or let it watch a tmpfs',
  },
  {
    pattern: /External socket is used|Can't dump half of stream unix connection/,
    code: 'OBSTACLE_UNIX_SOCKET',
    what: 'it is connected to a unix socket outside itself',
    hint: 'close that connection (a socket of the host, of docker or D-Bus) before the move',
  },
  {
    pattern: /anon_inode:\[(userfaultfd|perf_event)\]|Can't dump file \d+ of that type \[600\]/,
    code: 'OBSTACLE_USERFAULTFD',
    what: 'it holds a kernel object that CRIU cannot move (userfaultfd, perf event)',
    hint: 'switch the feature off in the program, or run the service as stateless',
  },
  {
    pattern: /Can't handle non-regular mapping|Can't dump file .*\(chr|Can't dump .*\/dev\//,
    code: 'OBSTACLE_DEVICE',
    what: 'it uses a device of its host',
    hint: 'a service with devices cannot be moved with its memory: run it as stateless',
  },
  {
    pattern: /SysVIPC shmem map|IPC ns|Can't dump nested pid namespace/,
    code: 'OBSTACLE_HOST_NAMESPACE',
    what: 'it shares IPC or processes with its host',
    hint: 'start it without --ipc=host and --pid=host',
  },
  {
    pattern: /Can't dump nested|nested .* namespace/,
    code: 'OBSTACLE_NESTED',
    what: 'it runs namespaces of its own (systemd or an engine inside)',
    hint: 'run one program per service',
  },
  {
    pattern: /proper root mount|unreachable sharing/,
    code: 'OBSTACLE_HOST_MOUNT',
    what: 'it has a mount that CRIU does not know',
    hint: 'start it without that host mount',
  },
  {
    pattern: /Can't get rlimit 0: Operation not permitted/,
    code: 'OBSTACLE_NOT_ROOT',
    what: 'it does not run as root, and this node lacks CAP_SYS_RESOURCE to look into it',
    hint: 'give the node CAP_SYS_RESOURCE (an ordinary host has it), or run the service as root',
  },
  {
    pattern: /CPU instruction capabilities do not match|xfeatures has unsupported bits|xsave size mismatch/,
    code: 'MOVE_CPU_DIFFERS',
    what: 'the processor lacks what the program has used',
    hint: 'move it to a node with the same processor',
  },
  {
    pattern: /No space left on device/,
    code: 'MOVE_NO_ROOM',
    what: 'there was no room left for the memory images',
    hint: 'free memory on this node (checkpoints are kept in a tmpfs)',
  },
  {
    pattern: /has bad (size|mode|build-ID)/,
    code: 'MOVE_LAYER_FAILED',
    what: 'a file of the service is not the same at the target',
    hint: 'this is a bug in Shoal unless somebody changed the copy: please report it',
  },
]

/** The lines CRIU marks as errors, without its clock; the last few. */
export const errorLines = (log: string): string[] =>
  log
    .split('\n')
    .filter(line => /\bError \(/.test(line))
    .map(line => line.replace(/^\(\d+\.\d+\)\s*\d*:?\s*/, '').trim())
    .slice(-5)

/** A log of a failed dump or restore as an error. `otherwise` is the code when no sentence is known. */
export function criuError(
  log: string,
  { name, otherwise, cause }: { readonly name: string; readonly otherwise: MoveErrorCode; readonly cause?: unknown },
): MoveError {
  const lines = errorLines(log)
  const reading = readings.find(each => each.pattern.test(log))
  const said = lines[0] ?? log.trim().split('\n').at(-1) ?? 'no log'
  if (reading !== undefined)
    return new MoveError(reading.code, { what: `${name}: ${reading.what} (${said})`, hint: reading.hint, cause })
  return new MoveError(otherwise, { what: `${name}: ${said}`, hint: 'CRIU says no more: see its log on that node', cause })
}
