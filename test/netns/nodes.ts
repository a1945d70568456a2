// Meshes in processes of their own on hosts of a test link: started, watched by what they print, stopped. Used by the *.lab.ts beside it.

import { mkdtemp, rm } from 'node:fs/promises'
import type { ChildProcess } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { LinkHost } from './link.ts'

export interface NodeStatus {
  readonly phase: string
  readonly meshId: string | null
  readonly via: string | null
  readonly says: string
  readonly members: readonly { readonly name: string; readonly state: string; readonly mdns: boolean }[]
  readonly peers: readonly { readonly name: string; readonly ageMs: number; readonly network: string }[]
  readonly waiting: number
}

export interface MeshProcess {
  readonly name: string
  status(): NodeStatus | undefined
  /** The last lines it printed, for a failure's report. */
  log(): string
  signal(signal: NodeJS.Signals): void
}

export interface Nodes extends AsyncDisposable {
  start(host: LinkHost): MeshProcess
}

/** Bundles the node's script once (twelve processes start faster and smaller from one file). */
export async function meshNodes(): Promise<Nodes> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-netns-'))
  const outfile = join(folder, 'mesh-node.mjs')
  await build({
    entryPoints: [join(dirname(fileURLToPath(import.meta.url)), 'mesh-node.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    logLevel: 'error',
    banner: { js: "import { createRequire as shoalRequire } from 'node:module'; const require = shoalRequire(import.meta.url);" },
  })
  const running: ChildProcess[] = []
  return {
    start(host) {
      const child = host.start(process.execPath, ['--max-semi-space-size=2', outfile, host.name], { PATH: process.env['PATH'] })
      running.push(child)
      return watched(host.name, child)
    },
    async [Symbol.asyncDispose]() {
      for (const child of running) {
        child.kill('SIGCONT')
        child.stdin?.end()
        child.kill('SIGKILL')
      }
      await Promise.all(running.map(child => ended(child)))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const LINES_MAX = 40

function watched(name: string, child: ChildProcess): MeshProcess {
  let status: NodeStatus | undefined
  const lines: string[] = []
  const note = (line: string): void => {
    lines.push(line)
    if (lines.length > LINES_MAX) lines.shift()
  }
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', line => {
      const said: { status?: NodeStatus } = JSON.parse(line)
      if (said.status === undefined) note(line)
      else status = said.status
    })
  }
  if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', note)
  child.once('exit', (code, signal) => note(`exited: ${code ?? signal}`))
  return { name, status: () => status, log: () => lines.join('\n'), signal: signal => void child.kill(signal) }
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => child.once('exit', () => resolve()))
}

/** Polls until every node is in one mesh with all of `nodes`, alive, by mDNS, without a click. @throws with each node's last words */
export async function oneMesh(nodes: readonly MeshProcess[], deadlineMs: number): Promise<void> {
  const names = nodes.map(({ name }) => name).toSorted()
  await eventually(nodes, deadlineMs, () =>
    nodes.every(node => {
      const status = node.status()
      return (
        status?.phase === 'member' &&
        status.meshId === nodes[0]?.status()?.meshId &&
        status.waiting === 0 &&
        equal(status.members.map(({ name }) => name).toSorted(), names) &&
        status.members.every(({ state }) => state === 'green') &&
        status.peers.length === names.length - 1
      )
    }),
  )
}

/** Polls until `holds`. @throws with each node's last words */
export async function eventually(nodes: readonly MeshProcess[], deadlineMs: number, holds: () => boolean): Promise<void> {
  const until = performance.now() + deadlineMs
  while (!holds()) {
    if (performance.now() > until) {
      const words = nodes.map(node => `--- ${node.name}\n${JSON.stringify(node.status())}\n${node.log()}`)
      throw new Error(`not within ${deadlineMs} ms\n${words.join('\n')}`)
    }
    await pause(100)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at])
}
