// What the doctor says of a finding: failed only where the node cannot run, and always the next step.

import { expect, test } from 'vitest'
import type { NodeProbe } from '../migrate/checkpoint/probe.ts'
import * as judge from './doctor-checks.ts'
import type { EngineInfo } from './engine.ts'
import { EngineError } from './errors.ts'

const info: EngineInfo = {
  version: '28.5.2',
  apiVersion: '1.51',
  arch: 'x64',
  kernel: '6.18.0',
  runtimes: ['runc', 'shoal'],
  defaultRuntime: 'runc',
  cgroupVersion: '2',
  storageDriver: 'overlay2',
  rootDir: '/var/lib/docker',
  securityOptions: ['name=seccomp,profile=builtin'],
}
const probe: NodeProbe = { criu: '4.2.1', runc: '1.3.6', criuConfigured: true, cpuDigest: 'abc', complaints: [] }
const hint = { id: 'n1', says: 'gateway 10.0.0.1 on eth0', device: 'eth0' }
const unreachable = new EngineError('ENGINE_UNREACHABLE', { what: 'the engine does not answer', hint: 'start it' })

test.each([
  { says: 'another Node.js', check: judge.node('v20.1.0'), level: 'failed' },
  { says: 'the right Node.js', check: judge.node('v24.21.0'), level: 'ok' },
  { says: 'no engine', check: judge.engine(unreachable), level: 'failed' },
  { says: 'an engine', check: judge.engine(info), level: 'ok' },
  { says: 'the shim registered', check: judge.runtime(info, false), level: 'ok' },
  { says: 'no shim', check: judge.runtime({ ...info, runtimes: ['runc'] }, false), level: 'warning' },
  { says: 'no shim, and none wanted', check: judge.runtime({ ...info, runtimes: ['runc'] }, true), level: 'ok' },
  { says: 'memory can move', check: judge.memoryMoves(probe, false), level: 'ok' },
  {
    says: 'an old CRIU',
    check: judge.memoryMoves({ ...probe, criu: null, complaints: ['CRIU 4.1 is too old: install 4.2'] }, false),
    level: 'warning',
  },
  { says: 'a profile that forbids io_uring', check: judge.seccomp(info), level: 'ok' },
  { says: 'a profile that allows io_uring', check: judge.seccomp({ ...info, version: '20.10.24' }), level: 'warning' },
  {
    says: 'no profile',
    check: judge.seccomp({ ...info, securityOptions: ['name=seccomp,profile=unconfined'] }),
    level: 'warning',
  },
  { says: 'a full disk', check: judge.dataDir('/d', { freeBytes: 1024, tmpfs: false }), level: 'failed' },
  { says: 'data in a tmpfs', check: judge.dataDir('/d', { freeBytes: 1e12, tmpfs: true }), level: 'warning' },
  { says: 'checkpoints on a disk', check: judge.runDir('/r', { freeBytes: 1e12, tmpfs: false }), level: 'warning' },
  { says: 'a port that is taken', check: judge.port('mesh port', 4747, 'taken'), level: 'failed' },
  { says: 'a port of our own', check: judge.port('mesh port', 4747, 'ours'), level: 'ok' },
  { says: 'a port that may not be opened', check: judge.port('mesh port', 80, { failed: 'EACCES' }), level: 'failed' },
  { says: 'no way out', check: judge.multicast(true, { ...hint, device: undefined }, ['eth0']), level: 'warning' },
  { says: 'a clock of 1970', check: judge.clock(0), level: 'warning' },
  { says: 'no GPU', check: judge.gpu({ count: 0, usePct: null, says: 'no GPU found' }), level: 'ok' },
  { says: 'an unknown variable', check: judge.configuration(['SHOAL_PROT is no setting']), level: 'warning' },
  { says: 'a member nobody confirmed', check: judge.membership(['vrone was let in']), level: 'warning' },
  { says: 'all confirmed', check: judge.membership([]), level: 'ok' },
  { says: 'no cgroups', check: judge.cgroups(undefined, { cores: 1, ramBytes: 1, gpus: 0 }), level: 'warning' },
])('$says: $level, with a next step unless all is well', ({ check, level }) => {
  expect(check.level).toBe(level)
  expect(check.hint === '').toBe(level === 'ok')
  expect(check.says).not.toBe('')
})

test('the interfaces mDNS does not go out on are listed', () => {
  expect(judge.multicast(true, hint, ['docker0', 'eth0', 'wlan0']).says).toContain('mDNS on eth0; skipped: docker0, wlan0')
})

test('a node without the shim is said to take no stateful service: it would not lose their memory, it refuses them', () => {
  expect(judge.runtime({ ...info, runtimes: ['runc'] }, false).says).toBe('not registered: no stateful service can move here')
})
