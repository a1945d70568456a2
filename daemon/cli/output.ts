// How data is shown: an aligned table, or the API's own JSON with `--json`. To standard output only.

import { getBorderCharacters, table } from 'table'
import type { Cli } from './cli.ts'

/** Left-aligned columns under capital heads, two spaces between, no borders; the same on a terminal and in a pipe. */
export function printTable(cli: Pick<Cli, 'out'>, heads: readonly string[], rows: readonly (readonly string[])[]): void {
  const text = table([[...heads], ...rows.map(row => row.map(oneLine))], {
    border: getBorderCharacters('void'),
    columnDefault: { paddingLeft: 0, paddingRight: 2 },
    drawHorizontalLine: () => false,
  })
  cli.out(text.replaceAll(/[ \t]+$/gm, ''))
}

/** Control characters have no place in a cell (and the table refuses them). */
function oneLine(cell: string): string {
  // oxlint-disable-next-line no-control-regex -- it is control characters that are looked for
  return cell.replaceAll(/[\u0000-\u001f\u007f]/g, ' ')
}

/** Two columns: what, and its value. For `inspect` and `status`. */
export function printFacts(cli: Pick<Cli, 'out'>, facts: readonly (readonly [string, string])[]): void {
  const widest = Math.max(...facts.map(([name]) => name.length))
  const gap = (name: string): string => ' '.repeat(widest - name.length + 2)
  cli.out(facts.map(([name, value]) => `${name}:${gap(name)}${oneLine(value)}\n`).join(''))
}

/** The API's answer as it came, indented for people. */
export function printJson(cli: Pick<Cli, 'out'>, value: unknown): void {
  cli.out(`${JSON.stringify(value, null, 2)}\n`)
}

/** One value of a stream: one line. */
export function printJsonLine(cli: Pick<Cli, 'out'>, value: unknown): void {
  cli.out(`${JSON.stringify(value)}\n`)
}
