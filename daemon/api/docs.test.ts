import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Cli } from '../cli/cli.ts'
import { buildProgram } from '../cli/program.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

test('docs/api.md lists every route, and no other', () => {
  const sources = readdirSync(new URL('./routes/', import.meta.url)).map(name => read(`./routes/${name}`))
  const routes = sources.flatMap(text =>
    [...text.matchAll(/api\.(get|post|put|delete)\(\s*'([^']+)'/g)].map(
      ([, method = '', path = '']) => `${method.toUpperCase()} ${path}`,
    ),
  )
  const listed = [...read('../../docs/api.md').matchAll(/^\| `([A-Z]+ \/[^`]+)` \|/gm)].map(([, route]) => route)
  expect(routes.length).toBeGreaterThan(20)
  expect(listed.toSorted()).toEqual(routes.toSorted())
})

test('docs/cli.md names every verb', () => {
  const cli: Cli = {
    ...{ out: () => undefined, hint: () => undefined, env: {}, terminal: false, exit: { code: 0 } },
    ...{ signal: new AbortController().signal, readFile: async () => '', ask: async () => '' },
    host: {
      up: async () => undefined,
      config: async () => ({ settings: [] }),
      doctor: async () => ({ checks: [] }),
      setup: async () => ({ diff: '', apply: async () => [] }),
    },
  }
  const verbs = buildProgram({ cli, version: '0' }).commands.flatMap(command =>
    command.commands.length === 0 ? [command.name()] : command.commands.map(below => `${command.name()} ${below.name()}`),
  )
  const text = read('../../docs/cli.md')
  expect(verbs.filter(verb => !text.includes(`\`${verb}\``))).toEqual([])
})
