// Which strategies are there, by name? Read by the control loop, `shoal strategy set` and `npm run decide`.

import { algorithm1 } from './algorithm-1.ts'
import { algorithm2 } from './algorithm-2.ts'
import { refused } from './errors.ts'
import type { Strategy } from './strategy.ts'

const strategies: readonly Strategy[] = [algorithm1, algorithm2]

export const strategyNames: readonly string[] = strategies.map(strategy => strategy.name)

/**
 * The strategy of this name.
 * @throws PlacementError STRATEGY_UNKNOWN
 */
export function strategyNamed(name: string): Strategy {
  const found = strategies.find(strategy => strategy.name === name)
  if (found !== undefined) return found
  throw refused('STRATEGY_UNKNOWN', {
    what: `there is no strategy "${name.slice(0, 64)}"`,
    hint: `choose one of ${strategyNames.join(', ')}`,
  })
}
