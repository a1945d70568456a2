// `shoal move SERVICE [NODE]` and `shoal explain SERVICE`: move one, or say where it would go and why.

import { Command } from 'commander'
import type { ExplainReply, MoveReply } from '../api/schema/move.ts'
import { type Cli, clientFor, examples, part } from './cli.ts'
import { EXIT } from './exit-code.ts'
import { printFacts, printJson, printTable } from './output.ts'
import { bytesInWords, msInWords, percentInWords } from './words.ts'

interface MoveOptions {
  readonly dryRun?: true
  readonly detach?: true
  readonly json?: true
}

export function moveCommand(cli: Cli): Command {
  return new Command('move')
    .description('move a service, its memory included, to another node')
    .argument('<service>', 'name, id, or the beginning of one')
    .argument('[node]', 'where to; the strategy chooses when absent')
    .option('--dry-run', 'only say what would happen')
    .option('-d, --detach', 'do not wait for the end')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal move web vrone', 'shoal move web --dry-run --json'))
    .action(async (ref: string, node: string | undefined, options: MoveOptions, command: Command) => {
      const to = node === undefined ? {} : { to: node }
      const api = clientFor(cli, command)
      const path = `/api/services/${part(ref)}/move`
      if (options.dryRun === true)
        return showPlan(cli, await api.send<ExplainReply>('POST', path, { ...to, dryRun: true }), options)
      const move = await api.send<MoveReply>('POST', path, { ...to, ...(options.detach === true ? { detach: true } : {}) })
      cli.exit.code = exitFor(move)
      if (options.json === true) return printJson(cli, move)
      if (options.detach === true) cli.out(`${move.id}\n`)
      else sayOutcome(cli, move)
    })
}

export function explainCommand(cli: Cli): Command {
  return new Command('explain')
    .description('say where a service would go now, why not elsewhere, and what was decided last')
    .argument('<service>', 'name, id, or the beginning of one')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal explain web', 'shoal explain --json web'))
    .action(async (ref: string, options: { readonly json?: true }, command: Command) => {
      showPlan(cli, await clientFor(cli, command).get<ExplainReply>(`/api/services/${part(ref)}/explain`), options)
    })
}

function exitFor({ outcome }: MoveReply): number {
  switch (outcome) {
    case 'done':
    case 'running':
      return EXIT.done
    case 'refused':
      return EXIT.refused
    case 'unresolved':
      return EXIT.timedOut
    case 'failed':
    case 'lost':
      return EXIT.failed
  }
}

function sayOutcome(cli: Cli, move: MoveReply): void {
  if (move.outcome === 'done') {
    cli.out(
      `${move.service} runs on ${move.to ?? '?'}: ${msInWords(move.totalMs)} in all, ${msInWords(move.downtimeMs)} frozen, ${bytesInWords(move.bytes.total)}\n`,
    )
    return
  }
  cli.hint(`shoal: the move of ${move.service} ${outcomeInWords(move)}`)
  for (const { node, message } of move.refusals) cli.hint(`  ${node}: ${message}`)
  if (move.error !== null) cli.hint(`  ${move.error.message}\n  ${move.error.hint}`)
}

function outcomeInWords({ outcome, from, to }: MoveReply): string {
  switch (outcome) {
    case 'refused':
      return `was refused: it runs on where it was, on ${from}`
    case 'failed':
      return `failed: it runs on where it was, on ${from}`
    case 'unresolved':
      return `was handed over and ${to ?? 'the target'} has not answered since; the copy on ${from} stays frozen and whole until it does`
    case 'lost':
      return `failed and the copy on ${from} cannot go on`
    case 'running':
      return 'is under way'
    case 'done':
      return 'is done'
  }
}

function showPlan(cli: Cli, plan: ExplainReply, { json }: { readonly json?: true }): void {
  if (json === true) return printJson(cli, plan)
  const { verdict } = plan
  printFacts(cli, [
    ['service', plan.service],
    ['node', plan.node],
    ['strategy', plan.strategy],
    ['mode', plan.mode ?? '-'],
    [
      'need',
      `cpu ${percentInWords(plan.need.cpuPct)}, ram ${percentInWords(plan.need.ramPct)}, gpu ${percentInWords(plan.need.gpuPct)}`,
    ],
    ['verdict', verdict.kind === 'move' ? `to ${verdict.to ?? '?'}: ${verdict.because}` : `stays: ${verdict.because}`],
  ])
  if (plan.candidates.length > 0) {
    cli.out('\n')
    printTable(
      cli,
      ['CANDIDATE', 'TIER', 'SCORE', 'BECAUSE'],
      plan.candidates.map(({ node, tier, score, because }) => [node, String(tier), score.toFixed(1), because]),
    )
  }
  if (plan.rejected.length > 0) {
    cli.out('\n')
    printTable(
      cli,
      ['NOT', 'BECAUSE'],
      plan.rejected.map(({ node, because }) => [node, because]),
    )
  }
  if (plan.last !== null) cli.out(`\nlast decision: ${plan.last.text}\n`)
}
