// Starts the lab and hands out its nodes: `await using lab = await startLab()`. The one entrance for tests and the demo.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Docker from 'dockerode'
import { cleanUp } from './cleanup.ts'
import { composeUp } from './compose.ts'
import { LabError } from './errors.ts'
import { eventually } from './eventually.ts'
import { command, output } from './host-command.ts'
import { engineUpMs, imageBuildMs, nodeLimits, type NodeLimits } from './limits.ts'
import { allowRouting } from './network.ts'
import { LabNode } from './node.ts'
import { Router } from './router.ts'
import { bridgeOf, chooseNet, mayBePrivileged, type LabSettings, nodeNames, type NodeName, places } from './settings.ts'

export interface LabOptions {
  /** Which nodes to start; all four by default. The router is always there. */
  readonly nodes?: readonly NodeName[]
  /** Name and label of this lab; `SHOAL_LAB`, else `shoal-test`. Two labs of different names do not meet. */
  readonly project?: string
  /** Use a lab of this name that is still up, and leave it up at the end; `SHOAL_KEEP=1`. Its nodes are reset first. */
  readonly keep?: boolean
  readonly limits?: Partial<Record<NodeName, NodeLimits>>
  /** tbf on every node, as tc writes it (`200mbit`); off by default. */
  readonly rate?: string
  /** What is mounted at /usr/lib/shoal; `dist/` by default. */
  readonly dist?: string
  /** Told what is going on, one line at a time. */
  readonly say?: (line: string) => void
  readonly signal?: AbortSignal
}

export interface Lab extends AsyncDisposable {
  readonly project: string
  readonly nodes: readonly LabNode[]
  /** @throws LabError LAB_UNAVAILABLE for a node that was not started. */
  node(name: NodeName): LabNode
  /** Between the networks: blocks, lets, delays. */
  readonly router: Router
  /** Writes every node's daemon log and engine log into `folder`. */
  saveLogs(folder: string): Promise<void>
}

const repository = fileURLToPath(new URL('../..', import.meta.url))
const imageScript = fileURLToPath(new URL('build-image.sh', import.meta.url))
const silent = () => undefined

/** Prefixes this machine uses already, but for those of `project`: its interfaces and its engine's networks. */
async function takenPrefixes(project: string): Promise<readonly string[]> {
  const ids = (await output(['docker', 'network', 'ls', '-q'])).split('\n').filter(id => id !== '')
  const format = '{{index .Labels "shoal.lab"}}|{{range .IPAM.Config}}{{.Subnet}} {{end}}'
  const networks = ids.length === 0 ? '' : await output(['docker', 'network', 'inspect', '--format', format, ...ids])
  const own = `${bridgeOf(project)}-`
  return [
    ...networks.split('\n').flatMap(line => {
      const [label, subnets] = line.split('|')
      return label === project ? [] : (subnets ?? '').split(' ').filter(subnet => subnet !== '')
    }),
    ...Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
      name.startsWith(own) ? [] : (addresses ?? []).map(({ address }) => address),
    ),
  ]
}

/** First two bytes of the addresses of a project that is up, if it is. */
async function netInUse(project: string): Promise<string | undefined> {
  const { stdout, code } = await command([
    'docker',
    'network',
    'inspect',
    '--format',
    '{{(index .IPAM.Config 0).Subnet}}',
    `${project}_lan-a`,
  ])
  return code === 0 ? /^\d+\.\d+/.exec(stdout)?.[0] : undefined
}

async function settingsFor(options: LabOptions, project: string, say: (line: string) => void): Promise<LabSettings> {
  say('image')
  const image = await output(['sh', imageScript], {
    deadlineMs: imageBuildMs,
    ...(options.signal ? { signal: options.signal } : {}),
  })
  const dist = options.dist ?? join(repository, 'dist')
  await mkdir(dist, { recursive: true })
  return {
    project,
    net: (await netInUse(project)) ?? chooseNet(project, await takenPrefixes(project)),
    bridge: bridgeOf(project),
    image,
    dist,
    privileged: mayBePrivileged(await readFile('/proc/self/status', 'utf8')),
    limits: { ...nodeLimits, ...options.limits },
    rate: options.rate,
  }
}

interface RunningContainer {
  readonly containerId: string
  readonly pid: number
}

/** Waits until the container of `name` has done what its entrypoint does. */
async function running(outer: Docker, settings: LabSettings, name: string): Promise<RunningContainer> {
  const container = outer.getContainer(`${settings.project}-${name}`)
  return eventually(
    async () => {
      const { Id, State } = await container.inspect()
      const { code } = await command(['test', '-e', `/proc/${State.Pid}/root/run/lab-ready`])
      return State.Running && code === 0 ? { containerId: Id, pid: State.Pid } : undefined
    },
    { deadlineMs: engineUpMs, says: `${settings.project}-${name} is ready (docker logs ${settings.project}-${name})` },
  )
}

async function attach(outer: Docker, settings: LabSettings, name: NodeName): Promise<LabNode> {
  const { network, suffix } = places[name]
  const container = await running(outer, settings, name)
  const node = await LabNode.attach({ name, network, ip: `${settings.net}.${suffix}`, ...container }, outer)
  await eventually(() => node.docker.ping(), { deadlineMs: engineUpMs, says: `the engine of ${name} answers` })
  return node
}

/** Does the node see the `dist/` that is there now? A build that replaced the folder leaves the mount on the old one. */
async function mountIsStale(settings: LabSettings, name: NodeName): Promise<boolean> {
  const inspected = await command(['docker', 'inspect', '--format', '{{.State.Pid}}', `${settings.project}-${name}`])
  if (inspected.code !== 0) return false
  const inodes = await command(['stat', '-c', '%d:%i', settings.dist, `/proc/${inspected.stdout.trim()}/root/usr/lib/shoal`])
  const [here, there] = inodes.stdout.trim().split('\n')
  return here !== there
}

/**
 * Brings the lab up (about 10 s; the very first time about a minute more) and resolves when every engine answers.
 * Disposing removes it by label, unless it is to be kept.
 * @throws LabError when an engine does not come up or the image cannot be made.
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const project = options.project ?? process.env['SHOAL_LAB'] ?? 'shoal-test'
  const keep = options.keep ?? process.env['SHOAL_KEEP'] === '1'
  const names = options.nodes ?? nodeNames
  const say = options.say ?? silent
  const outer = new Docker()
  if (!keep) await cleanUp(project)
  const settings = await settingsFor(options, project, say)
  const nodes: LabNode[] = []
  const stop = async () => {
    for (const node of nodes) await node[Symbol.asyncDispose]()
    if (!keep) await cleanUp(project)
  }
  try {
    if (keep && (await Promise.all(names.map(name => mountIsStale(settings, name)))).includes(true)) await cleanUp(project)
    say(`compose up: ${names.join(', ')}`)
    await composeUp(settings, ['router', ...names], options.signal)
    await allowRouting(settings)
    const router = new Router({ net: settings.net, outer, ...(await running(outer, settings, 'router')) })
    nodes.push(...(await Promise.all(names.map(name => attach(outer, settings, name)))))
    if (keep) await Promise.all([router.reset(), ...nodes.map(node => node.reset())])
    say('engines are up')
    return new RunningLab({ project, nodes, router, stop })
  } catch (error) {
    await stop()
    throw error
  }
}

class RunningLab implements Lab {
  readonly project: string
  readonly nodes: readonly LabNode[]
  readonly router: Router
  readonly #stop: () => Promise<void>

  constructor({ project, nodes, router, stop }: RunningLabParts) {
    this.project = project
    this.nodes = nodes
    this.router = router
    this.#stop = stop
  }

  node(name: NodeName): LabNode {
    const found = this.nodes.find(node => node.name === name)
    if (found === undefined) {
      throw new LabError('LAB_UNAVAILABLE', {
        what: `${name} was not started in this lab`,
        hint: 'name it in startLab({ nodes })',
      })
    }
    return found
  }

  async saveLogs(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true })
    for (const node of this.nodes) {
      await writeFile(join(folder, `${node.name}.log`), node.daemonLog())
      const engine = await command(['docker', 'logs', `${this.project}-${node.name}`])
      await writeFile(join(folder, `${node.name}-engine.log`), engine.stdout + engine.stderr)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }
}

interface RunningLabParts {
  readonly project: string
  readonly nodes: readonly LabNode[]
  readonly router: Router
  readonly stop: () => Promise<void>
}
