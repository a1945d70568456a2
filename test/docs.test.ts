// What docs/ and the README say is what the code does: every error code, every bound, every file, link, script and verb they name.
// `UPDATE_DOCS=1` writes the tables of docs/errors.md and docs/limits.md anew; the column "what to do" is kept as a person wrote it.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { API_ERRORS } from '../daemon/api/api-errors.ts'
import type { Cli } from '../daemon/cli/cli.ts'
import { buildProgram } from '../daemon/cli/program.ts'
import { DAEMON_ERRORS } from '../daemon/errors.ts'
import { SERVICE_ERRORS } from '../daemon/service-errors.ts'
import { meshErrorCodes } from '../gossip/errors.ts'
import { trustErrorCodes } from '../gossip/trust-errors.ts'
import { moveErrorCodes } from '../migrate/errors.ts'
import { placementErrors } from '../placement/errors.ts'
import { boundFiles, boundsOf } from './bounds.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Every file of the repository that people wrote, from its root. */
const files: readonly string[] = (function below(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (['node_modules', '.git', 'dist', '.ci/out'].includes(path)) return []
    return entry.isDirectory() ? below(path) : [path]
  })
})('')

const pages = files.filter(path => path.endsWith('.md'))
const code = files.filter(path => /\.(ts|sh)$/.test(path) && !/\.(test|lab)\.ts$/.test(path))

/** The page with the rows of the table below `heading`; its head stays as it is. */
function withRows(text: string, heading: string, rows: readonly string[]): string {
  const head = `## ${heading}\n`
  expect(text, `a section "${heading}"`).toContain(head)
  const start = text.indexOf(head)
  const rule = text.indexOf('| --- ', start)
  const first = text.indexOf('\n', rule) + 1
  const after = /^(?!\|)/m.exec(text.slice(first))?.index ?? 0
  return text.slice(0, first) + rows.map(row => `${row}\n`).join('') + text.slice(first + after)
}

function keepEqual(page: string, written: (text: string) => string): void {
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(join(root, page), written(read(page)))
  expect(read(page), '`UPDATE_DOCS=1 npx vitest run test/docs.test.ts` writes it anew').toBe(written(read(page)))
}

const labErrors = Object.fromEntries(
  [...read('test/lab/errors.ts').matchAll(/\/\*\* (.*) \*\/\n +\| '(LAB_\w+)'/g)].map(([, says = '', name = '']) => [name, says]),
)
const daemonOnly = Object.entries(DAEMON_ERRORS).filter(([name]) => !(name in SERVICE_ERRORS) && !(name in API_ERRORS))
const errorTables: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Services: SERVICE_ERRORS,
  Moves: moveErrorCodes,
  Placement: placementErrors,
  'The mesh': meshErrorCodes,
  'Joining and trust': trustErrorCodes,
  'The node and its engine': Object.fromEntries(daemonOnly),
  'API and command line': API_ERRORS,
  'The lab': labErrors,
  Bugs: { INVARIANT_BROKEN: 'something that must hold does not: the move or service concerned is fenced, nothing limps on' },
}
const asRow = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const sentence = (text: string): string => text.replace(/^[A-Z](?=[a-z ])/, letter => letter.toLowerCase()).replace(/\.$/, '')

test('docs/errors.md lists every error code with its meaning and what to do, and no other', () => {
  const hints = new Map(
    [...read('docs/errors.md').matchAll(/^\| `(\w+)` \| .* \| (.*) \|$/gm)].map(([, name, hint]) => [name, hint]),
  )
  keepEqual('docs/errors.md', text =>
    Object.entries(errorTables).reduce(
      (page, [heading, codes]) =>
        withRows(
          page,
          heading,
          Object.entries(codes).map(([name, says]) => asRow([`\`${name}\``, sentence(says), hints.get(name) ?? ''])),
        ),
      text,
    ),
  )
  const all = Object.values(errorTables).flatMap(codes => Object.keys(codes))
  expect(all.filter(name => (hints.get(name) ?? '') === '')).toEqual([])
  expect(new Set(all).size).toBe(all.length)
  expect(Object.keys(labErrors)).toHaveLength(read('test/lab/errors.ts').split("| 'LAB_").length - 1)
})

test('every code that docs/errors.md lists is given somewhere', () => {
  const tables = /(^|\/)(\w+-)?errors\.ts$|error-reply\.ts$|exit-code\.ts$/
  const text = files
    .filter(path => path.endsWith('.ts') && !path.endsWith('.test.ts') && !(tables.test(path) || path.startsWith('test/sim/')))
    .concat('placement/shoal-error.ts', 'daemon/api/error-reply.ts')
    .map(path => read(path).replace(/^ +[A-Z_]+: \d+,$/gm, ''))
    .join('\n')
  const codes = Object.values(errorTables).flatMap(table => Object.keys(table))
  expect(codes.filter(name => !new RegExp(`['"]${name}['"]|\\b${name}: \\{`).test(text))).toEqual([])
})

test('docs/limits.md lists every bound with value, unit and reason, and no other', () => {
  const rows = (file: string): string[] =>
    boundsOf(file).map(({ name, value, unit, why }) => asRow([`\`${name}\``, value, unit, why]))
  keepEqual('docs/limits.md', text => Object.keys(boundFiles).reduce((page, file) => withRows(page, file, rows(file)), text))
  const silent = Object.keys(boundFiles).flatMap(file => boundsOf(file).filter(({ why }) => why === ''))
  expect(silent.map(({ name }) => name)).toEqual([])
})

test('every file with bounds is among those docs/limits.md lists', () => {
  const found = files.filter(path => /(^|[/-])(limits|bounds)\.ts$/.test(path) && !path.startsWith('test/'))
  // daemon/service-limits.ts is no list of bounds: it resolves the limits of a service.
  expect(found.filter(path => path !== 'daemon/service-limits.ts').toSorted()).toEqual(Object.keys(boundFiles).toSorted())
})

test('every file and folder that a page names exists', () => {
  const ends = (path: string, name: string): boolean => path === name || path.endsWith(`/${name}`)
  const missing = pages.flatMap(page => {
    const text = read(page)
    const named = [...text.matchAll(/(?<![\w/{}.-])((?:[\w.-]+\/)*[\w-][\w.-]*\.(?:ts|sh|mjs|c|md))(?![\w/])/g)].map(
      ([, name = '']) => name,
    )
    const folders = [...text.matchAll(/`((?:[\w-]+\/)+)`/g)].map(([, name = '']) => name)
    return [
      ...named.filter(name => !files.some(path => ends(path, name.replace(/^(\.\.?\/)+/, '')))),
      ...folders.filter(name => name !== 'dist/' && !files.some(path => path.startsWith(name) || path.includes(`/${name}`))),
    ].map(name => `${page} names ${name}`)
  })
  expect(missing).toEqual([])
})

test('every link of a page leads somewhere', () => {
  const broken = pages.flatMap(page =>
    [...read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
      .filter(([, target = '']) => !/^https?:/.test(target) && !existsSync(join(root, dirname(page), target)))
      .map(([, target]) => `${page} links to ${target}`),
  )
  expect(broken).toEqual([])
})

/** The CLI as it is built, with nothing behind it. */
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
const verbs = new Map(
  buildProgram({ cli, version: '0' }).commands.map(command => [command.name(), command.commands.map(below => below.name())]),
)

/** What is wrong with a command line `shoal …` found in a text, or undefined. */
function wrongCommand(line: string): string | undefined {
  const [verb = '', next = ''] = line.split(/\s+/).filter(word => !word.startsWith('-'))
  const below = verbs.get(verb)
  if (below === undefined) return `shoal ${verb}`
  return below.length > 0 && /^[a-z]+$/.test(next) && !below.includes(next) ? `shoal ${verb} ${next}` : undefined
}

test('every verb that a page or a hint of the program tells a person to use exists', () => {
  const told = [...pages, ...code].flatMap(path =>
    [...read(path).matchAll(/(?:`|dist\/|\$ )shoal ((?:-[\w-]+ )?[a-z][^`\n]*)/g)].flatMap(([, line = '']) => {
      const wrong = wrongCommand(line.replaceAll('\\', ''))
      return wrong === undefined ? [] : [`${path}: ${wrong}`]
    }),
  )
  expect(told).toEqual([])
  expect(wrongCommand('fly away')).toBe('shoal fly')
  expect(wrongCommand('moves fly')).toBe('shoal moves fly')
})

test('every script that a page names is in package.json, and the demo knows the flags the README gives it', () => {
  const { scripts } = JSON.parse(read('package.json')) as { readonly scripts: Readonly<Record<string, string>> }
  const named = pages.flatMap(page =>
    [...read(page).matchAll(/npm (?:run (?:-s )?([\w:-]+)|(test)\b)/g)].map(([, run, test]) => run ?? test ?? ''),
  )
  expect(named).toContain('demo')
  expect(named.filter(name => !(name in scripts))).toEqual([])
  const demo = read('test/demo/main.ts')
  const flags = ['--once', '--json', '--keep']
  expect(flags.filter(flag => !read('README.md').includes(flag) || !demo.includes(flag.slice(2)))).toEqual([])
})

test('no script or configuration names a host to fetch from, and no file names this checkout', () => {
  // Packages come from wherever this machine gets its packages: that is set outside the repository.
  const own = /^(localhost|127\.|.*\$\{|[\w.-]+\.example$)/
  const fetching = files.filter(path => /(\.sh|\.ya?ml|Dockerfile|\.npmrc|\.ci\/run|package\.json)$/.test(path))
  const hosts = fetching.flatMap(path =>
    [...read(path).matchAll(/https?:\/\/([^/\s'"`)\\:]+)/g)]
      .filter(([, host = '']) => !own.test(host))
      .map(([, host]) => `${path}: ${host}`),
  )
  expect(hosts).toEqual([])
  expect(read('package-lock.json')).not.toContain('"resolved"')
  expect(read('.npmrc')).not.toMatch(/^\S*registry\s*=/m)
  // A checkout below /usr or the like may share its path with what the program itself names.
  const telling = /^\/(usr|etc|var|run|tmp|opt)\//.test(`${root}/`) ? [] : files.filter(path => read(path).includes(`${root}/`))
  expect(telling).toEqual([])
})
