// For tests: a crowd of nodes on a virtual clock, each with a real founding reducer, over links that delay, lose and are plugged in late.
// Everything random comes from the seed, so a failure can be played again. Used by gossip/founding.test.ts.

import { announcement, beginFounding, step, wakeAt } from './founding.ts'
import { foundingTiming, type FoundingEffect, type FoundingEvent, type FoundingState } from './founding-state.ts'
import type { Millis } from '../placement/view.ts'

/** One world. Nodes are named `n00`, `n01` …; the lowest name is the lowest peer id. */
export interface WorldPlan {
  readonly seed: number
  readonly nodes: number
  /** Nodes start within this time, at random. */
  readonly startWithinMs: Millis
  /** No link works before. */
  readonly plugAtMs: Millis
  /** Each node's link is plugged in within this time after `plugAtMs`. */
  readonly plugWithinMs?: Millis
  /** Two nodes that become linked hear each other within this time (default 1.2 s). */
  readonly hearWithinMs?: Millis
  /** Share of messages lost. */
  readonly loss?: number
  /** Indices of nodes that hear each other before `bridgeAtMs`; all do afterwards. */
  readonly islands?: readonly (readonly number[])[]
  readonly bridgeAtMs?: Millis
  /** The lowest id goes silent then. */
  readonly lowestDiesAtMs?: Millis
}

export interface WorldEnd {
  /** Mesh id (`none` without) to the names of the nodes that live. */
  readonly meshes: ReadonlyMap<string, readonly string[]>
  /** What happened, for a failing test's message. */
  readonly story: readonly string[]
}

interface Node {
  readonly name: string
  readonly index: number
  readonly plugAt: Millis
  state: FoundingState
  started: boolean
  /** Only the newest timer counts. */
  timer: number
}

/** Builds the world; `run` plays it to `endMs`. */
export function foundingWorld(plan: WorldPlan): { run(endMs: Millis): WorldEnd } {
  return new World(plan)
}

class World {
  readonly #plan: WorldPlan
  readonly #random: () => number
  readonly #queue: { readonly at: Millis; readonly order: number; readonly run: () => void }[] = []
  readonly #story: string[] = []
  readonly #nodes: readonly Node[]
  #now: Millis = 0
  #order = 0

  constructor(plan: WorldPlan) {
    this.#plan = plan
    this.#random = mulberry(plan.seed)
    this.#nodes = Array.from({ length: plan.nodes }, (_, index): Node => {
      const name = `n${String(index).padStart(2, '0')}`
      const state = beginFounding({ self: name, timing: foundingTiming, used: false, mesh: null })
      return { name, index, plugAt: plan.plugAtMs + this.#between(0, plan.plugWithinMs ?? 0), state, started: false, timer: 0 }
    })
  }

  run(endMs: Millis): WorldEnd {
    for (const node of this.#nodes) {
      this.#later(this.#between(0, this.#plan.startWithinMs), () => {
        node.started = true
        this.#deliver(node, { on: 'started' })
      })
      for (const other of this.#nodes.slice(node.index + 1)) this.#later(this.#between(0, 1_000), () => this.#meet(node, other))
    }
    for (let next = this.#queue.shift(); next !== undefined && next.at <= endMs; next = this.#queue.shift()) {
      this.#now = next.at
      next.run()
    }
    const alive = this.#nodes.filter(node => !this.#isDead(node))
    const meshes = Map.groupBy(alive, node => node.state.mesh?.meshId ?? 'none')
    return { meshes: new Map([...meshes].map(([id, members]) => [id, members.map(member => member.name)])), story: this.#story }
  }

  #deliver(node: Node, event: FoundingEvent): void {
    if (this.#isDead(node)) return
    const next = step(node.state, event, { now: this.#now, random: this.#random() })
    node.state = next.state
    for (const effect of next.effects) this.#perform(node, effect)
    const wake = wakeAt(node.state, this.#now)
    const timer = (node.timer += 1)
    if (wake !== null) this.#later(wake - this.#now, () => node.timer === timer && this.#deliver(node, { on: 'tick' }))
  }

  #perform(node: Node, effect: FoundingEffect): void {
    this.#story.push(`${Math.round(this.#now)} ${node.name} ${JSON.stringify(effect)}`)
    const name = 'id' in effect ? effect.id : 'from' in effect ? effect.from : ''
    const peer = this.#nodes.find(each => each.name === name)
    if (effect.do === 'found') {
      const meshId = Math.floor(this.#random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0')
      this.#later(this.#between(1, 50), () => this.#deliver(node, { on: 'founded', meshId }))
    }
    if (peer === undefined) return
    const ask = { on: 'asked', id: node.name, windowOpen: true, heardOnLink: true } as const
    if (effect.do === 'ask') this.#send(node, peer, () => this.#deliver(peer, { ...ask, meshId: effect.meshId }))
    if (effect.do === 'answer')
      this.#send(node, peer, () => this.#deliver(peer, { on: 'refused', from: node.name, code: effect.code }))
    const meshId = node.state.mesh?.meshId ?? ''
    if (effect.do === 'grant')
      this.#send(node, peer, () => this.#deliver(peer, { on: 'admitted', from: node.name, meshId, admits: false }))
    if (effect.do === 'enter') this.#hello(node, peer)
  }

  /** Both learn of each other soon after they are linked, then every two seconds. */
  #meet(a: Node, b: Node): void {
    const together = a.started && b.started && this.#isLinked(a, b)
    if (together) {
      this.#hello(a, b)
      this.#hello(b, a)
    }
    const again = together ? this.#between(1_500, 2_500) : this.#between(20, this.#plan.hearWithinMs ?? 1_200)
    this.#later(again, () => this.#meet(a, b))
  }

  #hello(from: Node, to: Node): void {
    const said = announcement(from.state, this.#now)
    this.#send(from, to, () => {
      const ours = said.meshId !== null && said.meshId === to.state.mesh?.meshId
      const heard = { on: 'heard', id: from.name, ...said, windowOpen: true, heardOnLink: true } as const
      this.#deliver(to, ours ? { on: 'memberJoined', id: from.name } : heard)
    })
  }

  #send(from: Node, to: Node, arrive: () => void): void {
    if (!this.#isLinked(from, to) || this.#random() < (this.#plan.loss ?? 0)) return
    const delayMs = this.#random() < 0.95 ? this.#between(1, 60) : this.#between(60, 400)
    this.#later(delayMs, () => to.started && this.#isLinked(from, to) && arrive())
  }

  #isLinked(a: Node, b: Node): boolean {
    const { islands, bridgeAtMs = 0 } = this.#plan
    const reach =
      islands === undefined ||
      this.#now >= bridgeAtMs ||
      islands.some(island => island.includes(a.index) && island.includes(b.index))
    return reach && this.#now >= a.plugAt && this.#now >= b.plugAt && !this.#isDead(a) && !this.#isDead(b)
  }

  #isDead(node: Node): boolean {
    return node.index === 0 && this.#now >= (this.#plan.lowestDiesAtMs ?? Infinity)
  }

  #between(low: Millis, high: Millis): Millis {
    return low + this.#random() * (high - low)
  }

  #later(ms: Millis, run: () => void): void {
    insert(this.#queue, { at: this.#now + ms, order: (this.#order += 1), run })
  }
}

/** Keeps the queue sorted by time, then by order of scheduling. */
function insert<T extends { readonly at: Millis; readonly order: number }>(queue: T[], item: T): void {
  let low = 0
  let high = queue.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = queue[middle]
    if (other !== undefined && (other.at < item.at || (other.at === item.at && other.order < item.order))) low = middle + 1
    else high = middle
  }
  queue.splice(low, 0, item)
}

/** A small seeded generator (mulberry32): 0 ≤ x < 1. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
