// What travels as an archive: an image without the layers that are known, and CRIU's images as plain files.

import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extract, pack } from 'tar-stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bytesOf } from './bytes.ts'
import { packFolder, unpackFolder } from './checkpoint-dir.ts'
import { missingLayers, sameLayers } from './image-layers.ts'
import { partialImage } from './images.ts'

let base = ''
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'shoal-archives-'))
})
afterAll(() => rm(base, { recursive: true, force: true }))

const hex = (digit: string): string => digit.repeat(64)

function archive(files: Readonly<Record<string, string>>): AsyncIterable<Uint8Array> {
  const writer = pack()
  for (const [name, text] of Object.entries(files)) writer.entry({ name }, text)
  writer.finalize()
  return bytesOf(writer)
}
async function namesIn(tar: AsyncIterable<Uint8Array>): Promise<string[]> {
  const reader = extract()
  const chunks: Uint8Array[] = []
  for await (const chunk of tar) chunks.push(chunk)
  reader.end(Buffer.concat(chunks))
  const names: string[] = []
  for await (const entry of reader) {
    names.push(entry.header.name)
    entry.resume()
  }
  return names
}

const saved = (): AsyncIterable<Uint8Array> =>
  archive({
    [`blobs/sha256/${hex('a')}`]: 'lower layer',
    [`blobs/sha256/${hex('b')}`]: 'upper layer',
    [`blobs/sha256/${hex('c')}`]: '{"config":1}',
    'manifest.json': '[]',
    'index.json': '{}',
    'oci-layout': '{}',
  })

test('an image travels with its missing layers, its configuration and its manifests, and without the rest', async () => {
  const all = [`sha256:${hex('a')}`, `sha256:${hex('b')}`]
  expect(await namesIn(partialImage(saved(), all, [`sha256:${hex('b')}`]))).toEqual([
    `blobs/sha256/${hex('b')}`,
    `blobs/sha256/${hex('c')}`,
    'manifest.json',
    'index.json',
    'oci-layout',
  ])
  expect(await namesIn(partialImage(saved(), all, all))).toHaveLength(6)
})

test('an archive that breaks off ends the partial one with the error, not with less', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(100)
    throw new Error('the engine closed the line')
  }
  await expect(namesIn(partialImage(broken(), [], []))).rejects.toThrow('the engine closed the line')
})

test('layers are compared in order, and each missing one is asked for once', () => {
  expect(sameLayers(['a', 'b'], ['a', 'b'])).toBe(true)
  expect(sameLayers(['a', 'b'], ['b', 'a'])).toBe(false)
  expect(sameLayers(['a'], ['a', 'b'])).toBe(false)
  expect(missingLayers(['a', 'b', 'a', 'c'], new Set(['b']))).toEqual(['a', 'c'])
})

test('a folder of images arrives whole, within the size it was announced with', async () => {
  const from = join(base, 'from')
  await mkdir(join(from, 'folder'), { recursive: true })
  await writeFile(join(from, 'pages-1.img'), Buffer.alloc(1_000_001, 7))
  await writeFile(join(from, 'core-1.img'), 'registers')
  await writeFile(join(from, 'empty.img'), '')
  await symlink('/etc/passwd', join(from, 'link.img'))
  const { chunks, atMostBytes } = await packFolder(from)
  let bytes = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      bytes += chunk.length
      yield chunk
    }
  }
  await unpackFolder(join(base, 'to'), counted())
  expect(bytes).toBeLessThanOrEqual(atMostBytes)
  expect((await readdir(join(base, 'to'))).toSorted()).toEqual(['core-1.img', 'empty.img', 'pages-1.img'])
  expect(await readFile(join(base, 'to', 'core-1.img'), 'utf8')).toBe('registers')
  expect(Buffer.compare(await readFile(join(base, 'to', 'pages-1.img')), Buffer.alloc(1_000_001, 7))).toBe(0)
})

test.each(['../escape', '/etc/passwd', 'folder/file', '.hidden'])('a checkpoint with a file named %s is refused', async name => {
  const folder = join(base, `bad-${name.replaceAll('/', '_')}`)
  await expect(unpackFolder(folder, archive({ [name]: 'x' }))).rejects.toMatchObject({ code: 'MOVE_BAD_MESSAGE' })
  expect(await readdir(folder)).toEqual([])
})
