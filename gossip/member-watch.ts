// Feeds the failure detector and keeps its verdicts: who of the members is alive, suspect, leaving or lost. Called by mesh-life.ts on
// every beat and when a connection closes.

import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import { firstJudgement, judge } from './failure-detector.ts'
import type { Judgement, Sign, Verdict, VerdictChange } from './failure-detector.ts'
import { RHYTHM } from './limits.ts'
import type { Links } from './links.ts'
import type { PeerBook } from './peer-book.ts'

export interface MemberWatchPorts {
  readonly self: NodeId
  readonly clock: Clock
  readonly book: PeerBook
  readonly links: Links
  readonly memberIds: () => readonly NodeId[]
  readonly onChange: (change: VerdictChange) => void
}

export class MemberWatch {
  readonly #ports: MemberWatchPorts
  #judgement: Judgement

  constructor(ports: MemberWatchPorts) {
    this.#ports = ports
    this.#judgement = firstJudgement(ports.clock.now())
  }

  /** Judges everyone now, and resets the connection of who has been silent for very long; `lateMs` is how much later than planned this runs. */
  judge(lateMs: Millis): void {
    const { self, clock, book, links, memberIds, onChange } = this.#ports
    const now = clock.now()
    const signs = new Map<NodeId, Sign>()
    for (const id of memberIds()) {
      if (id === self) continue
      const { heardAt, since, leavingAt } = book.note(id, book.get(id)?.newsAt ?? now)
      signs.set(id, { heardAt: heardAt ?? since, connected: links.isConnected(id), leavingAt })
    }
    const { judgement, changes } = judge({ previous: this.#judgement, signs, now, lateMs, settings: RHYTHM })
    this.#judgement = judgement
    for (const change of changes) onChange(change)
    // A connection that has died without a word holds whoever waits on it, and is not dialled anew while it stands.
    for (const [id, { heardAt, connected }] of signs) {
      const silentSince = Math.max(heardAt, judgement.deafUntil)
      if (connected && now - silentSince >= RHYTHM.cutOffMs) links.cutOff(id, now - RHYTHM.cutOffMs)
    }
  }

  /** A member never judged counts as alive: it has just come. */
  verdictOf(id: NodeId): Verdict {
    return this.#judgement.verdicts.get(id) ?? 'alive'
  }
}
