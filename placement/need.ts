// What does one service ask of one node, in every respect the fit is judged by? The need, the room a move takes besides, and whether the
// memory in use would not even fit into the service's own limit there.

import { type Demand, needOn } from './profile.ts'
import { add } from './vec.ts'
import type { Capacity, MoveMode, Vec } from './view.ts'

/** A need on one node, in percent of it. */
export interface Need {
  readonly need: Vec
  /** A move needs memory twice for a while: the images it receives stand beside the memory they become. 0 when stateless. */
  readonly bufferRamPct: number
  /** Memory in use on the source, in percent of this node. */
  readonly usedRamPct: number
  /** The profile's RAM, as it resolves here, is less than a stateful service uses already: the restore would be killed. */
  readonly limitBelowUse: boolean
}

/** Resolves a demand on a node of this capacity, for a move in `mode`. */
export function moveNeed(demand: Demand, mode: MoveMode, capacity: Capacity): Need {
  const need = needOn(demand, capacity)
  const usedRamPct = capacity.ramBytes > 0 ? (demand.ramBytes / capacity.ramBytes) * 100 : 0
  const carries = mode !== 'stateless'
  return {
    need,
    bufferRamPct: carries ? usedRamPct : 0,
    usedRamPct,
    limitBelowUse: carries && demand.quota.ram !== undefined && need.ramPct < usedRamPct,
  }
}

/** What a promise or a booking holds on a target: the need, and the buffer in RAM. */
export function held(need: Need): Vec {
  return add(need.need, { cpuPct: 0, ramPct: need.bufferRamPct, gpuPct: 0 })
}
