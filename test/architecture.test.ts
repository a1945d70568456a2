// The house rules, as tests: who may import whom, what a pure room may not touch, which names say nothing. See docs/architecture.md.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const rooms = ['placement', 'gossip', 'migrate', 'daemon', 'ui', 'test'] as const
type Room = (typeof rooms)[number]

interface Source {
  readonly path: string
  readonly room: Room
  readonly text: string
  readonly isTest: boolean
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return /\.(ts|tsx|mjs)$/.test(entry.name) ? [path] : []
  })
}

const sources: readonly Source[] = rooms.flatMap(room =>
  filesBelow(join(root, room)).map(path => ({
    path: relative(root, path),
    room,
    text: readFileSync(path, 'utf8'),
    isTest: room === 'test' || /\.test\.tsx?$/.test(path),
  })),
)
const production = sources.filter(source => !source.isTest)

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

function importsOf(source: Source): Import[] {
  const found: Import[] = []
  for (const match of source.text.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]/gm)) {
    found.push({ specifier: match[2] ?? '', typeOnly: match[1] !== undefined })
  }
  for (const match of source.text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ specifier: match[1] ?? '', typeOnly: false })
  }
  return found
}

/** The room a relative import points at, or undefined for a package. */
function roomOf(source: Source, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined
  return normalize(join(dirname(source.path), specifier)).split('/')[0]
}

const mayImport: Readonly<Record<Room, readonly string[]>> = {
  placement: ['placement'],
  gossip: ['gossip', 'placement'],
  migrate: ['migrate', 'placement'],
  daemon: ['daemon', 'placement', 'gossip', 'migrate'],
  ui: ['ui', 'daemon'],
  test: ['test', 'daemon', 'placement', 'gossip', 'migrate', 'ui'],
}

test('no room imports a room it may not', () => {
  const breaches = production.flatMap(source =>
    importsOf(source).flatMap(({ specifier }) => {
      const room = roomOf(source, specifier)
      return room === undefined || mayImport[source.room].includes(room) ? [] : [`${source.path} imports ${specifier}`]
    }),
  )
  expect(breaches).toEqual([])
})

test('the UI talks to the daemon through the types of its API only', () => {
  const breaches = production
    .filter(source => source.room === 'ui')
    .flatMap(source => importsOf(source).map(found => ({ source, ...found })))
    .filter(({ source, specifier }) => roomOf(source, specifier) === 'daemon')
    .filter(({ specifier, typeOnly }) => !typeOnly || !specifier.includes('daemon/api/schema/'))
  expect(breaches.map(({ source, specifier }) => `${source.path} imports ${specifier}`)).toEqual([])
})

test('libp2p is known to gossip/ alone, the engine client to daemon/ alone', () => {
  const owners: readonly [RegExp, readonly Room[]][] = [
    [/^(libp2p$|@libp2p\/|@chainsafe\/|@multiformats\/)/, ['gossip']],
    [/^dockerode$/, ['daemon']],
    [/^(level|fastify|commander|pino|systeminformation)$/, ['daemon']],
  ]
  // A node's key is a libp2p key; daemon/identity.ts alone keeps it on disk.
  const excepted = new Set(['daemon/identity.ts'])
  const breaches = production
    .filter(source => !excepted.has(source.path))
    .flatMap(source =>
      importsOf(source).flatMap(({ specifier, typeOnly }) => {
        const rule = owners.find(([pattern]) => pattern.test(specifier))
        return rule === undefined || typeOnly || rule[1].includes(source.room) ? [] : [`${source.path} imports ${specifier}`]
      }),
    )
  expect(breaches).toEqual([])
})

const clocksAndMachines =
  /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\brandomUUID\b|\bsetTimeout\b|\bsetInterval\b|\bperformance\.now\b/

// Hashing is pure: node:crypto may be imported where nothing random is drawn from it.
const outsidePure = /\brandom(UUID|Bytes|Int)\b|['"]node:(?!crypto['"])/
const impure = (text: string): boolean => clocksAndMachines.test(text) || outsidePure.test(text)

test('placement/ reads no clock, no chance and no machine', () => {
  const breaches = production.filter(source => source.room === 'placement' && impure(source.text))
  expect(breaches.map(source => source.path)).toEqual([])
})

test('reducers read no clock, no chance and no machine', () => {
  const reducers = [
    'migrate/source-machine.ts',
    'migrate/target-machine.ts',
    'gossip/founding.ts',
    'gossip/roster.ts',
    'gossip/failure-detector.ts',
  ]
  const breaches = production.filter(source => reducers.includes(source.path) && impure(source.text))
  expect(production.filter(source => reducers.includes(source.path)).map(source => source.path)).toHaveLength(reducers.length)
  expect(breaches.map(source => source.path)).toEqual([])
})

test('no file is named after nothing', () => {
  const vague = sources.filter(source => /(^|[/-])(utils?|helpers?|manager|common|misc|types)\.tsx?$/.test(source.path))
  expect(vague.map(source => source.path)).toEqual([])
})

test('no module keeps state: nothing at top level can be reassigned', () => {
  const breaches = production.filter(source => /^(export )?(let|var) /m.test(source.text))
  expect(breaches.map(source => source.path)).toEqual([])
})

test('every file says at its head which question it answers', () => {
  const silent = production.filter(source => !/^(#!.*\n)?(\/\/|\/\*)/.test(source.text))
  expect(silent.map(source => source.path)).toEqual([])
})

test('the top level holds the rooms and the papers, nothing else', () => {
  const allowed = new Set(
    [
      ...[
        'package.json',
        'package-lock.json',
        'tsconfig.json',
        'docker-compose.test.yml',
        'Dockerfile',
        '.dockerignore',
        '.npmrc',
        '.gitignore',
      ],
      ...[
        'README.md',
        'CHANGELOG.md',
        'LICENSE',
        'biome.json',
        '.oxlintrc.json',
        'knip.json',
        'vitest.config.ts',
        'vitest.lab.config.ts',
      ],
      ...['docs', '.ci', ...rooms],
      ...['.git', 'node_modules', 'dist'],
    ].toSorted(),
  )
  expect(readdirSync(root).filter(name => !allowed.has(name))).toEqual([])
  expect(rooms.filter(room => !statSync(join(root, room)).isDirectory())).toEqual([])
})
