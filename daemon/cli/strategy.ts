// `shoal strategy get|set`: by which algorithm the asked node chooses targets.

import { Command } from 'commander'
import { ApiError } from '../api/api-errors.ts'
import type { StrategyReply } from '../api/schema/strategy.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { printFacts, printJson } from './output.ts'
import { msInWords, percentInWords } from './words.ts'

interface SetOptions {
  readonly exact?: boolean
  readonly json?: true
}

export function strategyCommand(cli: Cli): Command {
  const strategy = new Command('strategy').description('see or change how this node chooses targets')
  strategy
    .command('get')
    .description('show the strategy in force')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal strategy get', 'shoal strategy get --json'))
    .action(async (options: { readonly json?: true }, command: Command) => {
      show(cli, await clientFor(cli, command).get<StrategyReply>('/api/strategy'), options)
    })
  strategy
    .command('set')
    .description('choose another')
    .argument('<name>', 'algorithm-1 or algorithm-2')
    .option('--exact', 'the best of all candidates, as the thesis')
    .option('--no-exact', 'the better of two random candidates: keeps a crowd of red nodes apart')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal strategy set algorithm-2', 'shoal strategy set algorithm-1 --exact'))
    .action(async (name: string, options: SetOptions, command: Command) => {
      if (name === '') throw new ApiError('USAGE', { what: 'a strategy has a name', hint: '`shoal strategy get` lists them' })
      const body = { name, ...(options.exact === undefined ? {} : { exact: options.exact }) }
      show(cli, await clientFor(cli, command).send<StrategyReply>('PUT', '/api/strategy', body), options)
    })
  return strategy
}

function show(cli: Cli, strategy: StrategyReply, { json }: { readonly json?: true }): void {
  if (json === true) return printJson(cli, strategy)
  const { threshold } = strategy
  printFacts(cli, [
    ['strategy', strategy.name],
    ['exact', strategy.exact ? 'yes: the best of all' : 'no: the better of two random ones'],
    [
      'threshold',
      `cpu ${percentInWords(threshold.cpuPct)}, ram ${percentInWords(threshold.ramPct)}, gpu ${percentInWords(threshold.gpuPct)}`,
    ],
    ['interval', msInWords(strategy.intervalMs)],
    ['set by', strategy.origin],
    ['there are', strategy.available.join(', ')],
  ])
}
