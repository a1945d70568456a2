// Whether a node heard on our own link may come in without a click. A value and pure functions; called by gossip/open-mesh.ts. `now` is
// monotonic, so a jump of the wall clock neither opens nor closes anything.

import { TrustError } from './trust-errors.ts'
import { trustTimes } from './trust-limits.ts'
import type { Millis } from '../placement/view.ts'

/** `default`: open 15 minutes from founding and whenever a person opens it. `lan`: always open. `ask`: never. */
export type TrustMode = 'default' | 'lan' | 'ask'

/** Open while `now < openUntil`. */
export interface JoinWindow {
  readonly trust: TrustMode
  readonly openUntil: Millis
}

export interface Founding {
  readonly trust: TrustMode
  readonly now: Millis
  /** How long it stays open; 0: not at all. Default 15 minutes. */
  readonly windowMs?: Millis
}

/** The window of a mesh founded at `now`. */
export function windowAtFounding({ trust, now, windowMs = trustTimes.windowMs }: Founding): JoinWindow {
  return { trust, openUntil: trust === 'default' ? now + windowMs : closedOrNot(trust) }
}

/** The window of a node that starts in a mesh, or has just entered one: closed, unless `trust: lan`. */
export function windowAtStart(trust: TrustMode): JoinWindow {
  return { trust, openUntil: closedOrNot(trust) }
}

/**
 * `shoal open --for …`: open for `forMs` from `now`; 0 closes it. Never shortens `trust: lan`.
 * @throws {TrustError} WINDOW_FORBIDDEN under `trust: ask`, WINDOW_DURATION over 24 h or below 0
 */
export function openFor(window: JoinWindow, { now, forMs }: { readonly now: Millis; readonly forMs: Millis }): JoinWindow {
  if (window.trust === 'ask') {
    throw new TrustError('WINDOW_FORBIDDEN', {
      what: 'this node is configured with `trust: ask`, which keeps the join window closed',
      hint: 'admit single nodes with `shoal approve` or `shoal invite`, or set `trust: default`',
    })
  }
  if (!(forMs >= 0 && forMs <= trustTimes.windowMaxMs)) {
    throw new TrustError('WINDOW_DURATION', {
      what: `a join window of ${Math.round(forMs / 60_000)} minutes; at most ${trustTimes.windowMaxMs / 60_000} are possible`,
      hint: 'open it for as long as you need to plug the nodes in: `shoal open --for 15m`',
    })
  }
  return window.trust === 'lan' ? window : { ...window, openUntil: now + forMs }
}

/** Whether the window is open. */
export function isOpen(window: JoinWindow, now: Millis): boolean {
  return now < window.openUntil
}

/** Whole seconds left, rounded up; 0 when closed, Infinity under `trust: lan`. */
export function remainingS(window: JoinWindow, now: Millis): number {
  return isOpen(window, now) ? Math.ceil((window.openUntil - now) / 1_000) : 0
}

function closedOrNot(trust: TrustMode): Millis {
  return trust === 'lan' ? Infinity : -Infinity
}
