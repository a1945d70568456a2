// How does Shoal become files that run without npm? `node daemon/build.ts` fills dist/: one bundle, level's native part beside it, the runtime shim,
// Node.js 24 and the launcher. dist/ itself is kept and its files are replaced one by one: it may be mounted where daemons run.

import { chmod, constants, copyFile, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { DaemonError } from './errors.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const dist = join(root, 'dist')

/** Level's binding looks for its native file by package folders; in a bundle there are none. */
const nativeBeside: Plugin = {
  name: 'native-beside',
  setup: build => {
    build.onLoad({ filter: /classic-level[\\/]binding\.js$/ }, () => ({
      contents: "module.exports = require(require('node:path').join(globalThis.__shoalDir, 'classic-level.node'))",
      loader: 'js',
    }))
  },
}

/** What dockerode brings for engines behind ssh and for building images: neither is used, both are large. */
const leftOut: Plugin = {
  name: 'left-out',
  setup: build => {
    build.onResolve({ filter: /^(ssh2|cpu-features|@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)(\/.*)?$/ }, ({ path }) => ({
      path,
      namespace: 'left-out',
    }))
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {}', loader: 'js' }))
  },
}

// CommonJS packages inside the bundle ask for `require`, `__filename` and `__dirname`.
const banner = `import { createRequire as __createRequire } from 'node:module'
import { fileURLToPath as __fileURLToPath } from 'node:url'
import { dirname as __dirnameOf } from 'node:path'
const require = __createRequire(import.meta.url)
const __filename = __fileURLToPath(import.meta.url)
const __dirname = __dirnameOf(__filename)
globalThis.__shoalDir = __dirname`

async function bundle(): Promise<void> {
  const beside = join(dist, '.shoal.mjs.new')
  await build({
    entryPoints: [join(root, 'daemon/main.ts')],
    outfile: beside,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minify: false,
    keepNames: true,
    legalComments: 'none',
    banner: { js: banner },
    plugins: [nativeBeside, leftOut],
    logLevel: 'warning',
  })
  await rename(beside, join(dist, 'shoal.mjs'))
}

/** Copies unless the copy is already the same by size and time; replaces by rename, so that what runs keeps what it has open. */
async function place(from: string, name: string, mode: number): Promise<void> {
  const to = join(dist, name)
  const source = await stat(from)
  const there = await stat(to).catch(() => undefined)
  if (there?.size === source.size && there.mtimeMs === source.mtimeMs && (there.mode & 0o777) === mode) return
  const beside = join(dist, `.${name}.new`)
  await copyFile(from, beside, constants.COPYFILE_FICLONE)
  await chmod(beside, mode)
  await utimes(beside, source.atime, source.mtime)
  await rename(beside, to)
}

/** The prebuilt file for this platform; the Node.js shipped beside it is the glibc one. */
async function nativeLevel(): Promise<string> {
  const path = join(root, `node_modules/classic-level/prebuilds/${process.platform}-${process.arch}/classic-level.node`)
  if ((await stat(path).catch(() => undefined)) !== undefined) return path
  throw new DaemonError('BUILD_FAILED', {
    what: `classic-level brings no prebuilt file for ${process.platform}-${process.arch}`,
    hint: 'build on linux-x64 or linux-arm64',
  })
}

const FILES = ['shoal', 'shoal.mjs', 'shoal-runtime', 'node', 'classic-level.node']

await mkdir(dist, { recursive: true })
for (const name of await readdir(dist)) if (!FILES.includes(name)) await rm(join(dist, name), { recursive: true })
await bundle()
await place(await nativeLevel(), 'classic-level.node', 0o644)
await place(join(root, 'migrate/shim/shoal-runtime.sh'), 'shoal-runtime', 0o755)
await place(process.execPath, 'node', 0o755)
await place(join(root, 'daemon/launcher/shoal'), 'shoal', 0o755)
