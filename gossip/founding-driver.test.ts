import { expect, test } from 'vitest'
import type { Clock } from '../placement/clock.ts'
import { FoundingDriver, type FoundingPorts } from './founding-driver.ts'
import { foundingTiming } from './founding-state.ts'

/** A clock that goes on by `stepMs` at every reading, as on a machine that is busy elsewhere; timers are run by hand. */
function slowClock(stepMs: number) {
  let now = 0
  let waiting: (() => void) | undefined
  const clock: Clock = {
    now: () => (now += stepMs),
    wallNow: () => now,
    after(_ms, run) {
      waiting = run
      return () => (waiting = undefined)
    },
  }
  const fire = (): boolean => {
    const run = waiting
    waiting = undefined
    run?.()
    return run !== undefined
  }
  return { clock, fire }
}

/** A node of its own on a link where nobody else is. */
function loneNode(clock: Clock) {
  let founded = 0
  const self = { id: '12D3KooWlone', name: 'lone', role: 'edge' } as const
  const membership: FoundingPorts['membership'] = {
    meshId: null,
    own: () => undefined,
    members: () => new Map(),
    mayAdmit: () => false,
    found: async () => {
      founded += 1
      return 'mesh'
    },
    admit: async () => undefined,
    enter: async () => undefined,
    leave: async () => undefined,
  }
  const nothing = async (): Promise<void> => undefined
  const driver = new FoundingDriver({
    ...{ self, clock, membership, random: () => 0.5, timing: foundingTiming, used: false },
    ...{ ask: nothing, onLeaving: nothing, onEntered: () => undefined, onDeclined: () => undefined },
    ...{ onNews: () => undefined, onFailure: () => undefined },
  })
  return { driver, founded: () => founded }
}

test('a lone node founds a mesh, however slowly its clock is read: no deadline falls between two readings', async () => {
  const stuck: number[] = []
  for (let stepMs = 1; stepMs <= 400; stepMs += 1) {
    const { clock, fire } = slowClock(stepMs)
    const { driver, founded } = loneNode(clock)
    driver.start()
    for (let turns = 0; turns < 10_000 && founded() === 0 && fire(); turns += 1) await driver.settled()
    if (founded() === 0) stuck.push(stepMs)
    driver.stop()
  }
  expect(stuck).toEqual([])
})
