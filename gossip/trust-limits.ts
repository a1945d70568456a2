// Every bound of trust and joining, with unit and reason. Read by the records, the roster, the founding reducer and the tokens.

/** Bounds of what is stored and sent. */
export const trustLimits = {
  /** Bytes of one member record on the wire: about 500 in use; a name of 64 four-byte characters still fits. */
  memberRecordBytes: 2_048,
  /** Bytes of one removal record: a removal names up to `removalKeeps` hashes. */
  removalRecordBytes: 2_048,
  /** Member records a removal may keep alive: the remover's own way to the mesh key, which has at most a few removed links. */
  removalKeeps: 4,
  /** Characters of a node's name: what a table can show. */
  nameChars: 64,
  /** Characters of a removal's reason: one line for a person. */
  reasonChars: 200,
  /** Links from a record to the mesh key. Renewal by a member nearer to the key shortens a chain. */
  chainLinks: 32,
  /** Highest counter of any record: far beyond use, far below the loss of whole numbers in a double. */
  counterMax: 2 ** 40,
  /** Member records in one roster (about 1 KB each in memory): 10,000 members, some vouched for by several. */
  rosterRecords: 16_384,
  /** Records kept although their chain has not come yet: gossip may bring a record before its issuer's. */
  rosterOrphans: 256,
  /** Removals in one roster; they are kept for ever. */
  rosterRemovals: 4_096,
  /** Nodes remembered while finding a mesh: a /22 network full of them. */
  heardNodes: 1_024,
  /** Other members the founding reducer tells apart; with more it is certain not to be alone. */
  knownOthers: 256,
  /** Unused tokens one issuer keeps. */
  tokensOpen: 64,
  /** Addresses in a token: one line must stay pasteable. */
  tokenAddresses: 8,
  /** Characters of a whole token. */
  tokenChars: 1_024,
} as const

/** Durations of trust, in milliseconds. */
export const trustTimes = {
  /** How long a member record is said to be good. It never kills: `doctor` warns, members renew. */
  recordLifeMs: 365 * 24 * 3_600_000,
  /** A record is dated back, for nodes whose clock is behind. */
  backdateMs: 24 * 3_600_000,
  /** `doctor` and UI warn this long before `notAfter`. */
  warnBeforeMs: 30 * 24 * 3_600_000,
  /** The join window after founding, and the default of `shoal open`. */
  windowMs: 15 * 60_000,
  /** The longest window a person may open at once. */
  windowMaxMs: 24 * 3_600_000,
  /** Default life of a token. */
  tokenTtlMs: 24 * 3_600_000,
  /** Longest life of a token: a token is a secret that lies around. */
  tokenTtlMaxMs: 30 * 24 * 3_600_000,
} as const
