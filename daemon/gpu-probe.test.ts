// GPUs as recorded from machines that have them: NVIDIA, AMD, Jetson, none.

import { expect, test } from 'vitest'
import { findGpu, GpuProbe, type Listen } from './gpu-probe.ts'
import { recordedFiles } from './host-files.ts'

function host(texts: Record<string, string>) {
  const state = {
    now: 0,
    started: [] as (readonly string[])[],
    say: (_line: string) => undefined as void,
    end: (_why: string) => undefined as void,
    closed: 0,
  }
  const listen: Listen = (words, onLine, onEnd) => {
    state.started.push(words)
    state.say = onLine
    state.end = onEnd
    return () => {
      state.closed += 1
    }
  }
  const clock = { now: () => state.now, wallNow: () => 0, after: () => () => undefined }
  return { state, parts: { files: recordedFiles(texts), clock, listen, intervalMs: 5000 } }
}

test('a node without a GPU says so, starts nothing, and looks again later: a GPU may show up after boot', async () => {
  const texts: Record<string, string> = {}
  const { state, parts } = host(texts)
  const probe = new GpuProbe(parts)
  await probe.refresh()
  expect(probe.current()).toEqual({ count: 0, usePct: null, says: 'no GPU found' })
  texts['/sys/devices/platform/gpu.0/load'] = '370\n'
  state.now = 5000
  await probe.refresh()
  expect(probe.current().count).toBe(0)
  state.now = 61_000
  await probe.refresh()
  expect(probe.current()).toMatchObject({ count: 1, usePct: 37 })
  expect(state.started).toEqual([])
})

test('AMD cards are read from their files, and their mean counts', async () => {
  const { parts } = host({
    '/sys/class/drm/card0/device/gpu_busy_percent': '20\n',
    '/sys/class/drm/card1/device/gpu_busy_percent': '60\n',
    '/sys/class/drm/card0-HDMI-A-1/status': 'connected\n',
    '/sys/class/drm/card2/device/vendor': '0x8086\n',
  })
  expect(await (await findGpu(parts))?.read()).toMatchObject({ count: 2, usePct: 40 })
})

test('an older Jetson keeps its load elsewhere', async () => {
  const { parts } = host({ '/sys/devices/gpu.0/load': '1000\n' })
  expect(await (await findGpu(parts))?.read()).toMatchObject({ count: 1, usePct: 100 })
})

test('nvidia-smi is started once and heard line by line; what has grown old is unknown', async () => {
  const { state, parts } = host({ '/proc/driver/nvidia/gpus/0000:01:00.0/information': 'Model: x\n' })
  const probe = new GpuProbe(parts)
  await probe.refresh()
  expect(probe.current()).toMatchObject({ count: 1, usePct: null })
  state.say('0, 42')
  for (state.now = 5000; state.now <= 15_000; state.now += 5000) await probe.refresh()
  expect(probe.current().usePct).toBe(42)
  expect(state.started).toHaveLength(1)
  expect(state.started[0]).toContain('-lms')
  state.now = 16_000
  await probe.refresh()
  expect(probe.current().usePct).toBeNull()
})

test('a GPU that does not tell its use is there, with an unknown use', async () => {
  const { state, parts } = host({ '/proc/driver/nvidia/gpus/0/information': '' })
  const source = await findGpu(parts)
  state.say('0, [N/A]')
  state.say('garbage')
  expect(await source?.read()).toMatchObject({ count: 1, usePct: null })
})

test('a tool that has died is told, and started again after a minute', async () => {
  const { state, parts } = host({ '/proc/driver/nvidia/gpus/0/information': '' })
  const probe = new GpuProbe(parts)
  await probe.refresh()
  state.end('exit status 9')
  state.now = 30_000
  await probe.refresh()
  expect(probe.current().says).toContain('exit status 9')
  state.now = 61_000
  await probe.refresh()
  expect(state.started).toHaveLength(2)
  expect(state.closed).toBe(1)
})
