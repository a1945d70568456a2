// Both ends of a move should know how it went. The source measures (phases, downtime, total), so it tells the target when the move is over; the
// target writes that into its own record. Wired by compose.ts. Best effort: a record only informs.

import type { Mesh } from '../gossip/mesh.ts'
import type { MoveRecord } from '../migrate/move-record.ts'
import type { Mover } from '../migrate/mover.ts'
import { MEASURES_MS } from './limits.ts'
import { moveRecordCodec } from './move-store.ts'
import { ServiceError } from './service-errors.ts'

const NAME = 'move/measured'

export interface MeasuresParts {
  readonly mesh: Pick<Mesh, 'id' | 'request' | 'onRequest'>
  readonly mover: Pick<Mover, 'onEvent' | 'learn'>
  readonly onFailure: (move: MoveRecord, error: unknown) => void
}

/** Tells targets from now on, and hears what sources tell. */
export function shareMeasures({ mesh, mover, onFailure }: MeasuresParts): void {
  mesh.onRequest(NAME, async (from, payload) => {
    const told = typeof payload === 'string' ? readable(payload) : undefined
    if (told === undefined || told.from !== from || told.to !== mesh.id) {
      throw new ServiceError('NODE_ANSWER_INVALID', {
        what: 'the measures of a move are not in the form this version knows, or of a move between others',
        hint: 'run the same release of Shoal on all nodes',
      })
    }
    await mover.learn(told)
    return null
  })
  mover.onEvent(({ record }) => {
    if (record.side !== 'source' || record.outcome !== 'done' || record.totalMs === null || record.to === null) return
    mesh
      .request(record.to, NAME, moveRecordCodec.encode(record), AbortSignal.timeout(MEASURES_MS))
      .catch((error: unknown) => onFailure(record, error))
  })
}

function readable(text: string): MoveRecord | undefined {
  try {
    return moveRecordCodec.decode(text)
  } catch {
    // Said to the sender by the caller.
    return undefined
  }
}
