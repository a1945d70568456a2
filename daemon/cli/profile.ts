// `shoal profile ls|set|rm`: quotas of CPU, RAM and GPU by service name or image, for the whole mesh.

import { Command } from 'commander'
import { ApiError } from '../api/api-errors.ts'
import type { ProfileReply } from '../api/schema/strategy.ts'
import { type Cli, clientFor, examples, part } from './cli.ts'
import { printJson, printTable } from './output.ts'
import { memoryAsQuota } from './words.ts'

interface SetOptions {
  readonly cpu?: string
  readonly ram?: string
  readonly gpu?: string
  readonly json?: true
}

export function profileCommand(cli: Cli): Command {
  const profile = new Command('profile').description('see or set quotas of CPU, RAM and GPU')
  profile
    .command('ls')
    .description('list them')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal profile ls', 'shoal profile ls --json'))
    .action(async (options: { readonly json?: true }, command: Command) => {
      const answer = await clientFor(cli, command).get<{ readonly profiles: readonly ProfileReply[] }>('/api/profiles')
      if (options.json === true) return printJson(cli, answer)
      show(cli, answer.profiles)
      if (answer.profiles.length === 0) cli.hint('no profiles: a service without one needs what it was measured to use')
    })
  profile
    .command('set')
    .description('set the quota of a service name or an image')
    .argument('<name-or-image>', 'a name wins over an image')
    .option('--cpu <amount>', 'cores (0.5) or share of the host (10%)')
    .option('--ram <amount>', 'bytes (256Mi) or share of the host (10%)')
    .option('--gpu <amount>', 'GPUs (1) or share of the host (10%)')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal profile set web --cpu 0.5 --ram 256Mi', 'shoal profile set nginx:1.27 --cpu 10%'))
    .action(async (match: string, options: SetOptions, command: Command) => {
      const { cpu, ram, gpu } = options
      if (cpu === undefined && ram === undefined && gpu === undefined) {
        throw new ApiError('USAGE', {
          what: 'a profile needs --cpu, --ram or --gpu',
          hint: `\`shoal profile rm ${match}\` removes one`,
        })
      }
      const body = {
        match,
        profile: {
          ...(cpu === undefined ? {} : { cpu }),
          ...(ram === undefined ? {} : { ram: memoryAsQuota(ram) }),
          ...(gpu === undefined ? {} : { gpu }),
        },
      }
      const answer = await clientFor(cli, command).send<ProfileReply>('PUT', '/api/profiles', body)
      if (options.json === true) return printJson(cli, answer)
      show(cli, [answer])
    })
  profile
    .command('rm')
    .description('remove a quota; limits are lifted')
    .argument('<name-or-image>', 'as it was set')
    .addHelpText('after', examples('shoal profile rm web', 'shoal profile rm nginx:1.27'))
    .action(async (match: string, _options: unknown, command: Command) => {
      await clientFor(cli, command).send<undefined>('DELETE', `/api/profiles?match=${part(match)}`)
      cli.out(`${match}\n`)
    })
  return profile
}

function show(cli: Cli, profiles: readonly ProfileReply[]): void {
  printTable(
    cli,
    ['FOR', 'CPU', 'RAM', 'GPU', 'SERVICES'],
    profiles.map(({ match, cpu, ram, gpu, usedBy }) => [match, cpu ?? '-', ram ?? '-', gpu ?? '-', String(usedBy)]),
  )
}
