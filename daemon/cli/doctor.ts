// `shoal doctor`: what this node can do, and why not. Asks the daemon; where none runs, looks at the host itself.

import { Command } from 'commander'
import type { DoctorReply } from '../api/schema/upkeep.ts'
import { ApiError } from '../api/api-errors.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { EXIT } from './exit-code.ts'
import { printJson, printTable } from './output.ts'
import { takesSettings } from './setting-flags.ts'

interface DoctorOptions {
  readonly json?: true
  readonly strict?: true
  readonly config?: string
}

export function doctorCommand(cli: Cli): Command {
  return takesSettings(new Command('doctor'))
    .description('check what this node can do, and why not')
    .option('--strict', 'fail on warnings too')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal doctor', 'shoal doctor --strict --json'))
    .action(async (words: string[], options: DoctorOptions, command: Command) => {
      const { checks } = await checksOf(cli, command, words, options)
      const failed = checks.some(({ level }) => level === 'failed' || (options.strict === true && level === 'warning'))
      cli.exit.code = failed ? EXIT.failed : EXIT.done
      if (options.json === true) return printJson(cli, { checks })
      printTable(
        cli,
        ['', 'CHECK', 'SAYS'],
        checks.map(({ name, level, says }) => [mark[level], name, says]),
      )
      for (const { name, level, hint } of checks) {
        if (level !== 'ok' && hint !== '') cli.hint(`${name}: ${hint}`)
      }
    })
}

/** A word beside the sign: never a sign or a colour alone. */
const mark = { ok: '● ok', warning: '○ warning', failed: '✕ failed' } as const

async function checksOf(cli: Cli, command: Command, words: readonly string[], options: DoctorOptions): Promise<DoctorReply> {
  try {
    return await clientFor(cli, command).get<DoctorReply>('/api/doctor')
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'DAEMON_UNREACHABLE')) throw error
    cli.hint('no daemon runs here: only the host is checked')
    return cli.host.doctor({ configFile: options.config, words }, cli.signal)
  }
}
