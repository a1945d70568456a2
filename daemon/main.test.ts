// The process itself: a start that fails ends at once, with its error line and its status.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** An engine that answers what a start asks, and keeps its connections open. */
const answers: Readonly<Record<string, object>> = {
  version: { Version: '28.5.2', ApiVersion: '1.51', MinAPIVersion: '1.24', Os: 'linux', Arch: 'amd64', KernelVersion: '6.12.0' },
  info: {
    ...{
      Architecture: 'x86_64',
      KernelVersion: '6.12.0',
      Driver: 'overlay2',
      DockerRootDir: '/var/lib/docker',
      CgroupVersion: '2',
    },
    ...{ Runtimes: { runc: {} }, DefaultRuntime: 'runc', SecurityOptions: [], ServerVersion: '28.5.2', OSType: 'linux' },
  },
}

test('a start whose mesh port is taken says so and ends at once', { timeout: 15_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-main-'))
  const engine = createServer((request, reply) => {
    const name = request.url?.split('?')[0]?.split('/').at(-1) ?? ''
    reply.setHeader('content-type', 'application/json').setHeader('api-version', '1.51')
    reply.end(JSON.stringify(answers[name] ?? {}))
  })
  const holder = createTcp()
  try {
    await once(engine.listen(join(dir, 'engine.sock')), 'listening')
    await once(holder.listen(0, '127.0.0.1'), 'listening')
    const address = holder.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const main = fileURLToPath(new URL('main.ts', import.meta.url))
    const flags = [
      '--data-dir',
      join(dir, 'data'),
      '--engine-socket',
      join(dir, 'engine.sock'),
      '--mdns=false',
      '--stateless-only',
    ]
    const child = spawn(process.execPath, [main, 'up', ...flags, '--listen-address', '127.0.0.1', '--port', String(port)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const saidAt = once(child.stderr, 'data').then(() => performance.now())
    const said = text(child.stderr)
    child.stdout.resume()
    const [code] = await once(child, 'exit')
    const endedAt = performance.now()
    expect(code).toBe(1)
    expect(await said).toContain(String(port))
    expect(endedAt - (await saidAt)).toBeLessThan(3_000)
  } finally {
    engine.closeAllConnections()
    engine.close()
    holder.close()
    await rm(dir, { recursive: true, force: true })
  }
})
