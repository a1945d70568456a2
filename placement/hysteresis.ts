// Is this node red? A pure reducer from samples to a label: smooth, count samples in a row, turn red at the threshold, green only below a
// lower bound. The bound is for the label alone: what a red node sheds is decided by its load against the threshold (round.ts).

import { EMERGENCY_PCT, EMERGENCY_SAMPLES } from './limits.ts'
import type { PlacementSettings } from './presets.ts'
import { isBelow, overIn } from './vec.ts'
import type { Vec } from './view.ts'

/** What a run of samples has come to. */
export interface LoadState {
  /** Newest sample as measured. */
  readonly raw: Vec
  /** EWMA of the samples. */
  readonly smoothed: Vec
  readonly label: 'green' | 'red'
  /** Samples in a row whose smoothed load was at or over the threshold in some dimension. */
  readonly samplesOver: number
  /** Samples in a row whose raw load was at or over 90 % in some dimension. */
  readonly samplesExtreme: number
}

type Settings = Pick<PlacementSettings, 'ewmaWeight' | 'redAfterSamples' | 'threshold' | 'greenBelowPts'>

const extreme: Vec = { cpuPct: EMERGENCY_PCT, ramPct: EMERGENCY_PCT, gpuPct: EMERGENCY_PCT }

/** One step of an EWMA: `weight` of the new sample. */
export function smooth(old: Vec, sample: Vec, weight: number): Vec {
  const mix = (before: number, now: number): number => before + weight * (now - before)
  return {
    cpuPct: mix(old.cpuPct, sample.cpuPct),
    ramPct: mix(old.ramPct, sample.ramPct),
    gpuPct: mix(old.gpuPct, sample.gpuPct),
  }
}

/** The state after one more sample; `before` is null for the first. */
export function nextLoadState(before: LoadState | null, sample: Vec, settings: Settings): LoadState {
  const { threshold, greenBelowPts } = settings
  const smoothed = before === null ? sample : smooth(before.smoothed, sample, settings.ewmaWeight)
  const samplesOver = overIn(smoothed, threshold) === null ? 0 : (before?.samplesOver ?? 0) + 1
  const samplesExtreme = overIn(sample, extreme) === null ? 0 : (before?.samplesExtreme ?? 0) + 1
  const lower: Vec = {
    cpuPct: threshold.cpuPct - greenBelowPts,
    ramPct: threshold.ramPct - greenBelowPts,
    gpuPct: threshold.gpuPct - greenBelowPts,
  }
  const turnsRed = samplesOver >= settings.redAfterSamples
  const staysRed = before?.label === 'red' && !isBelow(smoothed, lower)
  return { raw: sample, smoothed, label: turnsRed || staysRed ? 'red' : 'green', samplesOver, samplesExtreme }
}

/** Whether the node acts now: over the threshold long enough, and still over it. A red label alone sheds nothing. */
export function mustShed(state: LoadState, settings: Pick<Settings, 'redAfterSamples'>): boolean {
  return state.samplesOver >= settings.redAfterSamples
}

/** Whether cooldowns are skipped: so loaded that waiting costs more than a move too many. Admission is never skipped. */
export function isEmergency(state: LoadState): boolean {
  return state.samplesExtreme >= EMERGENCY_SAMPLES
}
