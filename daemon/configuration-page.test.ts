// docs/configuration.md lists every setting with its default, and no other. `UPDATE_DOCS=1` writes its tables anew.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { PRESETS } from './config.ts'
import { settings } from './config-schema.ts'

const page = fileURLToPath(new URL('../docs/configuration.md', import.meta.url))
const lanDefault = (key: string) => settings().find(setting => setting.key === key)?.schema.default

const shown = (value: unknown): string =>
  value === undefined ? 'found out' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
const settingRows = settings().map(({ key, schema }) => {
  const choice = schema.enum === undefined ? '' : ` (${schema.enum.map(word => `\`${word}\``).join(', ')})`
  return `| \`${key}\` | ${key === 'name' ? 'the host name' : shown(schema.default)} | ${schema.description ?? ''}${choice} |`
})
const presetRows = Object.entries(PRESETS.lab)
  .filter(([key, value]) => value !== lanDefault(key))
  .map(([key, value]) => `| \`${key}\` | ${shown(value)} |`)

/** The page with its two tables as the schema has them. */
function written(text: string): string {
  const table = (heading: string, head: string, rows: readonly string[]) => (all: string) =>
    all.replace(new RegExp(`(## ${heading}\\n[\\s\\S]*?\\| --- [^\\n]*\\n)(\\|[^\\n]*\\n)*`), (_, before: string) => {
      expect(before).toContain(head)
      return `${before}${rows.join('\n')}\n`
    })
  return table('Presets', '| key | `lab` |', presetRows)(table('Settings', '| key | default | what it is |', settingRows)(text))
}

test('docs/configuration.md lists every setting and what the preset lab changes', () => {
  const text = readFileSync(page, 'utf8')
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, written(text))
  expect(readFileSync(page, 'utf8')).toBe(written(text))
  expect(settingRows.length).toBeGreaterThan(30)
  expect(presetRows.length).toBeGreaterThan(5)
})
