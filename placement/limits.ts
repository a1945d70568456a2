// Every bound of this room, with unit and reason. docs/limits.md lists them.

const MiB = 1024 * 1024

/** A view entry older than this many intervals ranks last in its tier: it may be wrong (stale loads mislead). */
export const STALE_RANKS_LAST_INTERVALS = 3
/** A view entry older than this many intervals is no candidate at all. */
export const STALE_DROPPED_INTERVALS = 6

/** Never offered to the mesh: what the node's own system needs, the larger of a share and a fixed amount. */
export const SYSTEM_RESERVE_PCT = 10
export const SYSTEM_RESERVE_BYTES = 256 * MiB

/** A service without a profile counts at least this much, so that many idle ones still add up. Percent of the target's CPU. */
export const MIN_NEED_CPU_PCT = 1

/** The engine refuses a memory limit below 6 MiB. */
export const MIN_PROFILE_RAM_BYTES = 6 * MiB
/** The engine counts CPU in hundredths of a core (its smallest quota is 1 ms of a 100 ms period). */
export const MIN_PROFILE_CORES = 0.01
/** Larger than any machine: catches a byte count typed where cores are meant. */
export const MAX_PROFILE_CORES = 4096
/** 64 TiB, likewise. */
export const MAX_PROFILE_RAM_BYTES = 64 * 1024 * 1024 * MiB
/** More than any machine holds. */
export const MAX_PROFILE_GPUS = 64
/** Characters of one amount in a profile. */
export const MAX_AMOUNT_CHARS = 32

/** Round trip from which nodes of one network id are treated as far: a VPN stretches one LAN around the world. Loaded nodes on half a
 * core answer pings after tens of milliseconds (one 100 ms CPU period), so a LAN's usual 5 ms would part neighbours just when one is red. */
export const FAR_RTT_MS = 100
/** Below this all round trips are equal: inside a LAN they say nothing. */
export const RTT_NOISE_MS = 1

/** Offers per service and round: ceil(log2 n) + this many, then the cloud. An offer costs one round trip. */
export const EXTRA_OFFERS = 4
/** Candidates and rejected peers a decision names in text. */
export const MAX_EXPLAINED = 16
/** Views kept with a decision so that it can be explained and replayed later; a larger mesh keeps the candidates and the first others. */
export const MAX_KEPT_PEERS = 256

/** Promises a node holds at once. Beyond it new offers are refused: a crowd cannot fill the memory of a target. */
export const MAX_RESERVATIONS = 64
/** A move settles its promise itself; one that never was (a lost answer) is void after this, longer than any single wait of a move. */
export const RESERVATION_TTL_MS = 30 * 60_000
/** A decaying promise is dropped below this share of its size. */
export const RESERVATION_DUST = 0.02

/** Moves remembered per service, for budgets and the guard against ping-pong. */
export const MAX_REMEMBERED_MOVES = 64
/** The hour of "moves per service-hour". */
export const BUDGET_WINDOW_MS = 3_600_000
/** Waits after failed moves double this many times at most. */
export const MAX_RETRY_DOUBLINGS = 4
/** Services whose history is kept. */
export const MAX_HISTORIES = 10_000

/** Raw load (any dimension in percent) that counts as an emergency, and for how many samples: cooldowns are skipped, admission never. */
export const EMERGENCY_PCT = 90
export const EMERGENCY_SAMPLES = 2
