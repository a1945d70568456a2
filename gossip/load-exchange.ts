// Who is how loaded? Every node's newest report with its age. A report is signed by its node, numbered, and goes at once to every member
// connected; every few seconds two members also compare numbers, so that reports reach those who cannot hear a node themselves. How reports
// travel is the port `ReportCarrier`, to be replaced for large meshes (batched push-pull with a byte budget).

import type { Clock } from '../placement/clock.ts'
import type { Millis, NodeId } from '../placement/view.ts'
import { LIMITS } from './limits.ts'
import type { MemberLinks } from './member-links.ts'
import type { LoadReport } from './mesh.ts'
import type { Signer } from './signing.ts'
import { reportFromWire, reportToWire } from './wire/load-report.ts'
import { checkSeal, seal } from './wire/sealed.ts'
import type { Sealed } from './wire/sealed.ts'
import { reportNotice, reportsAnswer, reportsAsk } from './wire/sync.ts'

/** How reports travel. */
export interface ReportCarrier {
  /** Brings this node's new report to the others; best effort, never waits. */
  spread(report: Sealed): void
  /** Compares with `peer` who has what. @throws what the request throws */
  compare(peer: NodeId): Promise<void>
}

export interface LoadExchangePorts {
  readonly clock: Clock
  readonly signer: Signer
  /** Grows with every start of this node. */
  readonly incarnation: number
  readonly isMember: (id: NodeId) => boolean
}

interface Held {
  readonly incarnation: number
  readonly seq: number
  readonly sealed: Sealed
  /** When it was made, on this node's clock, as far as its age is known. */
  readonly madeAt: Millis
  report: LoadReport
  /** When `report` was last true: later than `madeAt` after an answer to an offer. */
  trueAt: Millis
}

export class LoadExchange {
  readonly #ports: LoadExchangePorts
  readonly #held = new Map<NodeId, Held>()
  #seq = 0

  constructor(ports: LoadExchangePorts) {
    this.#ports = ports
  }

  /** Numbers and signs this node's report. @throws MESH_BAD_MESSAGE, MESH_MESSAGE_TOO_LARGE */
  publish(report: LoadReport): Sealed {
    const { signer, incarnation, clock } = this.#ports
    const seq = ++this.#seq
    const sealed = seal('load-report', reportToWire({ incarnation, seq, report }), signer)
    const now = clock.now()
    this.#held.set(signer.id, { incarnation, seq, sealed, madeAt: now, report, trueAt: now })
    return sealed
  }

  /** Takes a report that is `ageMs` old; an older one than is held is dropped. Whether it was news. @throws MESH_BAD_MESSAGE, MESH_BAD_SIGNATURE */
  take(sealed: Sealed, ageMs: Millis): boolean {
    if (sealed.by === this.#ports.signer.id || !this.#ports.isMember(sealed.by)) return false
    const { incarnation, seq, report } = reportFromWire(sealed.body)
    const known = this.#held.get(sealed.by)
    if (known !== undefined && !isNewer({ incarnation, seq }, known)) return false
    checkSeal('load-report', sealed)
    const madeAt = this.#ports.clock.now() - ageMs
    this.#held.set(sealed.by, { incarnation, seq, sealed, madeAt, report, trueAt: madeAt })
    return true
  }

  /** A fresher load of `id` came by another way (the answer to an offer); its own next report replaces it. */
  note(id: NodeId, report: LoadReport): void {
    const known = this.#held.get(id)
    if (known === undefined) return
    known.report = report
    known.trueAt = this.#ports.clock.now()
  }

  forget(id: NodeId): void {
    this.#held.delete(id)
  }

  /** Every report held, with its age; this node's own among them. */
  all(): ReadonlyMap<NodeId, { readonly report: LoadReport; readonly ageMs: Millis }> {
    const now = this.#ports.clock.now()
    return new Map([...this.#held].map(([id, { report, trueAt }]) => [id, { report, ageMs: Math.max(0, now - trueAt) }]))
  }

  /** The report of `id` as it was signed. */
  sealedOf(id: NodeId): Sealed | undefined {
    return this.#held.get(id)?.sealed
  }

  /** What is held of whom. */
  numbers(): Record<NodeId, [incarnation: number, seq: number]> {
    return Object.fromEntries([...this.#held].map(([id, { incarnation, seq }]) => [id, [incarnation, seq]]))
  }

  /** What is newer here than `have`, bounded. */
  newerThan(have: Readonly<Record<NodeId, readonly [number, number]>>): readonly { report: Sealed; ageMs: Millis }[] {
    const now = this.#ports.clock.now()
    let bytes = 0
    return [...this.#held]
      .filter(([id, held]) => {
        const theirs = have[id]
        return theirs === undefined || isNewer(held, { incarnation: theirs[0], seq: theirs[1] })
      })
      .toSorted(([, a], [, b]) => b.madeAt - a.madeAt)
      .slice(0, LIMITS.reportsPerMessageMax)
      .filter(([, { sealed }]) => (bytes += 2 * sealed.body.length) < LIMITS.frameBytesMax / 2)
      .map(([, { sealed, madeAt }]) => ({ report: sealed, ageMs: Math.max(0, now - madeAt) }))
  }
}

function isNewer(a: { readonly incarnation: number; readonly seq: number }, b: typeof a): boolean {
  return a.incarnation > b.incarnation || (a.incarnation === b.incarnation && a.seq > b.seq)
}

export interface DirectCarrierPorts {
  readonly exchange: LoadExchange
  readonly members: MemberLinks
  readonly connectedMembers: () => readonly NodeId[]
  readonly onFailure: (id: NodeId, what: string, error: unknown) => void
}

const NOTICE = 'mesh/report'
const COMPARE = 'mesh/reports'
const COMPARE_MS = 5_000

/** Reports straight to every member connected: right for tens of members, and no one's word is needed but the node's own. */
export function directCarrier({ exchange, members, connectedMembers, onFailure }: DirectCarrierPorts): ReportCarrier {
  members.onNotice(NOTICE, (from, body) => {
    try {
      exchange.take(reportNotice.check(body).report, 0)
    } catch (error) {
      onFailure(from, 'a load report', error)
    }
  })
  members.onRequest(COMPARE, async (_from, body) => ({ v: 1, items: exchange.newerThan(reportsAsk.check(body).have) }))
  return {
    spread(report) {
      for (const id of connectedMembers()) members.notify(id, NOTICE, { v: 1, report })
    },
    async compare(peer) {
      const body = { v: 1, have: exchange.numbers() }
      const { items } = reportsAnswer.check(await members.request(peer, COMPARE, body, AbortSignal.timeout(COMPARE_MS)))
      for (const { report, ageMs } of items) {
        try {
          exchange.take(report, ageMs)
        } catch (error) {
          onFailure(peer, 'a load report', error)
        }
      }
    },
  }
}
