// `shoal logs [-f] SERVICE`: what it printed, from whatever node it lives on; `-f` goes on over restarts and moves.

import { Command } from 'commander'
import { ApiError } from '../api/api-errors.ts'
import type { LogLine } from '../api/schema/service.ts'
import { type Cli, clientFor, examples, part } from './cli.ts'
import { printJsonLine } from './output.ts'
import { sinceMs } from './words.ts'

interface LogOptions {
  readonly follow?: true
  readonly since?: string
  readonly tail?: string
  readonly timestamps?: true
  readonly json?: true
}

export function logsCommand(cli: Cli): Command {
  return new Command('logs')
    .description('show what a service printed')
    .argument('<service>', 'name, id, or the beginning of one')
    .option('-f, --follow', 'go on with what it prints, over restarts and moves')
    .option('--since <time>', 'only what is newer: 10m, or 2026-01-31T12:00:00Z')
    .option('-n, --tail <lines>', 'only the last lines')
    .option('-t, --timestamps', 'the time before each line')
    .option('--json', 'one JSON value a line, with time, stream and node')
    .addHelpText('after', examples('shoal logs -f web', 'shoal logs --since 10m --tail 100 web'))
    .action(async (ref: string, options: LogOptions, command: Command) => {
      const query = queryOf(options, Date.now())
      let node: string | undefined
      for await (const line of clientFor(cli, command).lines<LogLine>(`/api/services/${part(ref)}/logs?${query.toString()}`)) {
        if (options.json === true) {
          printJsonLine(cli, line)
          continue
        }
        if (node !== undefined && node !== line.node) cli.hint(`-- moved: ${node} → ${line.node} --`)
        node = line.node
        const text = `${options.timestamps === true ? `${new Date(line.atMs).toISOString()} ` : ''}${line.line}\n`
        // What the program wrote to its standard error goes to ours.
        if (line.stream === 'stderr') cli.hint(text.slice(0, -1))
        else cli.out(text)
      }
    })
}

function queryOf({ follow, since, tail }: LogOptions, nowMs: number): URLSearchParams {
  const query = new URLSearchParams()
  if (follow === true) query.set('follow', 'true')
  if (since !== undefined) query.set('sinceMs', String(sinceMs(since, nowMs)))
  if (tail !== undefined && tail !== 'all') {
    if (!/^\d+$/.test(tail)) throw new ApiError('USAGE', { what: `${tail} is no number of lines`, hint: 'write --tail 100' })
    query.set('tail', tail)
  }
  return query
}
