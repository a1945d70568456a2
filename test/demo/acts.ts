// The acts of the demo, in order. Each makes something happen, waits until the mesh has answered by itself, and judges the answer from the
// moves the nodes recorded. A node is made red as in the thesis: one bounded load loop on it, outside all services.

import type { MoveReply } from '../../daemon/api/schema/move.ts'
import { eventually } from '../lab/eventually.ts'
import type { Lab } from '../lab/lab.ts'
import type { NodeLimits } from '../lab/limits.ts'
import { movesOf, nodesSeenBy, servicesSeenBy } from '../lab/mesh.ts'
import type { LabNode } from '../lab/node.ts'
import type { NodeName } from '../lab/settings.ts'
import type { Check, CheckName } from './report.ts'

/** A node turns red within a few samples, and its services leave one after the other; generous for a busy machine. */
const actMs = 90_000
/** Longer than any act: each loop is ended by its act, and ends by itself if the demo dies. */
const loadSeconds = 180
/** Of the node's own cores: well over the threshold of 50 % with the loop alone. */
const redPercent = 75
/** Of the node's own cores: green, and the busiest of the green ones. */
const busyPercent = 20
/** Percent of whichever node hosts it, as the thesis writes a need. */
const need = '5%'

export interface Stage {
  readonly lab: Lab
  readonly say: (line: string) => void
  readonly check: (check: Check) => void
}

/**
 * Smaller than the lab's own: three nodes are red at once and services move, all on a machine of two cores. Were the loops starved, a node
 * would turn green by itself.
 */
export const demoLimits = {
  lab3: { cpus: 0.5, memory: '1g' },
  vrone: { cpus: 0.6, memory: '2g' },
  lab4: { cpus: 0.6, memory: '2g' },
  mec: { cpus: 1, memory: '4g' },
} as const satisfies Record<NodeName, NodeLimits>

/** The load loop on `node`, at `percent` of the node's own capacity. */
const load = (node: LabNode, percent: number) =>
  node.burn({ seconds: loadSeconds, percent: percent * demoLimits[node.name].cpus, threads: 1 })

/** Waits until every node sees `node` in `state`. */
async function allSee(stage: Stage, name: NodeName, state: 'red' | 'green'): Promise<void> {
  for (const viewer of stage.lab.nodes) {
    await eventually(() => nodesSeenBy(viewer), {
      deadlineMs: actMs,
      says: `${viewer.name} sees ${name} ${state}`,
      until: nodes => nodes.some(node => node.name === name && node.state === state),
    })
  }
  stage.say(`${name} is ${state}`)
}

/** Waits until `services` run on `target` in the whole mesh's eyes. */
async function allRunOn(stage: Stage, services: readonly string[], target: NodeName): Promise<void> {
  for (const viewer of stage.lab.nodes) {
    await eventually(() => servicesSeenBy(viewer), {
      deadlineMs: actMs,
      says: `${viewer.name} sees ${services.join(', ')} running on ${target}`,
      until: seen => services.every(name => seen.some(s => s.name === name && s.node === target && s.state === 'running')),
    })
  }
}

const run = (node: LabNode, name: string, image: string, ...args: readonly string[]): Promise<string> =>
  node.output(['shoal', 'run', '--name', name, '--type', 'stateful', '--cpu', need, image, ...args])

/** All moves of the mesh as their sources recorded them, oldest first. */
export async function allMoves(lab: Lab): Promise<MoveReply[]> {
  const perNode = await Promise.all(lab.nodes.map(movesOf))
  return perNode
    .flat()
    .filter(({ side }) => side === 'source')
    .toSorted((a, b) => a.startedAtMs - b.startedAtMs)
}

const told = (move: MoveReply): string =>
  `${move.service} ${move.from} → ${move.to ?? '?'} (${move.strategy}, ${Math.round(move.totalMs ?? 0)} ms, ` +
  `${Math.round(move.downtimeMs ?? 0)} ± ${Math.round(move.errorMs ?? 0)} ms frozen)`

interface Expectation {
  readonly name: CheckName
  readonly services: readonly string[]
  readonly from: readonly NodeName[]
  readonly to: NodeName
  readonly strategy: string
}

/** The last move of each service went where it should, and was the mesh's own doing. */
async function judge(stage: Stage, { name, services, from, to, strategy }: Expectation): Promise<void> {
  const moves = await eventually(
    async () => {
      const all = await allMoves(stage.lab)
      return services.flatMap(service => all.findLast(move => move.service === service) ?? [])
    },
    {
      deadlineMs: actMs,
      says: `the moves of ${services.join(', ')} are over`,
      until: found => found.length === services.length && found.every(({ outcome }) => outcome !== 'running'),
    },
  )
  const good = (move: MoveReply) =>
    move.outcome === 'done' && move.to === to && move.strategy === strategy && from.some(source => source === move.from)
  for (const move of moves) stage.say(`  ${told(move)}`)
  stage.check({ name, ok: moves.every(good), detail: moves.map(told).join('; ') })
}

/** A red node's services go to the least loaded green node of its own network. */
export async function sameNetwork(stage: Stage): Promise<void> {
  const lab3 = stage.lab.node('lab3')
  const services = ['clock', 'ledger', 'pages']
  stage.say('running three stateful services on lab3')
  await run(lab3, 'clock', 'shoal/ticker', '16')
  await run(lab3, 'ledger', 'shoal/ticker', '32')
  await run(lab3, 'pages', 'shoal/page-counter')
  await allRunOn(stage, services, 'lab3')
  stage.say('lab3: a load loop outside its services makes it red')
  await using _load = await load(lab3, redPercent)
  await allRunOn(stage, services, 'vrone')
  await judge(stage, { name: 'same-network', services, from: ['lab3'], to: 'vrone', strategy: 'algorithm-1' })
}

/**
 * With the whole network red, services of both red nodes cross to another. lab3 is made red while it has no service, so that vrone's have
 * nowhere near to go; then one more is run on lab3. With every edge node red, all go to the cloud.
 */
export async function otherNetworkThenCloud(stage: Stage): Promise<void> {
  const [lab3, vrone, lab4] = [stage.lab.node('lab3'), stage.lab.node('vrone'), stage.lab.node('lab4')]
  await using _lab3 = await load(lab3, redPercent)
  await allSee(stage, 'lab3', 'red')
  await using _vrone = await load(vrone, redPercent)
  await allSee(stage, 'vrone', 'red')
  await allRunOn(stage, ['clock', 'ledger', 'pages'], 'lab4')
  stage.say('one more service on lab3, while both nodes of its network are red')
  await run(lab3, 'notes', 'shoal/ticker', '16')
  const services = ['clock', 'ledger', 'pages', 'notes']
  await allRunOn(stage, services, 'lab4')
  await judge(stage, { name: 'other-network', services, from: ['lab3', 'vrone'], to: 'lab4', strategy: 'algorithm-1' })
  stage.say('lab4 turns red as well: no edge node is left')
  await using _lab4 = await load(lab4, redPercent)
  await allRunOn(stage, services, 'mec')
  await judge(stage, { name: 'cloud', services, from: ['lab3', 'vrone', 'lab4'], to: 'mec', strategy: 'algorithm-1' })
}

/** Algorithm II fills the busiest green node first, whatever its network. */
export async function algorithm2(stage: Stage): Promise<void> {
  const [lab3, lab4] = [stage.lab.node('lab3'), stage.lab.node('lab4')]
  for (const name of ['lab3', 'vrone', 'lab4'] as const) await allSee(stage, name, 'green')
  await lab3.output(['shoal', 'strategy', 'set', 'algorithm-2'])
  await using _busy = await load(lab4, busyPercent)
  await eventually(() => nodesSeenBy(lab3), {
    deadlineMs: actMs,
    says: 'lab3 sees lab4 green and busier than vrone',
    until: nodes => {
      const cpu = (name: NodeName) => nodes.find(node => node.name === name)?.load?.cpuPct ?? 0
      return cpu('lab4') > cpu('vrone') + 5 && cpu('lab4') >= busyPercent
    },
  })
  await run(lab3, 'journal', 'shoal/ticker', '16')
  await using _red = await load(lab3, redPercent)
  await allRunOn(stage, ['journal'], 'lab4')
  await judge(stage, { name: 'algorithm-2', services: ['journal'], from: ['lab3'], to: 'lab4', strategy: 'algorithm-2' })
}
