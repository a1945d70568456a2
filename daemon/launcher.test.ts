// The launcher finds the Node.js and the bundle beside it, from wherever it is called.

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const dir = mkdtempSync(join(tmpdir(), 'shoal-launcher-'))
afterAll(() => rmSync(dir, { recursive: true }))

mkdirSync(join(dir, 'lib'))
mkdirSync(join(dir, 'bin'))
copyFileSync(fileURLToPath(new URL('launcher/shoal', import.meta.url)), join(dir, 'lib/shoal'))
writeFileSync(join(dir, 'lib/node'), '#!/bin/sh\nfor word; do echo "$word"; done\n', { mode: 0o755 })
symlinkSync('../lib/shoal', join(dir, 'bin/relative'))
symlinkSync(join(dir, 'bin/relative'), join(dir, 'bin/absolute'))

test.each([
  { says: 'by its path', command: join(dir, 'lib/shoal'), cwd: '/', dirname: join(dir, 'lib') },
  { says: 'by a relative link', command: join(dir, 'bin/relative'), cwd: '/', dirname: `${dir}/bin/../lib` },
  { says: 'by a link to a link', command: join(dir, 'bin/absolute'), cwd: '/', dirname: `${dir}/bin/../lib` },
  { says: 'from its own folder', command: './shoal', cwd: join(dir, 'lib'), dirname: '.' },
])('called $says, it starts the bundle beside it and hands on every word as it is', ({ command, cwd, dirname }) => {
  const said = execFileSync(command, ['run', 'two words', ''], { cwd, encoding: 'utf8' })
  expect(said).toBe(`--max-semi-space-size=2\n${dirname}/shoal.mjs\nrun\ntwo words\n\n`)
})

test('called by name from the path, it is found too', () => {
  const said = execFileSync('sh', ['-c', 'relative up'], { encoding: 'utf8', env: { PATH: `${join(dir, 'bin')}:/usr/bin:/bin` } })
  expect(said).toContain('/shoal.mjs\nup\n')
})
