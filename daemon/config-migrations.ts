// How does a configuration file of an older version become one of today's? A numbered list; config.ts runs it in memory, the file stays as it is.
// To add one: raise CONFIG_VERSION in config-schema.ts, append a step here, keep the old file as a fixture in the test.

import { ConfigError } from './errors.ts'

/** One step: a document of version `from` becomes one of `from + 1`. Gets and returns plain data; must not change its argument. */
export interface Migration {
  readonly from: number
  readonly says: string
  readonly step: (document: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>
}

/** All steps there are, oldest first. Version 1 is the first, so there is none yet. */
export const MIGRATIONS: readonly Migration[] = []

/**
 * Brings `document` to version `to`. A document without `version` counts as `to`: people write short files by hand.
 * Throws CONFIG_VERSION for one that is newer than this Shoal, or that no step leads from.
 */
export function migrate(
  document: Readonly<Record<string, unknown>>,
  to: number,
  migrations: readonly Migration[] = MIGRATIONS,
): { readonly document: Readonly<Record<string, unknown>>; readonly applied: readonly string[] } {
  const found = document['version'] ?? to
  if (typeof found !== 'number' || !Number.isInteger(found) || found < 1 || found > to) {
    throw new ConfigError('CONFIG_VERSION', {
      what: `the configuration says version ${JSON.stringify(found)}, this Shoal knows 1 to ${to}`,
      hint: 'use the Shoal that wrote it, or correct the line `version:`',
    })
  }
  let current = document
  const applied: string[] = []
  for (let version = found; version < to; version++) {
    const migration = migrations.find(({ from }) => from === version)
    if (migration === undefined) {
      throw new ConfigError('CONFIG_VERSION', {
        what: `nothing leads from configuration version ${version} to ${version + 1}`,
        hint: 'this is a bug in Shoal: please report it with your configuration file',
      })
    }
    current = { ...migration.step(current), version: version + 1 }
    applied.push(`${version} → ${version + 1}: ${migration.says}`)
  }
  return { document: current, applied }
}
