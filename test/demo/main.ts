// `npm run demo`: four nodes with real engines on this machine, one mesh; a node turns red and its services move by themselves, memory
// included. Stays up until Ctrl-C, then cleans up. `--once` ends by itself, `--json FILE` writes what was seen and judged (also on failure),
// `--keep` leaves the lab up and says how to look around.

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Lab, startLab } from '../lab/lab.ts'
import { everyoneSeesEveryone, nodesSeenBy, servicesSeenBy, startMesh } from '../lab/mesh.ts'
import { algorithm2, allMoves, demoLimits, otherNetworkThenCloud, sameNetwork, type Stage } from './acts.ts'
import { EvidenceRecorder } from './evidence.ts'
import { memoryWentOn, oneCopyRan } from './judges.ts'
import { type Check, type Report, reportOf, type Seen } from './report.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const usage = `usage: npm run demo -- [--once] [--keep] [--json FILE]
  --once       end when all has been shown and judged; exit code 0 only if every check is good
  --keep       leave the lab up at the end (npm run lab -- down removes it)
  --json FILE  write nodes, services, moves and checks there, also when something failed`

interface Options {
  readonly once: boolean
  readonly keep: boolean
  readonly json: string | undefined
}

const flags = {
  once: { type: 'boolean' },
  keep: { type: 'boolean' },
  json: { type: 'string' },
  help: { type: 'boolean' },
} as const

function valuesOf(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: flags }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
    return process.exit(2)
  }
}

function optionsOf(argv: readonly string[]): Options {
  const values = valuesOf(argv)
  if (values.help === true) {
    console.log(usage)
    process.exit(0)
  }
  const typedFrom = process.env['INIT_CWD'] ?? process.cwd()
  return {
    once: values.once === true,
    keep: values.keep === true,
    json: values.json === undefined ? undefined : resolve(typedFrom, values.json),
  }
}

const started = performance.now()
const say = (line: string) => console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`)

/** Every node has its view of the others, and LAN A came together by multicast alone. */
async function judgeMesh(stage: Stage): Promise<void> {
  await everyoneSeesEveryone(stage.lab)
  const names = stage.lab.nodes.map(({ name }) => name)
  stage.check({ name: 'view', ok: true, detail: `${names.join(', ')} each see the other ${names.length - 1} with their load` })
  const seen = await nodesSeenBy(stage.lab.node('vrone'))
  const [lab3, vrone] = [seen.find(node => node.name === 'lab3'), seen.find(node => node.name === 'vrone')]
  const ways = new Set([lab3?.via, vrone?.via])
  stage.check({
    name: 'mdns',
    ok: lab3?.heardByMdns === true && ways.has('founder') && ways.has('window'),
    detail: `on vrone: lab3 came in as ${lab3?.via}, vrone as ${vrone?.via}; lab3 heard by mDNS: ${lab3?.heardByMdns}; no token, no click`,
  })
}

/** Judged from outside the nodes: the tickers' own lines, the engines' own events. */
async function judgeEvidence(stage: Stage, evidence: EvidenceRecorder): Promise<void> {
  const services = await servicesSeenBy(stage.lab.node('lab3'))
  const moved = (await allMoves(stage.lab)).filter(({ outcome }) => outcome === 'done')
  const way = (name: string) => {
    const own = moved.filter(move => move.service === name)
    return [...own.map(({ from }) => from), ...own.slice(-1).map(({ to }) => to)].join(' → ')
  }
  const memory = services
    .filter(({ image }) => image.startsWith('shoal/ticker'))
    .map(({ id, name }) => ({ name, ...memoryWentOn(evidence.lines.filter(line => line.service === id)) }))
  stage.check({
    name: 'memory',
    ok: memory.length > 0 && memory.every(({ ok }) => ok),
    detail: memory.map(({ name, detail }) => `${name} (moves ${way(name)}): ${detail}`).join('; '),
  })
  const copies = services.map(({ id, name }) => ({ name, ...oneCopyRan(evidence.events.filter(event => event.service === id)) }))
  stage.check({
    name: 'one-copy',
    ok: copies.length > 0 && copies.every(({ ok }) => ok),
    detail: copies.map(({ name, detail }) => `${name} (moves ${way(name)}): ${detail}`).join('; '),
  })
}

async function play(stage: Stage, evidence: EvidenceRecorder): Promise<void> {
  const { lab } = stage
  for (const node of lab.nodes) await evidence.watch(node)
  stage.say('loading two images on lab3, and on lab3 only')
  await lab.node('lab3').loadImage('ticker')
  await lab.node('lab3').loadImage('page-counter')
  stage.say('starting four daemons: lab3 and vrone on LAN A, lab4 on LAN B, mec (cloud) behind the WAN')
  await startMesh(lab)
  await judgeMesh(stage)
  await sameNetwork(stage)
  await otherNetworkThenCloud(stage)
  await algorithm2(stage)
  await judgeEvidence(stage, evidence)
}

/** A report of a failed demo holds what can still be had. */
async function orNone<T>(what: Promise<readonly T[]> | undefined): Promise<readonly T[]> {
  try {
    return (await what) ?? []
  } catch (error) {
    say(`not to be had any more: ${error instanceof Error ? error.message : String(error)}`)
    return []
  }
}

async function seen(lab: Lab | undefined, checks: readonly Check[], evidence: string): Promise<Seen> {
  const viewer = lab?.node('lab3')
  return {
    nodes: await orNone(viewer && nodesSeenBy(viewer)),
    services: await orNone(viewer && servicesSeenBy(viewer)),
    moves: await orNone(lab && allMoves(lab)),
    checks,
    evidence,
  }
}

const lookAround = (project: string) => `The mesh stays up. In another terminal:
  docker exec -it ${project}-lab3 shoal ls          services of the whole mesh, from any node
  docker exec -it ${project}-mec shoal node ls      nodes, loads, colours
  docker exec -it ${project}-vrone shoal moves ls   what moved, and for how long it was frozen
  docker exec -it ${project}-lab4 shoal logs -f clock`

function interrupted(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  process.once('SIGINT', () => resolve())
  process.once('SIGTERM', () => resolve())
  return promise
}

async function demo(options: Options): Promise<Report> {
  const project = process.env['SHOAL_LAB'] ?? 'shoal-demo'
  const folder = join(repository, '.ci', 'out', 'demo')
  const checks: Check[] = []
  const check = (made: Check) => {
    checks.push(made)
    say(`${made.ok ? 'ok    ' : 'FAILED'} ${made.name}: ${made.detail}`)
  }
  const stop = new AbortController()
  const stopped = interrupted().then(() => stop.abort(new Error('interrupted')))
  await using stack = new AsyncDisposableStack()
  let lab: Lab | undefined
  try {
    lab = stack.use(await startLab({ project, keep: options.keep, limits: demoLimits, say, signal: stop.signal }))
    const evidence = stack.use(new EvidenceRecorder(folder))
    const aborted = Promise.withResolvers<never>()
    stop.signal.addEventListener('abort', () => aborted.reject(stop.signal.reason))
    await Promise.race([play({ lab, say, check }, evidence), aborted.promise])
  } catch (error) {
    say(`the demo broke off: ${error instanceof Error ? error.message : String(error)}`)
  }
  const report = reportOf(await seen(lab, checks, folder))
  if (options.json !== undefined) {
    await mkdir(dirname(options.json), { recursive: true })
    await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  await lab?.saveLogs(folder)
  if (!options.once && report.ok && !stop.signal.aborted) {
    console.log(`\n${lookAround(project)}\nCtrl-C ends it and cleans up.`)
    await stopped
  }
  if (options.keep) console.log(lookAround(project))
  return report
}

const options = optionsOf(process.argv.slice(2))
const report = await demo(options)
console.log(report.ok ? 'all checks are good' : 'not all checks are good')
process.exit(report.ok ? 0 : 1)
