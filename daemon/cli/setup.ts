// `shoal setup`: the one verb that edits the host: registers the runtime shim in the engine and CRIU's options. Shows the diff first; `--undo`
// takes it back. Idempotent.

import { Command } from 'commander'
import { ApiError } from '../api/api-errors.ts'
import { type Cli, examples } from './cli.ts'
import { takesSettings } from './setting-flags.ts'

interface SetupOptions {
  readonly yes?: true
  readonly undo?: true
  readonly dryRun?: true
  readonly config?: string
}

export function setupCommand(cli: Cli): Command {
  return takesSettings(new Command('setup'))
    .description('prepare this host for moves with memory: shows a diff, asks, and can be undone')
    .option('-y, --yes', 'do not ask (SHOAL_YES=1)')
    .option('--undo', 'take back what setup did')
    .option('--dry-run', 'only show the diff')
    .addHelpText('after', examples('shoal setup', 'shoal setup --undo --yes'))
    .action(async (words: string[], options: SetupOptions) => {
      const plan = await cli.host.setup({ configFile: options.config, words }, { undo: options.undo === true }, cli.signal)
      if (plan.diff === '') {
        cli.hint(options.undo === true ? 'nothing to undo' : 'nothing to do: this host is set up')
        return
      }
      cli.out(plan.diff.endsWith('\n') ? plan.diff : `${plan.diff}\n`)
      if (options.dryRun === true) return
      if (options.yes !== true && cli.env['SHOAL_YES'] !== '1' && !(await agreed(cli))) {
        throw new ApiError('USAGE', { what: 'nothing was changed', hint: 'say yes, or use --yes' })
      }
      for (const line of await plan.apply(cli.signal)) cli.hint(line)
    })
}

/** Only on a terminal is anybody there to ask. */
async function agreed(cli: Cli): Promise<boolean> {
  if (!cli.terminal) return false
  return /^y(es)?$/i.test((await cli.ask('Change these files? [y/N] ')).trim())
}
