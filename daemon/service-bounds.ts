// The bounds of looking after services, each with its unit and reason. Listed in docs/limits.md.

import { invariant } from '../placement/shoal-error.ts'

/** Services one node looks after. Its load report names each of them, and a report has a byte cap. */
export const SERVICES_PER_NODE_MAX = 200

/** Actions that may wait for one service (stop behind start behind …): more means that somebody is stuck. */
export const TURNS_WAITING_MAX = 32

/** First pause before a restart, ms: short, most exits are one-offs. It doubles with every restart that did not last. */
export const RESTART_FIRST_MS = 100
/** Longest pause before a restart, ms. */
export const RESTART_LONGEST_MS = 60_000
/** A run of this many ms counts as healthy: the next pause is the first again. */
export const RESTART_HEALTHY_MS = 10_000

/** Between SIGTERM and SIGKILL when nothing was asked, ms: Docker's own figure. */
export const STOP_GRACE_MS = 10_000

/** How often limits are compared with the profiles in force, ms: a profile set on another node is enforced here within this. */
export const LIMITS_EVERY_MS = 1_000

/** How long a forwarded action waits to see its own effect in the local view, ms. Only comfort: the next command then finds the service. */
export const SEE_OWN_EFFECT_MS = 2_000

/** How often an action follows a service that changed its owner meanwhile. */
export const FORWARD_HOPS_MAX = 3

/** Longest a forwarded action may take at its owner, ms: below the 600 s a request of the mesh may wait, above the longest grace of a stop. */
export const FORWARD_DEADLINE_MS = 590_000

/** Longest grace a stop may ask for, seconds. */
export const STOP_GRACE_MAX_S = 500

/** Bytes of a service's spec as JSON: its record, with a reason, must fit the 32 KiB the mesh carries. */
export const SPEC_BYTES_MAX = 24_576

/** Bytes of one log line; what is longer comes in pieces, as the engine keeps it. */
export const LOG_LINE_BYTES_MAX = 65_536

/** Bytes of one value on a log stream: a line where every character takes JSON's longest escape, and its frame. */
export const LOG_VALUE_BYTES_MAX = 8 * LOG_LINE_BYTES_MAX

/** How long the asking side may take to say which log it wants, ms. */
export const LOG_REQUEST_MS = 10_000

/** Log streams this node serves to others at once. */
export const LOG_STREAMS_MAX = 64

/** After a follow ended because the program restarts: pause before looking again, ms. */
export const LOG_REOPEN_MS = 200

/** Copies kept aside that are remembered (the engine keeps all of them). */
export const PARKED_MAX = 200

invariant(RESTART_FIRST_MS < RESTART_LONGEST_MS, 'restart pauses grow')
invariant(STOP_GRACE_MAX_S * 1_000 < FORWARD_DEADLINE_MS, 'a forwarded stop may use its whole grace')
