// The lab's test services as images, made on this machine and put on the one node that asks. No registry is involved.
//   ticker        holds N MiB of checked memory, prints a random number and a counter every 10 ms (images/ticker.c)
//   page-counter  the thesis's Node.js web server that counts views in memory (images/page-counter.mjs)
//   burner        bounded CPU and memory load (images/burner.c)

import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { output } from './host-command.ts'

export type TestImage = 'ticker' | 'page-counter' | 'burner'

/** The name a test image has in an engine. */
export const imageReference = (name: TestImage): string => `shoal/${name}:latest`

const sources = fileURLToPath(new URL('images/', import.meta.url))
const cache = join(process.env['SHOAL_CACHE'] ?? '/var/cache/shoal', 'images')
const compileFlags = ['-O2', '-Wall', '-Wextra', '-static', '-pthread']

const exists = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Puts what `make` writes into a fresh folder under a name that follows from `inputs`; made once, whoever asks. */
async function cached(
  name: string,
  inputs: readonly (string | Buffer)[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256')
  for (const input of inputs) hash.update(input).update('\0')
  const kept = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (await exists(kept)) return kept
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(`${kept}.part-`)
  try {
    await make(folder)
    await rename(folder, kept).catch(async (error: unknown) => {
      // Another process made the same in the meantime: as good.
      if (!(await exists(kept))) throw error
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return kept
}

/** Path of a static program of the lab, compiled where it is missing. */
export async function testProgram(name: 'ticker' | 'burner' | 'delay'): Promise<string> {
  const source = join(sources, `${name}.c`)
  const folder = await cached(name, [await readFile(source), compileFlags.join(' ')], async into => {
    await output(['gcc', ...compileFlags, '-o', join(into, name), source])
  })
  return join(folder, name)
}

/** Node.js 24 alone with the libraries it is linked to: enough to run one script in an otherwise empty image. */
async function nodeRoot(): Promise<string> {
  const script = join(sources, 'page-counter.mjs')
  return cached('page-counter', [process.version, await readFile(script)], async into => {
    const linked = await output(['ldd', process.execPath])
    const libraries = [...linked.matchAll(/(?:=> )?(\/\S+) \(0x/g)].flatMap(match => match[1] ?? [])
    for (const library of libraries) {
      await mkdir(join(into, dirname(library)), { recursive: true })
      await cp(library, join(into, library), { dereference: true })
    }
    await cp(process.execPath, join(into, 'node'), { dereference: true })
    await cp(script, join(into, 'page-counter.mjs'))
  })
}

interface Recipe {
  readonly root: string
  readonly changes: readonly string[]
}

async function recipe(name: TestImage): Promise<Recipe> {
  if (name === 'page-counter') {
    return { root: await nodeRoot(), changes: ['ENTRYPOINT ["/node", "/page-counter.mjs"]', 'EXPOSE 8080'] }
  }
  return { root: dirname(await testProgram(name)), changes: [`ENTRYPOINT ["/${name}"]`] }
}

/** Makes a test image and imports it into the engine that listens on `socketPath`. Resolves with its reference. */
export async function importTestImage(name: TestImage, socketPath: string): Promise<string> {
  const { root, changes } = await recipe(name)
  const tar = `${root}.tar`
  if (!(await exists(tar))) {
    await output(['tar', '--owner=0', '--group=0', '--numeric-owner', '-C', root, '-cf', `${tar}.${process.pid}`, '.'])
    await rename(`${tar}.${process.pid}`, tar)
  }
  const reference = imageReference(name)
  const flags = changes.flatMap(change => ['--change', change])
  await output(['docker', '-H', `unix://${socketPath}`, 'import', ...flags, tar, reference], { deadlineMs: 120_000 })
  return reference
}
