// What stands in the way of a move is named before the freeze where it can be seen, and read from CRIU's log where it cannot.

import { expect, test } from 'vitest'
import type { ContainerFacts } from '../ports.ts'
import { criuError } from './dump-log.ts'
import { hostEnds, linksOf } from './network-cut.ts'
import { refuseObstacles } from './obstacles.ts'
import { cpuDigest } from './probe.ts'
import { mappedPaths, memoryBytes, mptcpSockets, rootDevice, upperDirectory, watchedDevices } from './process-facts.ts'
import type { ContainerProcesses, ProcessFacts } from './process-facts.ts'
import { checkRoom } from './tmpfs-room.ts'

const container: ContainerFacts = {
  ...{
    id: 'c'.repeat(64),
    state: 'running',
    exitCode: null,
    hostname: 'h',
    tty: false,
    privileged: false,
    pidMode: '',
    ipcMode: 'private',
  },
  ...{ networkMode: 'bridge', devices: [], mounts: [], upperDir: '/upper' },
}
const first: ProcessFacts = {
  ...{ pid: 10, open: ['/dev/null', 'pipe:[1]', 'socket:[2]'], mapped: ['/ticker', '[heap]'], watched: [], memoryBytes: 4096 },
  namespaces: { pid: 'pid:[1]', mnt: 'mnt:[2]' },
}
const seen = (change: Partial<ProcessFacts>, rest: Partial<ContainerProcesses> = {}): ContainerProcesses => ({
  ...{ first: 10, processes: [first, { ...first, pid: 11, ...change }], rootDevice: '2f', mptcpSockets: 0 },
  ...rest,
})

test('a plain service has no obstacle', () => {
  expect(() => refuseObstacles('web', container, seen({}))).not.toThrow()
})

test.each<{
  says: string
  facts?: Partial<ContainerFacts>
  process?: Partial<ProcessFacts>
  rest?: Partial<ContainerProcesses>
  code: string
}>([
  { says: 'a terminal', facts: { tty: true }, code: 'OBSTACLE_TERMINAL' },
  { says: "the host's processes", facts: { pidMode: 'host' }, code: 'OBSTACLE_HOST_NAMESPACE' },
  { says: "the host's network", facts: { networkMode: 'host' }, code: 'OBSTACLE_HOST_NAMESPACE' },
  { says: "another container's IPC", facts: { ipcMode: 'container:x' }, code: 'OBSTACLE_HOST_NAMESPACE' },
  { says: 'a device given to it', facts: { devices: ['/dev/kvm'] }, code: 'OBSTACLE_DEVICE' },
  { says: 'a volume', facts: { mounts: [{ kind: 'volume', source: 'v', target: '/data' }] }, code: 'OBSTACLE_HOST_MOUNT' },
  { says: 'an io_uring', process: { open: ['anon_inode:[io_uring]'] }, code: 'OBSTACLE_IO_URING' },
  { says: 'a mapped io_uring', process: { mapped: ['anon_inode:[io_uring]'] }, code: 'OBSTACLE_IO_URING' },
  { says: 'a userfaultfd', process: { open: ['anon_inode:[userfaultfd]'] }, code: 'OBSTACLE_USERFAULTFD' },
  { says: 'an open device', process: { open: ['/dev/fuse'] }, code: 'OBSTACLE_DEVICE' },
  { says: 'a watch on its image', process: { watched: ['2f'] }, code: 'OBSTACLE_FILE_WATCH' },
  { says: 'a namespace of its own', process: { namespaces: { pid: 'pid:[9]', mnt: 'mnt:[2]' } }, code: 'OBSTACLE_NESTED' },
  { says: 'an MPTCP socket', rest: { mptcpSockets: 1 }, code: 'OBSTACLE_MPTCP' },
])('a service with $says is refused before the freeze, with a hint', ({ facts, process, rest, code }) => {
  expect(() => refuseObstacles('web', { ...container, ...facts }, seen(process ?? {}, rest))).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining('web'), hint: expect.stringMatching(/\w+/) }),
  )
})

test.each(['/dev/null', '/dev/pts/0', '/dev/shm/x', '/dev/urandom'])('%s is a device every container has', path => {
  expect(() => refuseObstacles('web', container, seen({ open: [path] }))).not.toThrow()
})

test('a watch on a tmpfs is no obstacle', () => {
  expect(() => refuseObstacles('web', container, seen({ watched: ['31'] }))).not.toThrow()
})

test.each([
  {
    line: "Error (criu/files-ext.c:98): Can't dump file 3 of that type [600] (unknown anon_inode:[io_uring])",
    code: 'OBSTACLE_IO_URING',
  },
  { line: 'Error (criu/sk-inet.c:190): inet: Unsupported proto 262 for socket 5', code: 'OBSTACLE_MPTCP' },
  { line: "Error (criu/fsnotify.c:284): fsnotify: Can't dump that handle", code: 'OBSTACLE_FILE_WATCH' },
  {
    line: 'Error (criu/sk-unix.c:859): unix: External socket is used. Consider using --ext-unix-sk',
    code: 'OBSTACLE_UNIX_SOCKET',
  },
  { line: "Error (criu/namespaces.c:466): Can't dump nested uts namespace for 77", code: 'OBSTACLE_NESTED' },
  { line: "Error (criu/proc_parse.c:1): Can't get rlimit 0: Operation not permitted", code: 'OBSTACLE_NOT_ROOT' },
  { line: 'Error (criu/page-pipe.c:1): write: No space left on device', code: 'MOVE_NO_ROOM' },
  { line: 'Error (criu/cpu.c:99): xsave size mismatch', code: 'MOVE_CPU_DIFFERS' },
  { line: 'Error (criu/odd.c:1): something new', code: 'MOVE_CHECKPOINT_FAILED' },
])("CRIU's '$line' is told as $code", ({ line, code }) => {
  const log = `(00.000001) Version: 4.2.1\n(00.012345) ${line}\n(00.012400) Error (criu/cr-dump.c:2111): Dumping FAILED.\n`
  expect(criuError(log, { name: 'web', otherwise: 'MOVE_CHECKPOINT_FAILED' })).toMatchObject({
    code,
    message: expect.stringContaining(line.slice(0, 30)),
  })
})

test('the kernel is read as it writes', () => {
  const mountinfo = [
    '100 99 0:47 / / rw,relatime - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/var/lib/docker/overlay2/x\\040y/diff,workdir=/w',
    '101 100 0:50 / /proc rw - proc proc rw',
  ].join('\n')
  expect(rootDevice(mountinfo)).toBe('2f')
  expect(upperDirectory(mountinfo)).toBe('/var/lib/docker/overlay2/x y/diff')
  expect(upperDirectory('100 99 8:1 / / rw - ext4 /dev/sda rw')).toBeUndefined()
  expect(watchedDevices('pos:\t0\ninotify wd:1 ino:5 sdev:2f mask:fce ignored_mask:0 fhandle-bytes:8')).toEqual(['2f'])
  expect(mappedPaths('00400000-00401000 r-xp 00000000 08:01 12 /bin/a b\n7f00-7f01 rw-p 00000000 00:00 0 \n')).toEqual([
    '/bin/a b',
  ])
  expect(memoryBytes('VmRSS:\t900 kB\nRssAnon:\t  100 kB\nRssFile:\t 700 kB\nRssShmem:\t 20 kB\nVmSwap:\t 4 kB\n')).toBe(
    124 * 1024,
  )
  expect(mptcpSockets('MPTCPv6   2000      1      -1\nMPTCP     1800      2      -1\nTCP 2400 9 1')).toBe(3)
})

test('the ends of the veth pairs are found by their index, and anything else is refused', () => {
  const host = linksOf('[{"ifindex":1,"ifname":"lo"},{"ifindex":9,"ifname":"veth12ab"}]')
  const inside = linksOf(
    '[{"ifindex":1,"ifname":"lo"},{"ifindex":2,"ifname":"eth0","link_index":9,"linkinfo":{"info_kind":"veth"}}]',
  )
  expect(hostEnds(inside, host)).toEqual(['veth12ab'])
  expect(hostEnds(linksOf('[{"ifindex":1,"ifname":"lo"}]'), host)).toEqual([])
  const macvlan = linksOf('[{"ifindex":2,"ifname":"eth0","link_index":9,"linkinfo":{"info_kind":"macvlan"}}]')
  expect(() => hostEnds(macvlan, host)).toThrow(expect.objectContaining({ code: 'MOVE_NETWORK_FAILED' }))
  expect(() => linksOf('{"ifindex":1}')).toThrow(expect.objectContaining({ code: 'MOVE_NETWORK_FAILED' }))
})

test.each([
  { says: 'the tmpfs', room: { tmpfsBytes: 1e8, machineBytes: 1e12, cgroupBytes: 1e12 } },
  { says: 'the machine', room: { tmpfsBytes: 1e12, machineBytes: 1e8, cgroupBytes: 1e12 } },
  { says: "the node's limit", room: { tmpfsBytes: 1e12, machineBytes: 1e12, cgroupBytes: 1e8 } },
])('a memory larger than $says holds is refused with the figures', ({ room }) => {
  expect(() => checkRoom(room, 2e8, '/run/shoal')).toThrow(
    expect.objectContaining({ code: 'MOVE_NO_ROOM', message: expect.stringMatching(/190 MiB.*95 MiB are left/) }),
  )
  expect(() => checkRoom(room, 1e7, '/run/shoal')).not.toThrow()
})

test('processors with the same instructions have the same digest, in whatever order they are listed', () => {
  const info = (flags: string): string => `processor\t: 0\nmodel name\t: X\nflags\t\t: ${flags}\n`
  expect(cpuDigest(info('avx sse2'), 'x64')).toBe(cpuDigest(info('sse2 avx'), 'x64'))
  expect(cpuDigest(info('avx sse2'), 'x64')).not.toBe(cpuDigest(info('avx avx2 sse2'), 'x64'))
  expect(cpuDigest(info('avx'), 'x64')).not.toBe(cpuDigest(info('avx'), 'arm64'))
})
