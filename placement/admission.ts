// The target's yes or no to an offer, against its *own current* load and what it has promised already. The asker's view may be stale; this is
// not. It is what keeps a hundred red nodes from overloading one green node. Called on the target for every offer.

import { obstacle, obstacleText } from './capability.ts'
import type { AdmissionCode } from './errors.ts'
import { misfit, misfitText, type Room } from './fit.ts'
import { held, moveNeed } from './need.ts'
import type { Demand } from './profile.ts'
import { overIn, ZERO } from './vec.ts'
import type { Capability, Capacity, MoveMode, NodeState, Role, Vec } from './view.ts'

/** What a node knows of itself when an offer comes in. */
export interface OwnRoom {
  readonly role: Role
  readonly state: NodeState
  readonly capacity: Capacity
  readonly capability: Capability
  readonly committedRamPct: number
  /** Newest raw sample, and what is promised beyond it. */
  readonly raw: { readonly load: Vec; readonly reserved: Vec }
  /** Smoothed load, and what is promised beyond it. */
  readonly smoothed: { readonly load: Vec; readonly reserved: Vec }
}

/** What is asked: a service, and what the source can do. */
export interface Ask {
  readonly demand: Demand
  readonly mode: MoveMode
  /** Null when the source's capability is not known here: the protocol checks it in its own step. */
  readonly source: Capability | null
  readonly threshold: Vec
}

export type AdmissionVerdict =
  | { readonly admitted: true; readonly holds: Vec }
  | { readonly admitted: false; readonly code: AdmissionCode; readonly what: string; readonly hint: string }

const no = (code: AdmissionCode, what: string, hint: string): AdmissionVerdict => ({ admitted: false, code, what, hint })

/**
 * Judges an offer twice, by the newest sample and by the smoothed load, each with the promises it has not learnt of: a jump of a second ago
 * counts, and so does what smoothing remembers.
 */
export function admit(own: OwnRoom, ask: Ask): AdmissionVerdict {
  if (own.role === 'client') return no('ADMIT_ROLE', 'this node is a client and hosts nothing', 'choose an edge or cloud node')
  if (own.state === 'draining' || own.state === 'leaving') {
    return no('ADMIT_STATE', `this node is ${own.state}`, 'choose another node')
  }
  const lacks = ask.source === null ? null : obstacle(ask.mode, ask.source, own.capability)
  if (lacks !== null && ask.source !== null) {
    return no(
      'ADMIT_CAPABILITY',
      `this node ${obstacleText(lacks, ask.mode, ask.source, own.capability)}`,
      'see shoal doctor on both nodes',
    )
  }
  const need = moveNeed(ask.demand, ask.mode, own.capacity)
  for (const { load, reserved } of [own.raw, own.smoothed]) {
    const over = own.role === 'cloud' ? null : overIn(load, ask.threshold)
    if (over !== null) {
      return no('ADMIT_RED', `this node is red: ${overText(load, ask.threshold)}`, 'choose a greener node')
    }
    const room: Room = { ...own, load, reserved }
    const breaks = misfit(room, ZERO, need, ask.threshold)
    if (breaks !== null) {
      return no(
        'ADMIT_NO_ROOM',
        `no room here: ${misfitText(breaks)}`,
        'lower the profile of the service or the load of this node',
      )
    }
  }
  return { admitted: true, holds: held(need) }
}

/** `cpu 72 >= 50` for the first dimension that is over. */
export function overText(load: Vec, threshold: Vec): string {
  const over = overIn(load, threshold)
  if (over === null) return 'no dimension is over its threshold'
  return `${over.replace('Pct', '')} ${Math.round(load[over] * 10) / 10} >= ${threshold[over]}`
}
