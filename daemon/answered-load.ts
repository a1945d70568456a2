// A target's answer to an offer carries its fresh load. It crosses as the same signed-off text a load report does, so that what comes from a peer
// passes the same schema. Used by compose.ts on both sides of a move.

import type { LoadReport } from '../gossip/mesh.ts'
import { reportFromWire, reportToWire } from '../gossip/wire/load-report.ts'
import type { Admission } from '../migrate/ports.ts'

/** Admission whose answers carry the load as wire text; null before the first sample. */
export function wiredAdmission(own: Admission & { report(): LoadReport | null }): Admission {
  return {
    async admit(request, signal) {
      const answer = await own.admit(request, signal)
      const report = own.report()
      return { ...answer, load: report === null ? null : reportToWire({ incarnation: 0, seq: 0, report }) }
    },
    settle: (moveId, how) => own.settle(moveId, how),
  }
}

/** The report in a peer's answer; undefined where there is none. One that cannot be read is told to `onUnreadable`: the view keeps what it has. */
export function readAnsweredLoad(load: unknown, onUnreadable: (error: unknown) => void): LoadReport | undefined {
  if (typeof load !== 'string') return undefined
  try {
    return reportFromWire(load).report
  } catch (error) {
    onUnreadable(error)
    return undefined
  }
}
