// What stop-copy.lab.ts mounts at /usr/lib/shoal in its nodes instead of dist/: Node.js, the runtime shim, and the bundled test node.

import { chmod, copyFile, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))

/** What dockerode brings for engines behind ssh: left out of the bundle. */
const leftOut: Plugin = {
  name: 'left-out',
  setup: build => {
    build.onResolve({ filter: /^(ssh2|cpu-features|@grpc\/grpc-js|@grpc\/proto-loader|protobufjs)(\/.*)?$/ }, ({ path }) => ({
      path,
      namespace: 'left-out',
    }))
    build.onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {}' }))
  },
}

/** A folder as the nodes mount it: Node.js, the shim, and the program of this test. */
export async function makeDist(): Promise<string> {
  const dist = await mkdtemp(join(tmpdir(), 'shoal-stop-copy-'))
  await chmod(dist, 0o755)
  await copyFile(process.execPath, join(dist, 'node'))
  await copyFile(join(here, '../../migrate/shim/shoal-runtime.sh'), join(dist, 'shoal-runtime'))
  await chmod(join(dist, 'shoal-runtime'), 0o755)
  await build({
    entryPoints: [join(here, 'stop-copy-node.ts')],
    outfile: join(dist, 'stop-copy-node.mjs'),
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    logLevel: 'warning',
    plugins: [leftOut],
    banner: {
      js: `import { createRequire as __c } from 'node:module'
import { fileURLToPath as __f } from 'node:url'
import { dirname as __d } from 'node:path'
const require = __c(import.meta.url), __filename = __f(import.meta.url), __dirname = __d(__filename)`,
    },
  })
  return dist
}
