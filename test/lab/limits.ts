// Every bound of the lab, in one place: how long it waits, and what a node may use.

/** An inner engine is up in 2 to 8 s; four at once on two busy cores take longer. */
export const engineUpMs = 90_000
/** The image is cached; the first time it is a debootstrap (about a minute) and an import. */
export const imageBuildMs = 15 * 60_000
/** compose creates five containers in about 2 s and removes them in about 10. */
export const composeMs = 180_000
/** A command in a node, unless the caller says otherwise. */
export const commandMs = 30_000
/** What is kept of a command's output; the rest is dropped and said so. */
export const outputBytes = 8 * 1024 * 1024
/** A daemon answers on its socket within this time or `startDaemon` fails. */
export const daemonUpMs = 30_000
/** SIGTERM is announced to the mesh and then obeyed. */
export const daemonStopMs = 15_000
/** Steps of polling: short against what is measured, long against what a poll costs. */
export const pollMs = 100

export interface NodeLimits {
  /** Cores. */
  readonly cpus: number
  /** As Docker writes it: `1g`. */
  readonly memory: string
}

/** The thesis's four nodes, scaled to a machine of two cores; the same defaults stand in docker-compose.test.yml. */
export const nodeLimits = {
  lab3: { cpus: 0.5, memory: '1g' },
  vrone: { cpus: 1, memory: '2g' },
  lab4: { cpus: 1, memory: '2g' },
  mec: { cpus: 1, memory: '4g' },
} as const satisfies Record<string, NodeLimits>

/** Found, join, and have every load report everywhere. */
export const meshUpMs = 60_000
