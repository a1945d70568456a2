// Which strategy is in force on this node? The configured one, until `shoal strategy set` says another; that is kept over restarts.
// Built by compose.ts; the control loop reads `settings`, the API shows and sets it.

import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'
import { strategyNamed, strategyNames } from '../placement/strategies.ts'
import type { PlacementSettings } from '../placement/presets.ts'
import type { SettingActions } from './api/node-actions.ts'
import type { StrategyReply } from './api/schema/strategy.ts'
import { type LoadedConfig, placementSettings } from './config.ts'
import type { Codec, Store } from './store.ts'

const Chosen = Type.Object({ name: Type.String({ minLength: 1 }), exact: Type.Boolean() })
type Chosen = Static<typeof Chosen>

const codec: Codec<Chosen> = {
  encode: value => JSON.stringify(value),
  decode(text) {
    const value: unknown = JSON.parse(text)
    if (Value.Check(Chosen, value)) return value
    throw new Error('it names no strategy')
  },
}

const KEY = 'strategy'

export interface StrategySetting {
  readonly settings: () => PlacementSettings
  readonly strategy: () => StrategyReply
  readonly setStrategy: SettingActions['setStrategy']
}

/** @throws StoreError STORE_ENTRY_INVALID */
export async function openStrategySetting({ config, origin }: LoadedConfig, store: Store): Promise<StrategySetting> {
  const table = store.table('settings', codec)
  const configured = placementSettings(config)
  let chosen = await table.get(KEY)

  const settings = (): PlacementSettings =>
    chosen === undefined ? configured : { ...configured, strategy: chosen.name, exact: chosen.exact }
  const reply = (): StrategyReply => {
    const { strategy, exact, threshold, intervalMs } = settings()
    return {
      name: strategy,
      exact,
      threshold,
      intervalMs,
      available: [...strategyNames],
      origin: chosen === undefined ? (origin['strategy.name'] ?? 'default') : 'set',
    }
  }

  return {
    settings,
    strategy: reply,
    async setStrategy({ name, exact = settings().exact }) {
      strategyNamed(name) // refused here when there is none
      const next = { name, exact }
      await table.put(KEY, next)
      chosen = next
      return reply()
    },
  }
}
