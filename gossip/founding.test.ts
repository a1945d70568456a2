// The way into a mesh: single steps as a person would see them, then whole crowds of nodes in a seeded world.

import { expect, test } from 'vitest'
import { announcement, beginFounding, step, wakeAt } from './founding.ts'
import { describe as describeState } from './founding-words.ts'
import { foundingTiming, type FoundingEffect, type FoundingEvent, type FoundingState, type HeardNode } from './founding-state.ts'
import { foundingWorld } from './founding-world.ts'

const SELF = 'm'
const at = (now: number) => ({ now, random: 0.5 })

const fresh = (id: string): FoundingEvent => ({ on: 'heard', ...node(id, null), fresh: true })
const lone = (id: string, meshId: string): FoundingEvent => ({
  on: 'heard',
  ...node(id, meshId),
  loneAndFresh: true,
  meshSize: 1,
})
const real = (id: string, meshId: string, more: Partial<HeardNode> = {}): FoundingEvent => ({
  on: 'heard',
  ...node(id, meshId),
  ...more,
})
function node(id: string, meshId: string | null): HeardNode {
  return {
    id,
    fresh: false,
    meshId,
    meshSize: meshId === null ? 0 : 3,
    loneAndFresh: false,
    admits: meshId !== null,
    windowOpen: true,
    heardOnLink: true,
  }
}

/** Plays events at given moments and collects the effects. */
function play(
  state: FoundingState,
  events: readonly (readonly [number, FoundingEvent])[],
): { state: FoundingState; effects: FoundingEffect[] } {
  const effects: FoundingEffect[] = []
  let now = state
  for (const [moment, event] of events) {
    const next = step(now, event, at(moment))
    now = next.state
    effects.push(...next.effects)
  }
  return { state: now, effects }
}
const begin = () => beginFounding({ self: SELF, timing: foundingTiming, used: false, mesh: null })
const started = () => play(begin(), [[0, { on: 'started' }]]).state
/** A mesh of one called `k`, founded at 3 s. */
const alone = () =>
  play(started(), [
    [3_000, { on: 'tick' }],
    [3_000, { on: 'founded', meshId: 'k' }],
  ]).state
const asked = (id: string): FoundingEvent => ({ on: 'asked', id, meshId: 'k', windowOpen: true, heardOnLink: true })

test('a fresh node that hears nobody founds after listening, not before', () => {
  expect(play(started(), [[2_999, { on: 'tick' }]]).effects).toEqual([])
  expect(play(started(), [[3_000, { on: 'tick' }]]).effects).toEqual([{ do: 'found' }])
})

test('a fresh node that hears one mesh asks it, a member that may admit first', () => {
  const { effects } = play(started(), [
    [100, real('a', 'z', { admits: false })],
    [110, real('b', 'z')],
    [3_000, { on: 'tick' }],
  ])
  expect(effects).toEqual([{ do: 'ask', id: 'b', meshId: 'z', byToken: false }])
})

test('of the fresh nodes heard the lowest peer id founds; the others wait for it at most 10 s', () => {
  const waiting = play(started(), [
    [100, fresh('c')],
    [100, fresh('x')],
    [3_000, { on: 'tick' }],
    [12_900, fresh('c')],
    [12_999, { on: 'tick' }],
  ])
  expect(waiting.effects).toEqual([])
  expect(waiting.state.activity).toMatchObject({ at: 'expecting', founder: 'c' })
  expect(step(waiting.state, { on: 'tick' }, at(13_000)).effects).toEqual([{ do: 'found' }])
  expect(
    play(started(), [
      [100, fresh('x')],
      [3_000, { on: 'tick' }],
    ]).effects,
  ).toEqual([{ do: 'found' }])
})

test('a node that hears several meshes waits and says so; a person chooses', () => {
  const two = play(started(), [
    [100, real('a', 'y')],
    [100, real('b', 'z')],
    [3_000, { on: 'tick' }],
  ])
  expect(two.effects).toEqual([])
  expect(describeState(two.state, 3_000)).toMatchObject({
    phase: 'waiting',
    says: expect.stringContaining('heard 2 meshes (y, z)'),
  })
  expect(step(two.state, { on: 'accepted', meshId: 'z' }, at(3_100)).effects).toEqual([
    { do: 'ask', id: 'b', meshId: 'z', byToken: false },
  ])
  expect(step(two.state, { on: 'accepted', meshId: 'q' }, at(3_100)).effects).toEqual([
    { do: 'refuseJoin', code: 'MESH_NOT_HEARD' },
  ])
})

test('asked outside the window it waits, asks again ever more seldom, and at once when the window opens', () => {
  let { state } = play(started(), [
    [100, real('a', 'z', { windowOpen: false })],
    [3_000, { on: 'tick' }],
  ])
  const asks: number[] = []
  for (let now = 3_000; now <= 123_000; now += 100) {
    if (now % 5_000 === 0) state = step(state, real('a', 'z', { windowOpen: false }), at(now)).state
    if (state.activity.at === 'asking') {
      asks.push(now)
      state = step(state, { on: 'refused', from: 'a', code: 'WAITING_FOR_APPROVAL' }, at(now)).state
    }
    state = step(state, { on: 'tick' }, at(now)).state
  }
  expect(asks.length).toBeGreaterThan(4)
  expect(asks.length).toBeLessThan(10)
  expect(describeState(state, 123_000)).toMatchObject({ phase: 'waiting', says: expect.stringContaining('shoal approve') })
  expect(step(state, real('a', 'z'), at(123_100)).effects).toEqual([{ do: 'ask', id: 'a', meshId: 'z', byToken: false }])
  const approved = step(state, { on: 'admitted', from: 'a', meshId: 'z', admits: true }, at(123_100))
  expect(approved.effects).toEqual([{ do: 'enter', from: 'a', meshId: 'z', leaving: null }])
})

test('of two meshes of one the higher id dissolves into the lower, once it has been quiet', () => {
  const higher = play(alone(), [
    [60_000, lone('a', 'b')],
    [62_900, { on: 'tick' }],
  ])
  expect(higher.effects).toEqual([])
  const asking = step(higher.state, { on: 'tick' }, at(63_000))
  expect(asking.effects).toEqual([{ do: 'ask', id: 'a', meshId: 'b', byToken: false }])
  expect(step(asking.state, { on: 'admitted', from: 'a', meshId: 'b', admits: false }, at(63_050)).effects).toEqual([
    { do: 'enter', from: 'a', meshId: 'b', leaving: 'k' },
  ])
  expect(
    play(alone(), [
      [60_000, lone('a', 'z')],
      [63_000, { on: 'tick' }],
    ]).effects,
  ).toEqual([])
})

test('a mesh of one with services or tokens stays, and says how a person can join it', () => {
  const { state, effects } = play(alone(), [
    [50_000, { on: 'serviceCreated' }],
    [60_000, real('a', 'b')],
    [70_000, { on: 'tick' }],
  ])
  expect(effects).toEqual([])
  expect(announcement(state, 70_000).loneAndFresh).toBe(false)
  expect(describeState(state, 70_000).says).toContain('heard mesh b')
  expect(describeState(state, 70_000).says).toContain('shoal join TOKEN')
})

test('after its first 15 minutes a node is taken by nobody without a person', () => {
  const late = play(alone(), [
    [16 * 60_000, real('a', 'b')],
    [16 * 60_000 + 5_000, { on: 'tick' }],
  ])
  expect(late.effects).toEqual([])
  expect(step(late.state, { on: 'accepted', meshId: 'b' }, at(16 * 60_000 + 6_000)).effects).toEqual([
    { do: 'ask', id: 'a', meshId: 'b', byToken: false },
  ])
})

test('whoever asks admits nobody, and whoever admitted leaves nobody behind', () => {
  const asking = play(alone(), [
    [60_000, lone('a', 'b')],
    [63_000, { on: 'tick' }],
    [63_010, asked('x')],
  ])
  expect(asking.effects.at(-1)).toEqual({ do: 'answer', id: 'x', code: 'NOT_SETTLED' })
  const granted = play(alone(), [
    [60_000, asked('x')],
    [60_100, lone('a', 'b')],
    [64_000, { on: 'tick' }],
  ])
  expect(granted.effects).toEqual([{ do: 'grant', id: 'x', via: 'window' }])
  expect(announcement(granted.state, 64_000).loneAndFresh).toBe(false)
  expect(step(granted.state, { on: 'tick' }, at(70_000)).effects).toEqual([{ do: 'ask', id: 'a', meshId: 'b', byToken: false }])
})

test('an admission nobody asked for, or one that comes when others rely on this node, is declined', () => {
  expect(step(alone(), { on: 'admitted', from: 'a', meshId: 'b', admits: true }, at(4_000)).effects).toEqual([
    { do: 'decline', from: 'a', meshId: 'b' },
  ])
  const asking = play(alone(), [
    [60_000, lone('a', 'b')],
    [63_000, { on: 'tick' }],
    [63_100, { on: 'memberJoined', id: 'x' }],
  ])
  expect(step(asking.state, { on: 'admitted', from: 'a', meshId: 'b', admits: true }, at(63_200)).effects).toEqual([
    { do: 'decline', from: 'a', meshId: 'b' },
  ])
})

test('outside the window, or from another network, a node waits for a person on our side', () => {
  const closed = step(alone(), { on: 'asked', id: 'x', meshId: 'k', windowOpen: false, heardOnLink: true }, at(9_000))
  const far = step(alone(), { on: 'asked', id: 'x', meshId: 'k', windowOpen: true, heardOnLink: false }, at(9_000))
  for (const { effects } of [closed, far]) expect(effects).toEqual([{ do: 'answer', id: 'x', code: 'WAITING_FOR_APPROVAL' }])
  expect(step(closed.state, { on: 'approved', id: 'x' }, at(9_100)).effects).toEqual([{ do: 'grant', id: 'x', via: 'approval' }])
})

test('a token takes a node with services along, and is tried once', () => {
  const used = play(alone(), [[50_000, { on: 'serviceCreated' }]]).state
  const asking = step(used, { on: 'joinToken', id: 'far', meshId: 'b' }, at(60_000))
  expect(asking.effects).toEqual([{ do: 'ask', id: 'far', meshId: 'b', byToken: true }])
  expect(step(asking.state, { on: 'admitted', from: 'far', meshId: 'b', admits: true }, at(60_100)).effects).toEqual([
    { do: 'enter', from: 'far', meshId: 'b', leaving: 'k' },
  ])
  const refused = play(asking.state, [
    [60_100, { on: 'refused', from: 'far', code: 'TOKEN_EXPIRED' }],
    [90_000, { on: 'tick' }],
  ])
  expect(refused.effects).toEqual([])
  const member = step(used, { on: 'memberJoined', id: 'x' }, at(60_000)).state
  expect(step(member, { on: 'joinToken', id: 'far', meshId: 'b' }, at(60_100)).effects).toEqual([
    { do: 'refuseJoin', code: 'ALREADY_MEMBER' },
  ])
})

test('a member whose whole mesh went elsewhere, and that may admit nobody, is fresh again', () => {
  const joined = play(started(), [
    [100, real('a', 'z')],
    [3_000, { on: 'tick' }],
    [3_050, { on: 'admitted', from: 'a', meshId: 'z', admits: false }],
  ])
  const left = step(joined.state, real('a', 'b'), at(9_000))
  expect(left.effects).toEqual([{ do: 'leave', meshId: 'z' }])
  expect(left.state.activity.at).toBe('listening')
})

test('a node that is in a mesh with others needs no tick', () => {
  const state = play(alone(), [
    [60_000, asked('x')],
    [60_100, { on: 'memberJoined', id: 'x' }],
  ]).state
  expect(wakeAt(state, 60_200)).toBeNull()
})

// --- crowds -----------------------------------------------------------------------------------------------------------------------------

/** Seeds 1 to `count`. */
const seeds = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

test.each([2, 4, 12])('%i fresh nodes started at once end in one mesh', nodes => {
  for (const seed of seeds(60)) expectOneMesh(foundingWorld({ seed, nodes, startWithinMs: 200, plugAtMs: 0 }).run(60_000), seed)
})

test.each([2, 4, 12])('%i fresh nodes started over 30 s end in one mesh', nodes => {
  for (const seed of seeds(60))
    expectOneMesh(foundingWorld({ seed, nodes, startWithinMs: 30_000, plugAtMs: 0 }).run(90_000), seed)
})

test.each([2, 4, 12])('%i nodes whose link is plugged in 60 s late, each alone in a mesh of its own, end in one mesh', nodes => {
  for (const seed of seeds(60))
    expectOneMesh(foundingWorld({ seed, nodes, startWithinMs: 2_000, plugAtMs: 60_000 }).run(150_000), seed)
})

test('every tenth message lost changes nothing', () => {
  for (const seed of seeds(60)) {
    expectOneMesh(
      foundingWorld({ seed, nodes: 6, startWithinMs: 500, plugAtMs: seed % 2 === 0 ? 60_000 : 0, loss: 0.1 }).run(200_000),
      seed,
    )
  }
})

test('twelve nodes that hear each other only after up to 6 s, longer than they listen, end in one mesh', () => {
  for (const seed of seeds(40)) {
    expectOneMesh(foundingWorld({ seed, nodes: 12, startWithinMs: 500, plugAtMs: 0, hearWithinMs: 6_000 }).run(120_000), seed)
  }
})

test('meshes of one plugged in one after the other join the mesh that is there', () => {
  for (const seed of seeds(60)) {
    expectOneMesh(
      foundingWorld({ seed, nodes: 8, startWithinMs: 2_000, plugAtMs: 60_000, plugWithinMs: 40_000 }).run(200_000),
      seed,
    )
  }
})

test('two meshes of two or more that meet stay two: a person decides', () => {
  for (const seed of seeds(30)) {
    const world = foundingWorld({
      seed,
      nodes: 5,
      startWithinMs: 200,
      plugAtMs: 0,
      islands: [
        [0, 1],
        [2, 3, 4],
      ],
      bridgeAtMs: 60_000,
    })
    const { meshes } = world.run(150_000)
    expect(
      [...meshes.values()].map(members => members.length).toSorted((a, b) => a - b),
      `seed ${seed}`,
    ).toEqual([2, 3])
  }
})

test('a mesh of one that meets one larger mesh dissolves into it, also when the larger has the higher id', () => {
  for (const seed of seeds(30)) {
    expectOneMesh(
      foundingWorld({ seed, nodes: 4, startWithinMs: 200, plugAtMs: 0, islands: [[0], [1, 2, 3]], bridgeAtMs: 60_000 }).run(
        150_000,
      ),
      seed,
    )
  }
})

test('the lowest node dies after it was heard: the others found without it', () => {
  for (const seed of seeds(30)) {
    const { meshes } = foundingWorld({ seed, nodes: 4, startWithinMs: 200, plugAtMs: 0, lowestDiesAtMs: 2_500 }).run(90_000)
    expect(
      [...meshes.values()].map(members => members.length),
      `seed ${seed}`,
    ).toEqual([3])
  }
})

function expectOneMesh(
  { meshes, story }: { meshes: ReadonlyMap<string, readonly string[]>; story: readonly string[] },
  seed: number,
): void {
  const sizes = [...meshes].map(([id, members]) => `${id}: ${members.join(' ')}`)
  expect(meshes.size, `seed ${seed}: ${sizes.join(' | ')}\n${story.slice(-60).join('\n')}`).toBe(1)
  expect(meshes.has('none')).toBe(false)
}
