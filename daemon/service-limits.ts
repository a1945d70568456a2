// Which limits does a service get on this node? The profile in force (by name, by image, with the service), resolved against the node's own
// capacity. Called at create, when a profile changed, and for the copy of a move.

import { limitsOn, parseProfile, pickProfile } from '../placement/profile.ts'
import type { Capacity, Profile, ServiceSpec } from '../placement/view.ts'
import type { Limits } from './engine.ts'

/** A profile of the mesh; one that is deleted counts no more. */
export interface BookedProfile {
  readonly match: string
  readonly profile: Profile
  readonly deleted?: boolean
}

/**
 * CPU and RAM as the cgroup will hold them; the GPU is consulted when placing, nothing enforces it.
 * @throws PlacementError PROFILE_REFUSED when an amount cannot be read
 */
export function serviceLimits(spec: ServiceSpec, book: readonly BookedProfile[], capacity: Capacity): Limits {
  const profile = pickProfile(
    spec,
    book.filter(entry => entry.deleted !== true),
  )
  const { cpuCores, ramBytes } = limitsOn(parseProfile(profile), capacity)
  return { cores: cpuCores ?? null, ramBytes: ramBytes ?? null }
}

export function sameLimits(a: Limits, b: Limits): boolean {
  return a.cores === b.cores && a.ramBytes === b.ramBytes
}
