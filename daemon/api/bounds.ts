// The bounds of the HTTP API, each with its unit and reason. Listed in docs/limits.md.

/** Bytes of a request's body: a service's spec is at most 24 KiB, escaped it may double. */
export const BODY_BYTES_MAX = 65_536

/** How long a client may take to send its request, ms. */
export const REQUEST_RECEIVE_MS = 30_000

/** Connections on one listener. */
export const CONNECTIONS_MAX = 256

/** Streams (events, followed logs) served at once on one listener: each holds a connection. */
export const STREAMS_MAX = 64

/** Events kept for listeners that come back. */
export const EVENTS_KEPT = 512

/** Events waiting for one listener; a slower one loses the oldest. */
export const EVENTS_WAITING_MAX = 256

/** Pause between two signs of life on an event stream, ms: proxies cut what is silent. */
export const EVENTS_ALIVE_MS = 15_000

/** How long a waiting action (stop, move, run) may take before the API answers that it goes on without it, ms. */
export const ACTION_MS = 585_000

/** How long a join window opened without a time stays open, ms. */
export const WINDOW_MS = 900_000

/** How long an invitation without a time is good for, ms. */
export const INVITE_MS = 3_600_000
