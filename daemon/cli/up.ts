// `shoal up`: start a node in the foreground.

import { Command } from 'commander'
import { type Cli, examples } from './cli.ts'
import { takesSettings } from './setting-flags.ts'

export function upCommand(cli: Cli): Command {
  return takesSettings(new Command('up'))
    .description('start a node in the foreground; Ctrl-C or SIGTERM ends it and touches no service')
    .addHelpText('after', examples('shoal up', 'shoal up --data-dir /tmp/second --port 0 --api 127.0.0.1:0 --name second'))
    .action(async (_words: string[], options: { readonly config?: string }, command: Command) => {
      await cli.host.up({ configFile: options.config, words: command.args }, cli.hint, cli.signal)
    })
}
