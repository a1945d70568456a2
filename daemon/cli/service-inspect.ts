// `shoal inspect SERVICE`: all that the mesh knows of one service.

import { Command } from 'commander'
import type { ServiceDetail } from '../api/schema/service.ts'
import { type Cli, clientFor, examples, part } from './cli.ts'
import { printFacts, printJson } from './output.ts'
import { profileInWords, stateInWords } from './service-list.ts'
import { bytesInWords, percentInWords } from './words.ts'

export function inspectCommand(cli: Cli): Command {
  return new Command('inspect')
    .description('show one service in full')
    .argument('<service>', 'name, id, or the beginning of one')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal inspect web', 'shoal inspect --json 3f9a'))
    .action(async (ref: string, options: { readonly json?: true }, command: Command) => {
      const service = await clientFor(cli, command).get<ServiceDetail>(`/api/services/${part(ref)}`)
      if (options.json === true) return printJson(cli, service)
      printFacts(cli, factsOf(service))
    })
}

/** A service line by line. Values of the environment are its owner's secrets: shown, for who may ask may also run. */
function factsOf(service: ServiceDetail): readonly (readonly [string, string])[] {
  const { use } = service
  return [
    ['name', service.name],
    ['id', service.id],
    ['type', service.type],
    ['node', `${service.node} (${service.nodeId})`],
    ['state', stateInWords(service)],
    ['epoch', String(service.epoch)],
    ['image', service.image],
    ['args', service.args.length === 0 ? "the image's own" : service.args.map(arg => JSON.stringify(arg)).join(' ')],
    ['env', service.env.length === 0 ? '-' : service.env.join(' ')],
    ['restart', service.restart],
    ['tty', service.tty ? 'yes (it cannot be moved with its memory)' : 'no'],
    ['profile', profileInWords(service)],
    [
      'use',
      use === null
        ? 'not measured yet'
        : `${use.cpuCores.toFixed(2)} cores (${percentInWords(use.cpuPct)}), ${bytesInWords(use.ramBytes)} (${percentInWords(use.ramPct)})`,
    ],
  ]
}
