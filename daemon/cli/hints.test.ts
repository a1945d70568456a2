// Whatever Shoal tells a person to type must be there to be typed.

import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Cli } from './cli.ts'
import { buildProgram } from './program.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const nothing = async (): Promise<never> => {
  throw new Error('no command is carried out here')
}
const cli: Cli = {
  ...{ env: {}, terminal: false, signal: new AbortController().signal, exit: { code: 0 } },
  out: () => undefined,
  hint: () => undefined,
  readFile: nothing,
  ask: nothing,
  host: { up: nothing, config: nothing, doctor: nothing, setup: nothing },
}

/** Every verb, and every noun with what stands below it: `node` → `ls`, `inspect`, `rm`. */
const verbs = new Map(
  buildProgram({ cli, version: '0' }).commands.map(command => [command.name(), command.commands.map(below => below.name())]),
)
verbs.set('help', [])

/** The commands named in backticks in a text: the words after `shoal` and its options. */
function commandsIn(text: string): readonly (readonly string[])[] {
  const ticks = [...text.matchAll(/\\?`shoal ([^`\\]+)\\?`/g)].map(found => found[1] ?? '')
  return ticks
    .map(words => words.replaceAll(/--(host|socket) \S+ /g, '').split(/\s+/))
    .filter(([verb]) => /^[a-z]+$/.test(verb ?? ''))
}

const isThere = ([verb = '', below = '']: readonly string[]): boolean => {
  const under = verbs.get(verb)
  if (under === undefined) return false
  return under.length === 0 || below === '' || !/^[a-z]+$/.test(below) || under.includes(below)
}

test.each(['daemon', 'gossip', 'migrate', 'placement', 'docs'])('every command that %s/ names in a text exists', room => {
  const files = globSync(`${room}/**/*.{ts,md}`, { cwd: root }).filter(file => !file.endsWith('.test.ts'))
  expect(files.length).toBeGreaterThan(3)
  const missing = files.flatMap(file =>
    commandsIn(readFileSync(`${root}${file}`, 'utf8'))
      .filter(command => !isThere(command))
      .map(command => `${file}: shoal ${command.join(' ')}`),
  )
  expect(missing).toEqual([])
})

test('a command that is not there would be found', () => {
  expect(commandsIn("hint: '`shoal peers` lists them'").filter(command => !isThere(command))).toEqual([['peers']])
  expect(commandsIn('`shoal node list`').some(isThere)).toBe(false)
  expect(commandsIn('`shoal --host http://a status`, `shoal node ls`').every(isThere)).toBe(true)
})
