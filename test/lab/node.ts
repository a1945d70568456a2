// One node of the lab as a test sees it: run a command in it, speak to its engine, start its daemon, cut its cable.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { dirname } from 'node:path'
import Docker from 'dockerode'
import { DaemonProcess, daemonLog, daemonSocketPath, type DaemonStart } from './daemon-process.ts'
import { LabError } from './errors.ts'
import { eventually } from './eventually.ts'
import { command, type CommandOptions, type CommandResult } from './host-command.ts'
import { importTestImage, testProgram, type TestImage } from './images.ts'
import { commandMs } from './limits.ts'
import { plug, unplug } from './network.ts'
import { openRelay, type Relay } from './relay.ts'
import type { NetworkName, NodeName } from './settings.ts'

export interface NodePlace {
  readonly name: NodeName
  readonly network: NetworkName
  readonly ip: string
  /** Container in the outer engine. */
  readonly containerId: string
  /** Pid of the container's init on this machine: its namespaces and its root are the node's. */
  readonly pid: number
}

/** A bounded load outside all services; see images/burner.c. */
export interface Load {
  readonly seconds: number
  /** Of one core, per thread. */
  readonly percent: number
  readonly threads: number
}

const nodePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Of a daemon that left when told to (0, 130, 143) or was killed (137). */
const expectedCodes = new Set([0, 130, 137, 143])

/** Does something accept connections on this unix socket? */
function accepts(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = createConnection(socketPath)
  socket.once('connect', () => {
    socket.destroy()
    resolve(true)
  })
  socket.once('error', () => resolve(false))
  return promise
}

export class LabNode implements AsyncDisposable {
  readonly name: NodeName
  readonly network: NetworkName
  readonly ip: string
  /** The node's own engine. */
  readonly docker: Docker
  readonly #place: NodePlace
  readonly #container: Docker.Container
  readonly #relay: Relay
  #daemon: DaemonProcess | undefined

  private constructor(place: NodePlace, outer: Docker, relay: Relay) {
    this.name = place.name
    this.network = place.network
    this.ip = place.ip
    this.#place = place
    this.#container = outer.getContainer(place.containerId)
    this.#relay = relay
    this.docker = new Docker({ socketPath: this.path('/run/docker.sock') })
  }

  /** A handle on a running node; opens the loopback port of its API. */
  static async attach(place: NodePlace, outer: Docker): Promise<LabNode> {
    return new LabNode(place, outer, await openRelay(() => `/proc/${place.pid}/root${daemonSocketPath}`))
  }

  /** A path in the node as a path on this machine. */
  path(inside: string): string {
    return `/proc/${this.#place.pid}/root${inside}`
  }

  /**
   * Runs a command in the node's namespaces (not in its cgroup: what it uses is not counted to the node; see {@link burn}).
   * Resolves with output and exit code, whatever the code is.
   */
  run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = Object.entries({ PATH: nodePath, HOME: '/root', ...options.env }).flatMap(([key, value]) =>
      value === undefined ? [] : [`${key}=${value}`],
    )
    const enter = ['nsenter', '-t', String(this.#place.pid), '-m', '-u', '-i', '-n', '-p', '--', 'env', '-i', ...env]
    const { env: _inside, ...rest } = options
    return command([...enter, ...argv], rest)
  }

  /** Runs a program of this machine in the node's network only: the node's own files are not seen. */
  runHere(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return command(['nsenter', '-t', String(this.#place.pid), '-n', '-u', '--', ...argv], options)
  }

  /** As {@link run}; an exit code other than 0 is an error. Resolves with standard output, trimmed. */
  async output(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    const { stdout, stderr, code } = await this.run(argv, options)
    if (code !== 0) {
      throw new LabError('LAB_COMMAND_FAILED', {
        what: `${this.name}: ${argv.join(' ')}: exit code ${code}; it said: ${(stderr || stdout).slice(-2000).trim()}`,
        hint: `try it: docker exec -it ${this.#place.containerId.slice(0, 12)} sh`,
      })
    }
    return stdout.trim()
  }

  /** `shoal ARGS` as a user of this node types it. */
  shoal(...args: readonly string[]): Promise<CommandResult> {
    return this.run(['shoal', ...args])
  }

  /** `shoal ARGS --json`, parsed; an exit code other than 0 is an error. */
  async shoalJson(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.output(['shoal', ...args, '--json']))
  }

  /** Starts the daemon and waits until it answers. A node runs one at a time. */
  async startDaemon(start: DaemonStart = {}): Promise<DaemonProcess> {
    if (this.#daemon !== undefined && (await this.#daemon.exitCode()) === undefined) {
      throw new LabError('LAB_UNAVAILABLE', {
        what: `${this.name}: a daemon runs already`,
        hint: 'stopDaemon() or killDaemon() first',
      })
    }
    const home = {
      name: this.name,
      container: this.#container,
      path: (inside: string) => this.path(inside),
      answers: () => accepts(this.path(daemonSocketPath)),
    }
    this.#daemon = await DaemonProcess.start(home, start)
    return this.#daemon
  }

  /** Asks the daemon to leave (SIGTERM) and waits. Resolves with its exit code; undefined when none ran. */
  async stopDaemon(deadlineMs?: number): Promise<number | undefined> {
    return this.#daemon?.end('SIGTERM', deadlineMs)
  }

  /** The daemon dies without a word. */
  async killDaemon(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT' = 'SIGKILL'): Promise<number | undefined> {
    return this.#daemon?.end(signal)
  }

  /** Everything the daemons of this node have written. */
  daemonLog(): string {
    return daemonLog(this)
  }

  /** `http://127.0.0.1:PORT` on this machine: the daemon's API. The port stays the same when the daemon is restarted. */
  get apiUrl(): string {
    return this.#relay.url
  }

  /** A request to the daemon's API. */
  api(path: string, init?: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.apiUrl), init)
  }

  /** Puts a test image on this node, and on no other. Resolves with its reference. */
  loadImage(name: TestImage): Promise<string> {
    return importTestImage(name, this.path('/run/docker.sock'))
  }

  writeFile(inside: string, content: string, mode = 0o644): void {
    mkdirSync(dirname(this.path(inside)), { recursive: true })
    writeFileSync(this.path(inside), content, { mode })
  }

  /**
   * Loads the node from outside its services: a process in the node's own cgroup, which ends by itself after `seconds`.
   * Disposing ends it earlier.
   */
  async burn({ seconds, percent, threads }: Load): Promise<AsyncDisposable> {
    const inside = '/usr/local/bin/burner'
    mkdirSync(this.path(dirname(inside)), { recursive: true })
    await cp(await testProgram('burner'), this.path(inside), { mode: 0 })
    const exec = await this.#container.exec({ Cmd: [inside, 'duty', String(seconds), String(percent), String(threads)] })
    await exec.start({ Detach: true })
    return {
      async [Symbol.asyncDispose]() {
        const { Running, Pid } = await exec.inspect()
        if (!Running || Pid <= 0) return
        process.kill(Pid, 'SIGTERM')
        await eventually(async () => !(await exec.inspect()).Running, {
          deadlineMs: commandMs,
          says: 'the load loop ends',
          everyMs: 20,
        })
      },
    }
  }

  /** Unplugs the node's cable: address and routes stay, nothing passes. */
  cut(): Promise<void> {
    return unplug(this.path(''))
  }

  /** Plugs it in again. */
  heal(): Promise<void> {
    return plug(this.path(''))
  }

  /** Back to a fresh host: no daemon, no containers, no data of Shoal. Images stay. */
  async reset(): Promise<void> {
    await this.heal()
    // Also a daemon of an earlier process, of which no handle is left.
    await this.#daemon?.end('SIGKILL')
    await this.run(['pkill', '-KILL', '-f', '^[^ ]*/node .*shoal.mjs'])
    await this.run(['pkill', '-KILL', '-x', 'burner'])
    for (const { Id, State } of await this.docker.listContainers({ all: true })) {
      const container = this.docker.getContainer(Id)
      // A paused container cannot always be removed by force; a killed one can.
      if (State === 'paused') await container.kill()
      await container.remove({ force: true, v: true })
    }
    for (const folder of ['/var/lib/shoal', '/run/shoal', '/etc/shoal', '/var/log/shoal.log']) {
      rmSync(this.path(folder), { recursive: true, force: true })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const code = await this.#daemon?.end('SIGKILL')
    // One that was running was killed just now; one that had ended by itself or was told to is worth a word only if it failed.
    if (code !== undefined && !expectedCodes.has(code)) console.warn(`${this.name}: the daemon had ended with code ${code}`)
    await this.#relay[Symbol.asyncDispose]()
  }
}
