// A link of its own for tests: one bridge in a network namespace that reaches nothing outside, and hosts (namespaces of their own) that can
// be plugged into it and out again. Needs root and iproute2. Namespaces live as long as a process holds them: when the test ends, however
// it ends, the holders' input closes, they exit, and every interface goes with them.

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface LinkHost {
  readonly name: string
  readonly address: string
  /** Connects the host to the bridge: an address, and a default route (multicast needs one). */
  plugIn(): Promise<void>
  pullOut(): Promise<void>
  /** Starts a program on the host. */
  start(command: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess
}

export interface Link extends AsyncDisposable {
  host(name: string): Promise<LinkHost>
}

/** Makes the link. @throws when not root, or `ip`, `unshare` or `nsenter` is missing */
export async function makeLink(): Promise<Link> {
  const outer = await holdNamespace([])
  const inOuter = (...args: readonly string[]) => run('nsenter', ['-t', String(outer.pid), '-n', 'ip', ...args])
  await inOuter('link', 'set', 'lo', 'up')
  await inOuter('link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0')
  await inOuter('addr', 'add', '10.98.0.254/24', 'dev', 'br0')
  await inOuter('link', 'set', 'br0', 'up')
  const holders = [outer.process]
  let count = 0
  return {
    async host(name) {
      count += 1
      const number = count
      const holder = await holdNamespace([])
      holders.push(holder.process)
      const inHost = (...args: readonly string[]) => run('nsenter', ['-t', String(holder.pid), '-n', 'ip', ...args])
      await inHost('link', 'set', 'lo', 'up')
      const address = `10.98.0.${number}`
      return {
        name,
        address,
        async plugIn() {
          await inOuter('link', 'add', `v${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder.pid))
          await inOuter('link', 'set', `v${number}`, 'master', 'br0', 'up')
          await inHost('addr', 'add', `${address}/24`, 'dev', 'eth0')
          await inHost('link', 'set', 'eth0', 'up')
          await inHost('route', 'add', 'default', 'via', '10.98.0.254')
        },
        async pullOut() {
          await inOuter('link', 'del', `v${number}`)
        },
        start: (command, args, env) =>
          spawn('nsenter', ['-t', String(holder.pid), '-n', command, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] }),
      }
    },
    async [Symbol.asyncDispose]() {
      for (const holder of holders) holder.stdin?.end()
      await Promise.all(holders.map(holder => exited(holder)))
    },
  }
}

/** A process that does nothing but keep a fresh network namespace alive until its input closes. */
async function holdNamespace(args: readonly string[]): Promise<{ readonly process: ChildProcess; readonly pid: number }> {
  const holder = spawn('unshare', ['--net', ...args, 'sh', '-c', 'echo ready; read _; true'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    holder.once('error', reject)
    holder.once('exit', code => reject(new Error(`unshare --net exited with ${code}: root is needed`)))
    holder.stdout.once('data', () => resolve())
  })
  if (holder.pid === undefined) throw new Error('unshare did not start')
  return { process: holder, pid: holder.pid }
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => child.once('exit', () => resolve()))
}
