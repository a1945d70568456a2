// Which container does a service become on this node? Pure: from the record and the resolved limits to what the engine is asked to create.
// Called by the service keeper (first start, restart) and by the engine of a move (the copy on the target).

import type { ServiceRecord } from '../placement/view.ts'
import type { ContainerPlan, Limits } from './engine.ts'

export interface PlanInput {
  readonly record: ServiceRecord
  readonly mesh: string
  readonly limits: Limits
  /** The epoch the copy is made for: the record's own, or one more for the copy of a move. */
  readonly epoch: number
  readonly hostname?: string
  readonly runtime?: string
  readonly move?: string
}

/**
 * Name of the container: readable, and different for every copy, so that an old copy kept aside never blocks a new one. Users speak of the
 * service's name; the container's is only seen in the engine's own tools.
 */
export function containerName(record: ServiceRecord, epoch: number, move?: string): string {
  const tail = move === undefined ? record.id.slice(0, 8) : `m${move.slice(0, 8)}`
  return `shoal-${record.spec.name}-${epoch}-${tail}`.replaceAll(/[^a-zA-Z0-9_.-]/g, '_')
}

/** The container of a service. Absent options stay absent, so that the engine's own defaults count. */
export function containerPlan(input: PlanInput): ContainerPlan {
  const { record, mesh, limits, epoch, hostname, runtime, move } = input
  const { spec } = record
  return {
    name: containerName(record, epoch, move),
    image: spec.image,
    args: spec.args,
    env: spec.env,
    tty: spec.tty,
    marks: { service: record.id, epoch, mesh, ...(move === undefined ? {} : { move }) },
    limits,
    ...(hostname === undefined ? {} : { hostname }),
    ...(runtime === undefined ? {} : { runtime }),
  }
}
