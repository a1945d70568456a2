// Does a service fit on a node, and if not, which dimension breaks? One arithmetic for the asker (on its view, with bookings) and for the
// target's admission (on its own load): `load + reserved + booked + need < threshold`, strictly, in every dimension.

import type { Need } from './need.ts'
import { SYSTEM_RESERVE_BYTES, SYSTEM_RESERVE_PCT } from './limits.ts'
import type { Capacity, NodeView, Vec } from './view.ts'

/** Why a service does not fit: the dimension, or a RAM limit below what the service uses already. */
export type FitCode = 'cpu' | 'ram' | 'ram-committed' | 'ram-limit' | 'gpu' | 'no-gpu'

/** What the arithmetic reads of a node. */
export type Room = Pick<NodeView, 'role' | 'capacity' | 'load' | 'reserved' | 'committedRamPct'>

/** A broken dimension with its figures, in percent of the node: `has + adds` against `limit`. */
export interface Misfit {
  readonly code: FitCode
  readonly has: number
  readonly adds: number
  readonly limit: number
}

/** Share of a node's RAM that may be promised to services: all but what its system needs (10 %, at least 256 MiB). */
export function committableRamPct(capacity: Capacity): number {
  const reservePct = capacity.ramBytes > 0 ? (SYSTEM_RESERVE_BYTES / capacity.ramBytes) * 100 : SYSTEM_RESERVE_PCT
  return Math.max(0, 100 - Math.max(SYSTEM_RESERVE_PCT, reservePct))
}

/** What counts against a node's CPU threshold: measured, promised, and booked in this round. Percent. */
export function effectiveCpuPct(room: Pick<Room, 'load' | 'reserved'>, booked: Vec): number {
  return room.load.cpuPct + room.reserved.cpuPct + booked.cpuPct
}

/**
 * Null when the need fits; else the first dimension that breaks. The cloud is never full in CPU, and nothing is booked on it; its memory is
 * as real as any other.
 */
export function misfit(room: Room, booked: Vec, need: Need, threshold: Vec): Misfit | null {
  const { load, reserved, capacity } = room
  if (need.limitBelowUse) {
    return { code: 'ram-limit', has: need.usedRamPct, adds: 0, limit: need.need.ramPct }
  }
  if (room.role !== 'cloud') {
    const has = effectiveCpuPct(room, booked)
    if (!(has + need.need.cpuPct < threshold.cpuPct)) {
      return { code: 'cpu', has, adds: need.need.cpuPct, limit: threshold.cpuPct }
    }
  }
  const ramHas = load.ramPct + reserved.ramPct + booked.ramPct
  const ramAdds = need.need.ramPct + need.bufferRamPct
  if (!(ramHas + ramAdds < threshold.ramPct)) return { code: 'ram', has: ramHas, adds: ramAdds, limit: threshold.ramPct }
  const committed = room.committedRamPct + reserved.ramPct + booked.ramPct
  const committable = committableRamPct(capacity)
  if (committed + need.need.ramPct > committable) {
    return { code: 'ram-committed', has: committed, adds: need.need.ramPct, limit: committable }
  }
  if (need.need.gpuPct <= 0) return null
  if (capacity.gpus === 0) return { code: 'no-gpu', has: 0, adds: need.need.gpuPct, limit: 0 }
  const gpuHas = load.gpuPct + reserved.gpuPct + booked.gpuPct
  if (gpuHas + need.need.gpuPct < threshold.gpuPct) return null
  return { code: 'gpu', has: gpuHas, adds: need.need.gpuPct, limit: threshold.gpuPct }
}

const figure = (value: number): string => (Number.isFinite(value) ? String(Math.round(value * 10) / 10) : 'more than there is')

/** A misfit in words: `cpu 40 + 10 = 50, must stay below 50`. */
export function misfitText({ code, has, adds, limit }: Misfit): string {
  const sum = `${figure(has)} + ${figure(adds)} = ${figure(has + adds)}`
  switch (code) {
    case 'cpu':
    case 'gpu':
      return `${code} ${sum}, must stay below ${figure(limit)}`
    case 'ram':
      return `ram ${sum} with the transfer buffer, must stay below ${figure(limit)}`
    case 'ram-committed':
      return `ram promised to services ${sum}, at most ${figure(limit)} may be`
    case 'ram-limit':
      return `ram limit there is ${figure(limit)} %, the service uses ${figure(has)} % already`
    case 'no-gpu':
      return 'has no GPU'
  }
}
