// All verbs of the CLI in one program. Built by main.ts and by tests; one file per verb or noun beside this one.

import { Command } from 'commander'
import type { Cli } from './cli.ts'
import { examples } from './cli.ts'
import { configCommand } from './config.ts'
import { doctorCommand } from './doctor.ts'
import { eventsCommand } from './events.ts'
import { approveCommand, inviteCommand, joinCommand, openCommand } from './membership.ts'
import { explainCommand, moveCommand } from './move.ts'
import { movesCommand } from './moves.ts'
import { nodeCommand } from './node.ts'
import { profileCommand } from './profile.ts'
import { rmCommand, startCommand, stopCommand } from './service-act.ts'
import { inspectCommand } from './service-inspect.ts'
import { lsCommand, psCommand } from './service-list.ts'
import { logsCommand } from './service-logs.ts'
import { runCommand } from './service-run.ts'
import { setupCommand } from './setup.ts'
import { statusCommand, versionCommand } from './status.ts'
import { strategyCommand } from './strategy.ts'
import { upCommand } from './up.ts'

export interface ProgramParts {
  readonly cli: Cli
  readonly version: string
}

/** Throws CommanderError instead of ending the process; main.ts turns it into the exit status. */
export function buildProgram({ cli, version }: ProgramParts): Command {
  const program = new Command('shoal')
    .description('A peer-to-peer mesh of edge nodes that look after containers and move them, memory included.')
    .option('--host <url>', 'ask the daemon at this address (SHOAL_HOST)')
    .option('--socket <path>', 'ask the daemon at this unix socket (SHOAL_SOCKET)')
    .version(version, '-V, --version', 'show the version')
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText('after', examples('shoal up', 'shoal run --name web nginx && shoal move web'))
  for (const command of [
    ...[
      upCommand(cli),
      setupCommand(cli),
      doctorCommand(cli),
      statusCommand(cli),
      versionCommand(cli, version),
      configCommand(cli),
    ],
    ...[runCommand(cli), lsCommand(cli), psCommand(cli), inspectCommand(cli), logsCommand(cli)],
    ...[stopCommand(cli), startCommand(cli), rmCommand(cli)],
    ...[moveCommand(cli), movesCommand(cli), explainCommand(cli), strategyCommand(cli), profileCommand(cli)],
    ...[nodeCommand(cli), approveCommand(cli), inviteCommand(cli), joinCommand(cli), openCommand(cli), eventsCommand(cli)],
  ]) {
    program.addCommand(command)
  }
  harden(program, cli)
  return program
}

/** Every command, also those below a noun: errors are thrown, help is data, complaints are hints. */
function harden(command: Command, cli: Cli): void {
  command.exitOverride().configureOutput({
    writeOut: text => cli.out(text),
    writeErr: text => cli.hint(text.trimEnd()),
    outputError: (text, write) => write(text.replace(/^error: /, 'shoal: ')),
  })
  command.commands.forEach(below => harden(below, cli))
}
