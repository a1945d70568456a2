// What becomes of a container that the engine shows and of a service that this node owns? Pure: from record and container to one step.
// Called by services.ts at start for everything there is, and then for whatever the engine says has changed. It looks at what is, never at
// which event came: a late, doubled or missed event cannot lead it astray.

import type { NodeId, ServiceRecord, ServiceState } from '../placement/view.ts'
import type { ContainerDetail, ContainerSummary } from './engine.ts'
import { afterExit } from './service-restart.ts'

/**
 * `own`: the copy of a service this node owns · `foreign`: not ours to touch · `leftover`: of a service that was removed · `superseded`: a copy
 * of ours that a newer epoch has overtaken · `of-a-move`: a copy not yet taken over, the mover's.
 */
export type Standing = 'own' | 'foreign' | 'leftover' | 'superseded' | 'of-a-move'

/**
 * What a container with Shoal's marks is to this node. A container whose service has no record here is not ours: the record is durable before
 * the container is created. One of the very epoch another node owns belongs to that node, which shares our engine.
 */
export function standingOf(
  container: Pick<ContainerSummary, 'marks'>,
  record: ServiceRecord | undefined,
  self: NodeId,
  mesh: string,
): Standing {
  const { marks } = container
  if (marks === undefined || marks.mesh !== mesh) return 'foreign'
  const beyond = record === undefined || marks.epoch > record.epoch
  if (beyond) return marks.move === undefined ? 'foreign' : 'of-a-move'
  if (record.owner !== self) return marks.epoch < record.epoch ? 'superseded' : marks.move === undefined ? 'foreign' : 'of-a-move'
  if (record.deleted) return 'leftover'
  return marks.epoch === record.epoch ? 'own' : 'superseded'
}

export interface Seen {
  readonly record: ServiceRecord
  /** Undefined: the engine has no such container. */
  readonly container: ContainerDetail | undefined
  /** Restarts in a row that did not last. */
  readonly streak: number
  /** A restart is waiting for its moment. */
  readonly restartPending: boolean
  /** At the daemon's start: what happened before is not known. */
  readonly booting: boolean
  /** Wall time, ms. */
  readonly nowMs: number
}

export type Step =
  | { readonly do: 'nothing' }
  | { readonly do: 'say'; readonly state: ServiceState; readonly reason: string }
  | { readonly do: 'start-later'; readonly afterMs: number; readonly streak: number; readonly reason: string }
  | { readonly do: 'start' }
  | { readonly do: 'create' }

const nothing: Step = { do: 'nothing' }

/** The next step for a service this node owns. A service held by a move is the mover's: nothing. */
export function nextStep(seen: Seen): Step {
  const { record, container } = seen
  if (record.deleted || record.state === 'moving') return nothing
  if (container === undefined) return withoutContainer(seen)
  switch (container.state) {
    case 'running':
      return record.state === 'running' ? nothing : { do: 'say', state: 'running', reason: '' }
    case 'paused':
      return record.state === 'running' ? nothing : { do: 'say', state: 'running', reason: 'paused by hand on the engine' }
    case 'created':
      return seen.booting && shouldRun(record) ? { do: 'start' } : nothing
    case 'exited':
      return ended(seen, container)
  }
}

const shouldRun = (record: ServiceRecord): boolean => record.state === 'running' || record.state === 'starting'

function withoutContainer({ record, booting }: Seen): Step {
  if (!shouldRun(record)) return nothing
  // Its record was written, and the daemon fell before the container was made.
  if (booting && record.state === 'starting') return { do: 'create' }
  return { do: 'say', state: 'failed', reason: 'its container was removed by hand on the engine; `shoal start` makes a new one' }
}

function ended(seen: Seen, container: ContainerDetail): Step {
  const { record, booting, streak, nowMs, restartPending } = seen
  if (record.state === 'stopped') {
    // As Docker has it: `always` comes back with the daemon, `unless-stopped` does not.
    return booting && record.spec.restart === 'always' ? { do: 'start' } : nothing
  }
  if (!shouldRun(record) || restartPending) return nothing
  const ranMs = booting || container.startedAt === null ? null : nowMs - container.startedAt
  const next = afterExit({
    policy: record.spec.restart,
    exitCode: container.exitCode,
    oomKilled: container.oomKilled,
    ranMs,
    streak,
  })
  return next.kind === 'stay'
    ? { do: 'say', state: 'exited', reason: next.reason }
    : { do: 'start-later', afterMs: next.afterMs, streak: next.streak, reason: next.reason }
}
