// `shoal config show [--origin]`: the settings in force on the asked node; where none runs, what `shoal up` would be configured with.

import { Command } from 'commander'
import type { ConfigReply } from '../api/schema/upkeep.ts'
import { ApiError } from '../api/api-errors.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { printJson, printTable } from './output.ts'
import { takesSettings } from './setting-flags.ts'

interface ShowOptions {
  readonly origin?: true
  readonly json?: true
  readonly config?: string
}

export function configCommand(cli: Cli): Command {
  const config = new Command('config').description('look at the configuration')
  takesSettings(config.command('show'))
    .description('show the settings in force')
    .option('--origin', 'and what set each: default, preset, file, variable or flag')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal config show --origin', 'shoal config show --json --preset lab'))
    .action(async (words: string[], options: ShowOptions, command: Command) => {
      const answer = await settingsOf(cli, command, words, options)
      if (options.json === true) return printJson(cli, answer)
      const heads = options.origin === true ? ['SETTING', 'VALUE', 'SET BY'] : ['SETTING', 'VALUE']
      printTable(
        cli,
        heads,
        answer.settings.map(({ key, value, origin }) => [key, valueInWords(value), ...(options.origin === true ? [origin] : [])]),
      )
    })
  return config
}

async function settingsOf(cli: Cli, command: Command, words: readonly string[], options: ShowOptions): Promise<ConfigReply> {
  const flags = { configFile: options.config, words }
  if (words.length > 0 || options.config !== undefined) return cli.host.config(flags)
  try {
    return await clientFor(cli, command).get<ConfigReply>('/api/config')
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'DAEMON_UNREACHABLE')) throw error
    cli.hint('no daemon runs here: this is what `shoal up` would be configured with')
    return cli.host.config(flags)
  }
}

const valueInWords = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? '-'))
