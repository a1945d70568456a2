// `shoal events`: what happens on the asked node, as it happens.

import { Command } from 'commander'
import type { EventBody } from '../api/schema/upkeep.ts'
import { ApiError } from '../api/api-errors.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { printJsonLine } from './output.ts'

export function eventsCommand(cli: Cli): Command {
  return new Command('events')
    .description('follow what happens on this node')
    .option('--after <id>', 'begin behind this event, where it is still kept; 0: all that is kept')
    .option('--json', 'one JSON value a line')
    .addHelpText('after', examples('shoal events', 'shoal events --after 0 --json'))
    .action(async (options: { readonly after?: string; readonly json?: true }, command: Command) => {
      if (options.after !== undefined && !/^\d{1,15}$/.test(options.after)) {
        throw new ApiError('USAGE', { what: `${options.after} is no number of an event`, hint: 'write --after 0' })
      }
      const query = options.after === undefined ? '' : `?after=${options.after}`
      for await (const event of clientFor(cli, command).events<EventBody>(`/api/events${query}`)) {
        if (options.json === true) printJsonLine(cli, event)
        else cli.out(`${new Date(event.atMs).toISOString()}  ${event.kind}  ${event.says}\n`)
      }
    })
}
