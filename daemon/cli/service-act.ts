// `shoal stop`, `shoal start`, `shoal rm`: one or more services, wherever they live. Each is tried; the first failure sets the exit status.

import { Command } from 'commander'
import { ApiError } from '../api/api-errors.ts'
import type { ServiceDetail } from '../api/schema/service.ts'
import { type ApiClient } from './client.ts'
import { type Cli, clientFor, examples, part } from './cli.ts'
import { exitCodeFor } from './exit-code.ts'
import { failureInWords } from './failure.ts'
import { printJson } from './output.ts'

interface ActOptions {
  readonly json?: true
  readonly time?: string
  readonly force?: true
}

export function stopCommand(cli: Cli): Command {
  return acting(cli, 'stop', 'stop services: SIGTERM, then SIGKILL')
    .option('-t, --time <seconds>', 'how long a program may take to end (default: 10)')
    .addHelpText('after', examples('shoal stop web', 'shoal stop -t 60 db cache'))
    .action((refs: string[], options: ActOptions, command: Command) =>
      each(cli, command, refs, options, (api, ref) =>
        api.send<ServiceDetail>(
          'POST',
          `/api/services/${part(ref)}/stop`,
          options.time === undefined ? {} : { timeoutS: seconds(options.time) },
        ),
      ),
    )
}

export function startCommand(cli: Cli): Command {
  return acting(cli, 'start', 'start services that do not run')
    .addHelpText('after', examples('shoal start web', 'shoal start db cache'))
    .action((refs: string[], options: ActOptions, command: Command) =>
      each(cli, command, refs, options, (api, ref) => api.send<ServiceDetail>('POST', `/api/services/${part(ref)}/start`, {})),
    )
}

export function rmCommand(cli: Cli): Command {
  return acting(cli, 'rm', 'remove services, their containers and what those wrote')
    .option('-f, --force', 'also when it runs')
    .addHelpText('after', examples('shoal rm web', 'shoal rm -f db cache'))
    .action((refs: string[], options: ActOptions, command: Command) =>
      each(cli, command, refs, options, (api, ref) =>
        api.send<undefined>('DELETE', `/api/services/${part(ref)}${options.force === true ? '?force=true' : ''}`),
      ),
    )
}

function acting(_cli: Cli, verb: string, says: string): Command {
  return new Command(verb)
    .description(says)
    .argument('<service...>', 'names, ids, or beginnings of them')
    .option('--json', 'print the answers of the API')
}

async function each(
  cli: Cli,
  command: Command,
  refs: readonly string[],
  { json }: ActOptions,
  act: (api: ApiClient, ref: string) => Promise<ServiceDetail | undefined>,
): Promise<void> {
  const api = clientFor(cli, command)
  const answers: ServiceDetail[] = []
  for (const ref of refs) {
    try {
      const service = await act(api, ref)
      if (service !== undefined) answers.push(service)
      if (json !== true) cli.out(`${service?.name ?? ref}\n`)
    } catch (error) {
      if (cli.signal.aborted) throw error
      cli.hint(failureInWords(error))
      if (cli.exit.code === 0) cli.exit.code = exitCodeFor(error)
    }
  }
  if (json === true) printJson(cli, { services: answers })
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0)
    throw new ApiError('USAGE', { what: `${text} is no number of seconds`, hint: 'write 10' })
  return value
}
