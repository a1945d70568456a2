// `npm run decide -- FILE.json [--json]`: prints the plan a node would make for a view given in a file. Uses the very functions of the control
// loop; offers nothing to anybody. FILE is relative to where npm was called. The file's form: docs/placement.md.

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { candidateText, explain, rejectedPeers, stayText } from '../placement/explain.ts'
import { planRound, type RoundPlan, type RoundStay } from '../placement/round.ts'
import { ShoalError } from '../placement/shoal-error.ts'
import { overIn } from '../placement/vec.ts'
import type { Vec } from '../placement/view.ts'
import { type Asked, readDecideFile } from './decide-file.ts'

const tenths = (value: number): number => Math.round(value * 10) / 10
const loads = ({ cpuPct, ramPct, gpuPct }: Vec) => ({ cpu: tenths(cpuPct), ram: tenths(ramPct), gpu: tenths(gpuPct) })

function stayReason(stay: RoundStay): string {
  if (stay.decision !== null) return stayText(stay.decision)
  return stay.because === 'enough-left' ? 'the node is below its threshold without moving it' : stay.because
}

/** The plan as it is printed with `--json`. */
export function planJson({ input, seed }: Asked, plan: RoundPlan) {
  const { self, settings } = input
  return {
    strategy: settings.strategy,
    exact: settings.exact,
    seed,
    threshold: loads(settings.threshold),
    self: self.name,
    red: self.role === 'edge' && overIn(self.load, settings.threshold) !== null,
    allLeave: plan.allLeave,
    steps: plan.steps.map(({ service, decision }) => ({
      service: service.name,
      to: decision.candidates[0]?.name ?? null,
      tier: decision.candidates[0]?.tier ?? null,
      candidates: decision.candidates.map(candidate => ({
        node: candidate.name,
        tier: candidate.tier,
        cpu: tenths(candidate.fitting.effCpuPct),
        need: loads(candidate.fitting.need.need),
        because: candidateText(candidate, decision),
      })),
      rejected: rejectedPeers(decision).map(({ name, code, because }) => ({ node: name, code, because })),
    })),
    stay: plan.stay.map(stay => ({ service: stay.name, because: stay.because, says: stayReason(stay) })),
    predicted: loads(plan.predicted),
  }
}

/** The plan as text. */
export function planText({ input }: Asked, plan: RoundPlan): string {
  const { self, settings } = input
  const cloudRests = input.reason === 'red' && self.role !== 'edge'
  const head =
    plan.steps.length > 0
      ? `${self.name}: ${plan.steps.map(step => `${step.service.name} -> ${step.decision.candidates[0]?.name ?? ''}`).join(', ')}`
      : `${self.name}: nothing moves${cloudRests ? ' (only edge nodes turn red)' : ''}`
  const after = `cpu ${tenths(self.load.cpuPct)} -> ${tenths(plan.predicted.cpuPct)}, threshold ${settings.threshold.cpuPct}`
  return [
    `${head}  (${after})`,
    ...plan.steps.map(step => explain(step.decision)),
    ...plan.stay.map(stay => (stay.decision === null ? `${stay.name} stays: ${stayReason(stay)}` : explain(stay.decision))),
  ].join('\n')
}

/** Plans what a file asks for: a node that is no edge node never turns red. */
export function planAsked(asked: Asked): RoundPlan {
  const { input } = asked
  const rests = input.reason === 'red' && input.self.role !== 'edge'
  return planRound(rests ? { ...input, services: [] } : input)
}

async function main(args: readonly string[], from: string): Promise<number> {
  const json = args.includes('--json')
  const [file, ...more] = args.filter(arg => arg !== '--json')
  if (file === undefined || more.length > 0 || file.startsWith('-')) {
    process.stderr.write('usage: npm run decide -- FILE.json [--json]\n  docs/placement.md describes the file\n')
    return 2
  }
  try {
    const asked = readDecideFile(await readFile(resolve(from, file), 'utf8'))
    const plan = planAsked(asked)
    process.stdout.write(`${json ? JSON.stringify(planJson(asked, plan), null, 2) : planText(asked, plan)}\n`)
    return 0
  } catch (error) {
    const hint = error instanceof ShoalError ? error.hint : 'give the path of a JSON file that can be read'
    process.stderr.write(`decide: ${error instanceof Error ? error.message : String(error)}\n  ${hint}\n`)
    return 2
  }
}

if (import.meta.main) {
  process.exitCode = await main(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd())
}
