// Which of a red node's services leaves next, and when has enough left? Relief stops just below the threshold: draining down to a lower bound
// doubles the moves for nothing.

import type { PlacementSettings } from './presets.ts'
import type { Movable } from './strategy.ts'
import { dimensions, isBelow, overIn, without } from './vec.ts'
import type { NodeView, Vec } from './view.ts'

/** Load that no service causes is over the threshold by itself: moving some cannot cure, so all leave, to protect their quality of service. */
export function allMustLeave(self: Pick<NodeView, 'outside'>, threshold: Vec): boolean {
  return overIn(self.outside, threshold) !== null
}

/** The dimension that is over by the largest factor: the one relief is measured in. */
function worstDimension(load: Vec, threshold: Vec): (typeof dimensions)[number] {
  const factor = (dimension: (typeof dimensions)[number]): number => load[dimension] / threshold[dimension]
  return dimensions.reduce((worst, dimension) => (factor(dimension) > factor(worst) ? dimension : worst))
}

/** Ties: stateless first, then what is quicker to carry; then as deployed (the sort is stable). */
const cheapest = (a: Movable, b: Movable): number =>
  Number(a.type === 'stateful') - Number(b.type === 'stateful') || a.demand.ramBytes - b.demand.ramBytes

/**
 * The service to take next off a node with this load. `fewest-moves`: the smallest single one that cures, else the biggest. `as-deployed`: the
 * first. Undefined when none is left.
 */
export function nextToLeave(
  services: readonly Movable[],
  load: Vec,
  { order, threshold }: Pick<PlacementSettings, 'order' | 'threshold'>,
): Movable | undefined {
  if (order === 'as-deployed') return services[0]
  const worst = worstDimension(load, threshold)
  const curing = services
    .filter(service => isBelow(without(load, service.use), threshold))
    .toSorted((a, b) => a.use[worst] - b.use[worst] || cheapest(a, b))
  return curing[0] ?? services.toSorted((a, b) => b.use[worst] - a.use[worst] || cheapest(a, b))[0]
}
