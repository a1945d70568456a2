// What the tests of moves see and ask: a witness at the engines, past Shoal, who heard every line and saw every life event of each service; and
// what a move may leave behind on a node. For move.lab.ts and faults.lab.ts.

import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { MoveReply } from '../../daemon/api/schema/move.ts'
import type { ServiceDetail } from '../../daemon/api/schema/service.ts'
import { EvidenceRecorder } from '../demo/evidence.ts'
import { memoryWentOn, oneCopyRan } from '../demo/judges.ts'
import type { LifeEvent, LogLine } from '../demo/judges.ts'
import { containersOf } from './containers.ts'
import { eventually } from './eventually.ts'
import { nodesSeenBy, servicesSeenBy } from './mesh.ts'
import type { LabNode } from './node.ts'

/** Never red by themselves, however busy this machine is: nothing moves but by hand. The target still has bounds. */
export const calm = { SHOAL_THRESHOLDS_CPU_PCT: '100', SHOAL_THRESHOLDS_RAM_PCT: '95' } as const

/** For what follows at once; generous for a busy machine. */
export const soonMs = 30_000
/** A move of some hundred MiB over a slow link, with recovery. */
export const moveMs = 90_000

/** The folders of a move below /run/shoal, on either side. */
const moveFolders = ['checkpoint', 'incoming', 'restore', 'restoring'] as const
type MoveFolder = (typeof moveFolders)[number]

/** Names in a folder of the node; empty where there is none. */
export function namesIn(node: LabNode, inside: string): readonly string[] {
  try {
    return readdirSync(node.path(inside))
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return []
    throw error
  }
}

export const moveFolder = (node: LabNode, folder: MoveFolder): readonly string[] => namesIn(node, `/run/shoal/${folder}`)

/** `shoal run` on `node`; resolves with what the API answered. */
export async function runService(
  node: LabNode,
  name: string,
  image: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<ServiceDetail> {
  return JSON.parse(await node.output(['shoal', 'run', '--json', '--name', name, ...flags, image, ...args])) as ServiceDetail
}

export interface MoveAnswer {
  readonly code: number
  readonly move: MoveReply
}

/** `shoal move REF TO --json`, asked of `node`. Its exit status and the record; an answer without one is an error. */
export async function moveBy(node: LabNode, ref: string, to: LabNode): Promise<MoveAnswer> {
  const { code, stdout, stderr } = await node.run(['shoal', 'move', '--json', ref, to.name], { deadlineMs: moveMs })
  if (stdout === '') throw new Error(`shoal move ${ref} ${to.name}: exit ${code}: ${stderr}`)
  return { code, move: JSON.parse(stdout) as MoveReply }
}

/** Resolves when `node` knows who runs the service: records travel by gossip. */
export const knows = (node: LabNode, name: string, owner: LabNode) =>
  eventually(() => servicesSeenBy(node), {
    deadlineMs: soonMs,
    says: `${node.name} sees ${name} running on ${owner.name}`,
    until: all => all.some(service => service.name === name && service.node === owner.name && service.state === 'running'),
  })

/** Watches the engines of `nodes` from outside. Services must be started after it. */
export class Witness implements AsyncDisposable {
  readonly #recorder: EvidenceRecorder
  readonly #nodes: readonly LabNode[]

  private constructor(recorder: EvidenceRecorder, nodes: readonly LabNode[]) {
    this.#recorder = recorder
    this.#nodes = nodes
  }

  static async of(project: string, nodes: readonly LabNode[]): Promise<Witness> {
    const recorder = new EvidenceRecorder(fileURLToPath(new URL(`../../.ci/out/${project}/`, import.meta.url)))
    for (const node of nodes) await recorder.watch(node)
    return new Witness(recorder, nodes)
  }

  lines(service: string): readonly LogLine[] {
    return this.#recorder.lines.filter(line => line.service === service)
  }

  events(service: string): readonly LifeEvent[] {
    return this.#recorder.events.filter(event => event.service === service)
  }

  /** Resolves when the engine of `node` has said `action` of the service, `times` times. */
  saw(node: LabNode, service: string, action: string, times = 1): Promise<readonly LifeEvent[]> {
    return eventually(() => this.events(service).filter(event => event.node === node.name && event.action === action), {
      deadlineMs: moveMs,
      says: `${node.name}: ${action} of ${service}`,
      until: seen => seen.length >= times,
      everyMs: 2,
    })
  }

  /** It prints on `node` from now on. */
  async ticks(service: string, node: LabNode): Promise<void> {
    const heard = () => this.lines(service).filter(line => line.node === node.name).length
    const before = heard()
    await eventually(heard, { deadlineMs: moveMs, says: `it ticks on ${node.name}`, until: count => count > before + 20 })
  }

  /**
   * A ticker runs on `home` alone, goes on there with the memory it has had from its first line, every count heard once, and at no moment two
   * copies ran. `heardOn`: all nodes it has ever been on.
   */
  async oneCopyWithItsMemory(service: string, home: LabNode, heardOn: readonly LabNode[]): Promise<void> {
    await this.oneCopyOn(service, home)
    await this.ticks(service, home)
    const names = heardOn.map(({ name }) => name)
    // The judge wants to have heard it on several nodes: of one that never left, that alone may be missing.
    const good = names.length > 1 ? /without a gap on / : new RegExp(`^it was heard on ${names.join()} only$`)
    const { detail } = await eventually(() => memoryWentOn(this.lines(service)), {
      deadlineMs: soonMs,
      says: 'one number, and every count once',
      until: verdict => good.test(verdict.detail),
    })
    for (const name of names) expect(detail).toContain(name)
    expect(new Set(this.lines(service).map(({ node }) => node))).toEqual(new Set(names))
  }

  /** By the engines: one running container of the service, on `home`; by their events: never two at once. */
  async oneCopyOn(service: string, home: LabNode): Promise<void> {
    await eventually(() => this.copies(service), {
      deadlineMs: moveMs,
      says: `one copy, on ${home.name}, running`,
      until: all => all.length === 1 && all[0] === `${home.name} running`,
    })
    await eventually(() => oneCopyRan(this.events(service)), {
      deadlineMs: soonMs,
      says: 'never two copies at once, and one at the end',
      until: verdict => verdict.ok,
    })
  }

  /** `lab3 running`, one for each container of the service there is. */
  async copies(service: string): Promise<readonly string[]> {
    const perNode = this.#nodes.map(async node =>
      (await containersOf(node, service)).map(({ State }) => `${node.name} ${State.Status}`),
    )
    return (await Promise.all(perNode)).flat()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#recorder[Symbol.asyncDispose]()
  }
}

/** No checkpoint files, no paused or never-started container of Shoal's, no capacity promised: nothing but what runs is left of moves. */
export async function nothingLeftOn(node: LabNode): Promise<void> {
  const left = async () => {
    const containers = await node.docker.listContainers({ all: true, filters: { label: ['shoal.service'] } })
    const self = (await nodesSeenBy(node)).find(each => each.self)
    return {
      files: moveFolders.flatMap(folder => moveFolder(node, folder).map(name => `${folder}/${name}`)),
      halted: containers.filter(({ State }) => State !== 'running').map(({ Names, State }) => `${Names[0]} ${State}`),
      promised: self?.reserved ?? null,
    }
  }
  const none = { files: [], halted: [], promised: { cpuPct: 0, ramPct: 0, gpuPct: 0 } }
  const last = await eventually(left, {
    deadlineMs: soonMs,
    says: `nothing of a move is left on ${node.name}`,
    until: ({ files, halted, promised }) => files.length + halted.length === 0 && promised?.cpuPct === 0 && promised.ramPct === 0,
  })
  expect(last).toEqual(none)
}
