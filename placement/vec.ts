// Arithmetic on loads, needs and thresholds. Called all over this room.

import type { Vec } from './view.ts'

export const ZERO: Vec = { cpuPct: 0, ramPct: 0, gpuPct: 0 }

export const dimensions = ['cpuPct', 'ramPct', 'gpuPct'] as const
export type Dimension = (typeof dimensions)[number]

export function add(a: Vec, b: Vec): Vec {
  return { cpuPct: a.cpuPct + b.cpuPct, ramPct: a.ramPct + b.ramPct, gpuPct: a.gpuPct + b.gpuPct }
}

/** `a - b`, never below zero: what is left of a load when a part of it goes. */
export function without(a: Vec, b: Vec): Vec {
  return {
    cpuPct: Math.max(0, a.cpuPct - b.cpuPct),
    ramPct: Math.max(0, a.ramPct - b.ramPct),
    gpuPct: Math.max(0, a.gpuPct - b.gpuPct),
  }
}

export function scale(a: Vec, factor: number): Vec {
  return { cpuPct: a.cpuPct * factor, ramPct: a.ramPct * factor, gpuPct: a.gpuPct * factor }
}

/** The first dimension in which `load` is at or over `threshold`, or null: red iff load >= T (50 exactly is red). */
export function overIn(load: Vec, threshold: Vec): Dimension | null {
  return dimensions.find(dimension => load[dimension] >= threshold[dimension]) ?? null
}

/** Whether `load` is below `threshold` in every dimension. */
export function isBelow(load: Vec, threshold: Vec): boolean {
  return load.cpuPct < threshold.cpuPct && load.ramPct < threshold.ramPct && load.gpuPct < threshold.gpuPct
}
