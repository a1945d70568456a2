// A node's key is made once, kept for itself, and never made anew where one was.

import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openIdentity } from './identity.ts'

async function folder() {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-identity-'))
  return { dir, dataDir: join(dir, 'data'), [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) }
}

test('the first start makes a key only its owner can read; later starts are the same node', async () => {
  await using at = await folder()
  const first = await openIdentity(at.dataDir)
  const second = await openIdentity(at.dataDir)
  expect(first.fresh).toBe(true)
  expect(second).toMatchObject({ id: first.id, fresh: false })
  expect(second.privateKey.equals(first.privateKey)).toBe(true)
  expect(first.id).toMatch(/^12D3KooW/)
  expect((await stat(at.dataDir)).mode & 0o777).toBe(0o700)
  expect((await stat(join(at.dataDir, 'identity'))).mode & 0o777).toBe(0o600)
  expect(await readdir(at.dataDir)).toEqual(['identity'])
})

test('two nodes are two', async () => {
  await using one = await folder()
  await using other = await folder()
  expect((await openIdentity(one.dataDir)).id).not.toBe((await openIdentity(other.dataDir)).id)
})

test('a key that others may read is refused', async () => {
  await using at = await folder()
  await openIdentity(at.dataDir)
  await chmod(join(at.dataDir, 'identity'), 0o640)
  await expect(openIdentity(at.dataDir)).rejects.toMatchObject({
    code: 'IDENTITY_EXPOSED',
    message: expect.stringContaining('640'),
  })
})

test.each([
  ['an empty file', ''],
  ['another first line', 'shoal-identity-9\nAAAA\n'],
  ['half a key', 'shoal-identity-1\nCAESQ\n'],
  ['too long a file', 'x'.repeat(5000)],
])('a damaged key stops the start and stays as it is: %s', async (_says, text) => {
  await using at = await folder()
  await openIdentity(at.dataDir)
  const path = join(at.dataDir, 'identity')
  await writeFile(path, text)
  await expect(openIdentity(at.dataDir)).rejects.toMatchObject({
    code: 'IDENTITY_CORRUPT',
    hint: expect.stringContaining('backup'),
  })
  expect(await readFile(path, 'utf8')).toBe(text)
})

test('a link in place of the key is refused', async () => {
  await using at = await folder()
  await openIdentity(at.dataDir)
  await rm(join(at.dataDir, 'identity'))
  await symlink('/etc/hostname', join(at.dataDir, 'identity'))
  await expect(openIdentity(at.dataDir)).rejects.toMatchObject({ code: 'IDENTITY_CORRUPT' })
})

test('a place that cannot be written is named', async () => {
  await expect(openIdentity('/etc/hostname/shoal')).rejects.toMatchObject({
    code: 'IDENTITY_UNREADABLE',
    message: expect.stringContaining('/etc/hostname/shoal'),
  })
})
