// What `shoal setup` promises about the files of a host: everything else stays, twice is once, and undo gives back what was.

import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { criuConfigLines } from '../migrate/checkpoint/criu-config.ts'
import { engineProcess } from './engine-process.ts'
import { recordedFiles } from './host-files.ts'
import { applyChanges, planChanges, type SetupPaths, type SetupTexts } from './setup.ts'
import { unifiedDiff } from './unified-diff.ts'

const paths: SetupPaths = { daemonJson: '/d', criuConf: '/c', note: '/n' }
const shim = '/usr/lib/shoal/shoal-runtime'

/** The texts after a plan is applied. */
function after(texts: SetupTexts, undo = false): SetupTexts {
  const now = { ...texts }
  for (const change of planChanges(texts, paths, shim, undo)) {
    if (change.path === '/d') now.daemonJson = change.after
    else if (change.path === '/c') now.criuConf = change.after
    else now.note = change.after
  }
  return now
}

const bare: SetupTexts = { daemonJson: undefined, criuConf: undefined, note: undefined }
const json = (text: string | undefined): unknown => JSON.parse(text ?? '')

test('a bare host gets the runtime and the options, and undo leaves no file behind', () => {
  const done = after(bare)
  expect(json(done.daemonJson)).toEqual({ runtimes: { shoal: { path: shim } } })
  expect(done.criuConf?.split('\n')).toEqual(expect.arrayContaining([...criuConfigLines]))
  expect(after(done, true)).toEqual(bare)
})

test('what others have written stays, in its own indentation', () => {
  const daemonJson = '{\n    "log-driver": "local",\n    "runtimes": { "nvidia": { "path": "nvidia-container-runtime" } }\n}\n'
  const done = after({ ...bare, daemonJson, criuConf: 'log-level 2\n' })
  expect(json(done.daemonJson)).toEqual({
    'log-driver': 'local',
    runtimes: { nvidia: { path: 'nvidia-container-runtime' }, shoal: { path: shim } },
  })
  expect(done.daemonJson).toContain('\n    "log-driver"')
  expect(done.criuConf?.startsWith('log-level 2\n')).toBe(true)
  expect(after(done, true)).toEqual({ ...bare, daemonJson, criuConf: 'log-level 2\n' })
})

test('setup twice is setup once', () => {
  const done = after(bare)
  expect(planChanges(done, paths, shim, false)).toEqual([])
})

test('undo after somebody else changed a file takes out what is ours and nothing else', () => {
  const done = after({ ...bare, daemonJson: '{"debug": false}' })
  const touched = {
    ...done,
    daemonJson: (done.daemonJson ?? '').replace('false', 'true'),
    criuConf: `${done.criuConf ?? ''}log-level 4\n`,
  }
  const undone = after(touched, true)
  expect(json(undone.daemonJson)).toEqual({ debug: true })
  expect(undone.criuConf).toBe('log-level 4\n')
})

test('undo without a note takes out what is marked as ours', () => {
  const done = after({ ...bare, daemonJson: '{"debug": true}' })
  const undone = after({ ...done, note: undefined }, true)
  expect(json(undone.daemonJson)).toEqual({ debug: true })
  expect(undone.criuConf).toBeUndefined()
})

test('undo on a host that was never set up changes nothing', () => {
  expect(planChanges({ ...bare, daemonJson: '{"debug":true}', criuConf: 'tcp-close\n' }, paths, shim, true)).toEqual([])
})

test('a shim that has moved is registered anew, and undo still gives back what was before the first setup', () => {
  const before = { ...bare, daemonJson: '{"debug": true}\n' }
  const first = after(before)
  const moved = { ...first }
  for (const change of planChanges(first, paths, '/opt/shim', false)) {
    if (change.path === '/d') moved.daemonJson = change.after
    if (change.path === '/n') moved.note = change.after
  }
  expect(json(moved.daemonJson)).toMatchObject({ runtimes: { shoal: { path: '/opt/shim' } } })
  expect(after(moved, true).daemonJson).toBe(before.daemonJson)
})

test.each(['not json', '[1]', '{"runtimes": 5}'])(
  'a daemon.json that the engine itself could not read is refused, untouched: %s',
  daemonJson => {
    expect(() => planChanges({ ...bare, daemonJson }, paths, shim, false)).toThrow(
      expect.objectContaining({ code: 'SETUP_UNREADABLE' }),
    )
  },
)

test('whatever was in the files, setup and undo give it back letter by letter', () => {
  const daemonJson = fc.option(
    fc
      .dictionary(
        fc.string().filter(key => key !== 'runtimes'),
        fc.jsonValue(),
      )
      .map(value => JSON.stringify(value)),
    { nil: undefined },
  )
  const criuConf = fc.option(fc.string(), { nil: undefined })
  fc.assert(
    fc.property(daemonJson, criuConf, (daemon, criu) => {
      const before = { ...bare, daemonJson: daemon, criuConf: criu }
      expect(after(after(before), true)).toEqual(before)
    }),
  )
})

test('files are replaced whole, keep their rights, and leave nothing beside them', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-setup-'))
  try {
    await writeFile(join(dir, 'a'), 'old')
    await chmod(join(dir, 'a'), 0o600)
    await applyChanges([
      { path: join(dir, 'a'), before: 'old', after: 'new' },
      { path: join(dir, 'new/b'), before: undefined, after: 'b' },
      { path: join(dir, 'gone'), before: 'x', after: undefined },
    ])
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('new')
    expect((await stat(join(dir, 'a'))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(dir, 'new/b'), 'utf8')).toBe('b')
    expect(await readdir(dir)).toEqual(['a', 'new'])
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('the engine is found by its pid file, else as the only one there is', async () => {
  expect(
    await engineProcess(recordedFiles({ '/run/docker.pid': '7\n', '/proc/7/comm': 'dockerd\n', '/proc/8/comm': 'dockerd\n' })),
  ).toEqual({ pid: 7 })
  expect(
    await engineProcess(recordedFiles({ '/run/docker.pid': '9\n', '/proc/9/comm': 'sleep\n', '/proc/8/comm': 'dockerd\n' })),
  ).toEqual({ pid: 8 })
  expect(await engineProcess(recordedFiles({ '/proc/7/comm': 'dockerd\n', '/proc/8/comm': 'dockerd\n' }))).toBeUndefined()
  expect(await engineProcess(recordedFiles({ '/proc/7/comm': 'init\n' }))).toBeUndefined()
})

test('a diff shows what changes with three lines around it', () => {
  const lines = Array.from({ length: 20 }, (_, at) => `line ${at + 1}`)
  const changed = lines.with(9, 'another').toSpliced(15, 1)
  expect(unifiedDiff('/f', `${lines.join('\n')}\n`, `${changed.join('\n')}\n`)).toBe(
    [
      '--- /f',
      '+++ /f',
      '@@ -7,13 +7,12 @@',
      ' line 7',
      ' line 8',
      ' line 9',
      '-line 10',
      '+another',
      ' line 11',
      ' line 12',
      ' line 13',
      ' line 14',
      ' line 15',
      '-line 16',
      ' line 17',
      ' line 18',
      ' line 19',
      '',
    ].join('\n'),
  )
  expect(unifiedDiff('/f', 'a\n', 'a\n')).toBe('')
  expect(unifiedDiff('/f', undefined, 'a\n')).toBe('--- /dev/null\n+++ /f\n@@ -0,0 +1,1 @@\n+a\n')
})
