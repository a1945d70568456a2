import { expect, test } from 'vitest'
import { isEmergency, type LoadState, mustShed, nextLoadState } from './hysteresis.ts'
import { lab, lan, type PlacementSettings } from './presets.ts'
import { vec } from './test-mesh.ts'
import type { Vec } from './view.ts'

const run = (samples: readonly (number | Vec)[], settings: PlacementSettings): LoadState => {
  let state: LoadState | null = null
  for (const sample of samples) state = nextLoadState(state, typeof sample === 'number' ? vec(sample) : sample, settings)
  if (state === null) throw new Error('no samples')
  return state
}
const labels = (samples: readonly number[], settings: PlacementSettings) =>
  samples.map((_, index) => run(samples.slice(0, index + 1), settings).label)

test('two samples in a row at the threshold make a node red, one does not', () => {
  expect(labels([60, 40, 60, 60], lab)).toEqual(['green', 'green', 'green', 'red'])
})

test.each([
  { cpu: 49.9, label: 'green' },
  { cpu: 50, label: 'red' },
  { cpu: 50.1, label: 'red' },
])('a steady $cpu percent is $label', ({ cpu, label }) => expect(run([cpu, cpu, cpu], lab).label).toBe(label))

test('the label turns green below 45 only, but between 45 and 50 a red node sheds nothing', () => {
  const almost = run([60, 60, 46], lab)
  expect(almost.label).toBe('red')
  expect(mustShed(almost, lab)).toBe(false)
  expect(run([60, 60, 44.9], lab).label).toBe('green')
})

test('smoothed, a step from 38 to 60 is over the threshold after three samples, red after one more', () => {
  expect(run([38, 60, 60], lan).samplesOver).toBe(0)
  expect(run([38, 60, 60, 60], lan)).toMatchObject({ samplesOver: 1, label: 'green' })
  expect(run([38, 60, 60, 60, 60], lan)).toMatchObject({ samplesOver: 2, label: 'red' })
})

test('one spike does not turn a smoothed node red', () => expect(labels([30, 95, 30, 30, 30], lan)).not.toContain('red'))

test('RAM and GPU have thresholds of their own', () => {
  expect(run([vec(10, 84), vec(10, 84)], lab).label).toBe('green')
  expect(run([vec(10, 85), vec(10, 85)], lab).label).toBe('red')
  expect(run([vec(10, 10, 50), vec(10, 10, 50)], lab).label).toBe('red')
})

test('red is counted over dimensions: CPU in one sample, RAM in the next', () => {
  expect(run([vec(60, 10), vec(10, 90)], lab).label).toBe('red')
})

test('ninety percent raw load twice in a row is an emergency', () => {
  expect(isEmergency(run([20, 95], lan))).toBe(false)
  expect(isEmergency(run([20, 95, 95], lan))).toBe(true)
})
