// Which bounds does Shoal have? Reads them from the rooms' limits files: the value as the program uses it, the reason as its comment tells it.
// Asked by docs.test.ts, which keeps docs/limits.md equal.

import { readFileSync } from 'node:fs'
import * as apiBounds from '../daemon/api/bounds.ts'
import * as daemonLimits from '../daemon/limits.ts'
import * as serviceBounds from '../daemon/service-bounds.ts'
import * as gossipLimits from '../gossip/limits.ts'
import * as trustLimits from '../gossip/trust-limits.ts'
import * as migrateLimits from '../migrate/limits.ts'
import * as placementLimits from '../placement/limits.ts'

export interface Bound {
  /** As in the code: `NAME`, or `TABLE.name` where one constant holds many. */
  readonly name: string
  readonly value: string
  readonly unit: string
  /** Empty when the code does not say. */
  readonly why: string
}

/** The files that hold the bounds, room by room. */
export const boundFiles: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'placement/limits.ts': placementLimits,
  'gossip/limits.ts': gossipLimits,
  'gossip/trust-limits.ts': trustLimits,
  'migrate/limits.ts': migrateLimits,
  'daemon/limits.ts': daemonLimits,
  'daemon/service-bounds.ts': serviceBounds,
  'daemon/api/bounds.ts': apiBounds,
}

/** A pair of a first and a last value is one bound; any other object is a table of them. */
const isRange = (value: unknown): value is { readonly first: number; readonly last: number } =>
  typeof value === 'object' && value !== null && Object.keys(value).join() === 'first,last'

/** Every bound of one file, in the order of the file. */
export function boundsOf(file: string): readonly Bound[] {
  const reasons = reasonsIn(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'))
  const values = Object.entries(boundFiles[file] ?? {}).flatMap(([name, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null && !isRange(value)
      ? Object.entries(value).map(([key, inner]) => [`${name}.${key}`, inner])
      : [[name, value]],
  )
  const place = new Map([...reasons.keys()].map((name, at) => [name, at]))
  return values
    .map(([name, value]) => ({ name, ...measured(name, value), why: reasons.get(name) ?? '' }))
    .toSorted((a, b) => (place.get(a.name) ?? 0) - (place.get(b.name) ?? 0))
}

/** Name → comment. A name without one of its own shares that of the line above, unless a blank line parts them. */
function reasonsIn(source: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  let table = ''
  let comment = ''
  let open = false
  for (const line of source.split('\n')) {
    if (line.trim() === '' || line.startsWith('}')) comment = ''
    if (line.startsWith('}')) table = ''
    if (/^\s*\/\*\*/.test(line)) comment = ''
    if (open || /^\s*\/\*\*/.test(line)) {
      comment = `${comment} ${line.replace(/^\s*(\/\*\*|\*(?!\/))?\s?/, '').replace(/\s*\*\/\s*$/, '')}`.trim()
      open = !line.trimEnd().endsWith('*/')
      continue
    }
    const constant = /^export const (\w+) = (\{$)?/.exec(line)
    if (constant?.[2] !== undefined) {
      table = `${constant[1]}.`
      comment = ''
    } else {
      const name = constant?.[1] ?? (table === '' ? undefined : /^ {2}(\w+): /.exec(line)?.[1])
      if (name !== undefined) found.set(`${table}${name}`, readable(comment))
    }
  }
  return found
}

/** A comment as a cell of a table: without the unit, which has a column, and without pointers to notes outside the repository. */
function readable(comment: string): string {
  return comment
    .replace(/ \((docs\/protocols\/mesh\.md, trap \d+|ms|bytes|characters|count)\)/g, '')
    .replace(/, (ms|seconds)(?=[.:])/, '')
    .replaceAll('|', '\\|')
}

const scales: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  ms: [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ],
  bytes: [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
    ['bytes', 1],
  ],
}

const plainUnits: Readonly<Record<string, string>> = {
  pct: '%',
  s: 's',
  chars: 'characters',
  cores: 'cores',
  intervals: 'intervals',
  samples: 'samples',
}

/** Value and unit for people; the unit is a word of the name. */
function measured(name: string, value: unknown): { readonly value: string; readonly unit: string } {
  const words = (name.split('.').at(-1) ?? name)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[ _]/)
  const numbers = isRange(value) ? [value.first, value.last] : typeof value === 'number' ? [value] : undefined
  if (numbers === undefined) return { value: String(value), unit: 'version' }
  const scale = scales[words.find(word => word in scales) ?? '']
  const [unit, size] = scale?.find(([, each]) => numbers.every(number => number % each === 0)) ?? [
    words.includes('second') ? 'per second' : (plainUnits[words.find(word => word in plainUnits) ?? ''] ?? 'count'),
    1,
  ]
  return { value: numbers.map(number => (number / size).toLocaleString('en')).join(' … '), unit }
}
