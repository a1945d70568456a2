// How the API says the configuration: one row per setting that holds a value, in the schema's order, with what set it. Pure.
// Called by compose.ts for GET /api/config and by the CLI where no daemon runs.

import { settings } from '../config-schema.ts'
import type { LoadedConfig } from '../config.ts'
import type { ConfigReply } from './schema/upkeep.ts'

export function configReply(config: LoadedConfig['config'], origin: LoadedConfig['origin']): ConfigReply {
  return {
    settings: settings().flatMap(({ key }) => {
      const value = valueAt(config, key)
      return value === undefined ? [] : [{ key, value, origin: origin[key] ?? 'default' }]
    }),
  }
}

function valueAt(value: unknown, key: string): unknown {
  return key
    .split('.')
    .reduce<unknown>((at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined), value)
}
