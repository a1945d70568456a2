// The runtime shim's `start`, run by a shell beside pipes like those its `create` leaves. The restore itself needs an engine: test/lab/stop-copy.lab.ts.

import { execFile, spawn } from 'node:child_process'
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'

const run = promisify(execFile)
const shim = join(import.meta.dirname, 'shoal-runtime.sh')
let home = ''
let claimed = ''

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'shim-'))
  claimed = join(home, 'restoring/c1')
  await mkdir(claimed, { recursive: true })
  await run(
    'mkfifo',
    ['created', 'go', 'done'].map(name => join(claimed, name)),
  )
})
afterEach(() => rm(home, { recursive: true, force: true }))

/** The engine's call, and what stands in the log it reads afterwards. */
async function start(): Promise<{ code: number; log: string }> {
  const log = join(home, 'log.json')
  await writeFile(log, '')
  const env = { ...process.env, SHOAL_RUN_DIR: home, SHOAL_RUNC: 'false' }
  const code = await run('sh', [shim, '--log', log, 'start', 'c1'], { env, timeout: 8_000 }).then(
    () => 0,
    (error: { code?: number | null }) => error.code ?? -1,
  )
  return { code, log: await readFile(log, 'utf8') }
}

test('a start after the restore was over, its hook gone with an engine that fell, fails at once with the status', async () => {
  await writeFile(join(claimed, 'status'), '124\n')
  expect(await start()).toEqual({ code: 1, log: expect.stringContaining('restore of c1 failed (124)') })
})

test.each([
  { status: '0', code: 0 },
  { status: '137', code: 1 },
])('a start releases the hook and answers with the status of the restore: $status', async ({ status, code }) => {
  const hook = spawn('sh', ['-c', `[ "$(cat go)" = go ] && echo ${status} > done`], { cwd: claimed })
  try {
    expect((await start()).code).toBe(code)
  } finally {
    hook.kill()
  }
})
