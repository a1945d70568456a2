// Which bounds hold inside the daemon's own parts (engine, store, sampler, setup)? Each with its unit and its reason. Listed in docs/limits.md.

/** A call that only reads or flips a state answers in this time, or the engine counts as not answering (ms). */
export const ENGINE_CALL_MS = 30_000
/** First contact: a person waits for `shoal up` or `shoal doctor` to say that there is no engine (ms). */
export const ENGINE_HELLO_MS = 5_000
/** `remove` returns when the container is gone; the engine takes up to 12 s where a runtime does not answer (ms). */
export const ENGINE_REMOVE_MS = 30_000
/** Pause before the event stream is opened again: doubled from the first to the last (ms). */
export const EVENTS_RETRY_MS = { first: 250, last: 10_000 } as const
/** The target of a move hears within this time what the source measured, or shows less of it (ms). */
export const MEASURES_MS = 5_000
/** One event of the engine as a line of JSON; longer is dropped and counts as a gap (bytes). */
export const EVENT_LINE_BYTES = 64 * 1024
/** Text the engine writes while it loads an image; what is over is cut, errors come last and are kept (characters). */
export const LOAD_TEXT_CHARS = 64 * 1024
/** Oldest engine API this works with: Docker 20.10. */
export const OLDEST_ENGINE_API = '1.41'
/** Newest engine API this was tested with: Docker 28.5. A newer engine is spoken to as if it were this one. */
export const NEWEST_ENGINE_API = '1.51'

/** The key file of a node is some 70 bytes; anything over this is not one (bytes). */
export const IDENTITY_FILE_BYTES = 4096
/** The configuration file; a person's file is under 4 KiB (bytes). */
export const CONFIG_FILE_BYTES = 256 * 1024
/** `daemon.json` and `runc.conf`, when setup reads them (bytes). */
export const SETUP_FILE_BYTES = 1024 * 1024
/** After SIGHUP the engine has read its configuration within a second or two (ms). */
export const ENGINE_RELOAD_MS = 15_000
/** One value in the store: a service record or a move's journal is some KiB (bytes). */
export const STORE_VALUE_BYTES = 4 * 1024 * 1024

/** A gap between two samples longer than this is no rate any more (the host slept): the sample is left out (ms). */
export const SAMPLE_GAP_MS = 60_000
/** A service started within a sample has no rate yet; containers sampled at a time, so that a host with many does not stall the loop (count). */
export const SAMPLE_CONTAINERS = 2_000
/** Moves that follow each other without a calm sample hide a rise of the load outside for this long at most (ms). */
export const MOVE_HOLD_MS = 120_000
/** A line of `nvidia-smi` is under 100 characters (characters). */
export const GPU_LINE_CHARS = 4_096
/** A GPU reading older than this is no reading: the tool has stopped talking (ms). */
export const GPU_STALE_MS = 15_000
/** A GPU may show up late after boot, and a tool that died may come back: probed again at this distance (ms). */
export const GPU_PROBE_AGAIN_MS = 60_000
/** An explanation waits so long for the node the service came from: what would happen now is the larger part of the answer (ms). */
export const LAST_DECISION_MS = 3_000
