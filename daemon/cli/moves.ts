// `shoal moves ls` and `shoal moves inspect MOVE`: the moves this node took part in, with their phases, times and bytes.

import { Command } from 'commander'
import type { MoveReply } from '../api/schema/move.ts'
import { type Cli, clientFor, examples, part } from './cli.ts'
import { printFacts, printJson, printTable } from './output.ts'
import { bytesInWords, msInWords, shortId } from './words.ts'

export function movesCommand(cli: Cli): Command {
  const moves = new Command('moves').description('look at the moves this node took part in')
  moves
    .command('ls')
    .description('list them, newest first')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal moves ls', 'shoal moves ls --json'))
    .action(async (options: { readonly json?: true }, command: Command) => {
      const answer = await clientFor(cli, command).get<{ readonly moves: readonly MoveReply[] }>('/api/moves')
      if (options.json === true) return printJson(cli, answer)
      printTable(
        cli,
        ['ID', 'SERVICE', 'FROM', 'TO', 'MODE', 'OUTCOME', 'DOWNTIME', 'TOTAL', 'BYTES', 'BY'],
        answer.moves.map(move => [
          shortId(move.id),
          move.service,
          move.from,
          move.to ?? '-',
          move.mode,
          move.outcome,
          downtimeInWords(move),
          msInWords(move.totalMs),
          bytesInWords(move.bytes.total),
          move.strategy,
        ]),
      )
      if (answer.moves.length === 0) cli.hint('no moves yet: `shoal move SERVICE` makes one')
    })
  moves
    .command('inspect')
    .description('show one in full')
    .argument('<move>', 'its id, or the beginning of it')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal moves inspect 3f9a', 'shoal moves inspect --json 3f9a'))
    .action(async (id: string, options: { readonly json?: true }, command: Command) => {
      const move = await clientFor(cli, command).get<MoveReply>(`/api/moves/${part(id)}`)
      if (options.json === true) return printJson(cli, move)
      show(cli, move)
    })
  return moves
}

function show(cli: Cli, move: MoveReply): void {
  const { bytes } = move
  printFacts(cli, [
    ['id', move.id],
    ['service', `${move.service} (${move.serviceId}), ${move.type}`],
    ['from', `${move.from} (${move.fromId})`],
    ['to', move.to === null ? '-' : `${move.to} (${move.toId ?? '?'})`],
    ['mode', move.mode],
    ['by', `${move.strategy}: ${move.reason}`],
    ['outcome', move.error === null ? move.outcome : `${move.outcome}: ${move.error.message}; ${move.error.hint}`],
    ['downtime', downtimeInWords(move)],
    ['total', msInWords(move.totalMs)],
    [
      'bytes',
      `${bytesInWords(bytes.total)}: image ${bytesInWords(bytes.image)}, layer ${bytesInWords(bytes.layer)}, checkpoint ${bytesInWords(bytes.checkpoint)}`,
    ],
    ['seen from', `the ${move.side}`],
  ])
  if (move.phases.length > 0) {
    cli.out('\n')
    printTable(
      cli,
      ['PHASE', 'TIME'],
      move.phases.map(({ name, ms }) => [name, msInWords(ms)]),
    )
  }
  if (move.refusals.length > 0) {
    cli.out('\n')
    printTable(
      cli,
      ['REFUSED BY', 'BECAUSE'],
      move.refusals.map(({ node, message }) => [node, message]),
    )
  }
}

/** `312 ms ± 4 ms`: two clocks were compared, and the error is told. */
function downtimeInWords({ downtimeMs, errorMs }: MoveReply): string {
  if (downtimeMs === null) return '-'
  return errorMs === null ? msInWords(downtimeMs) : `${msInWords(downtimeMs)} ± ${msInWords(errorMs)}`
}
