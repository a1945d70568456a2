// All bounds of the room, with unit and reason. docs/limits.md lists them.

const MIB = 1024 * 1024

/** Bounds of a move. `…Ms` are milliseconds, `…Bytes` bytes. */
export const LIMITS = {
  /** Moves leaving this node at once: each holds a whole memory image in tmpfs. */
  outgoing: 2,
  /** Moves arriving here at once, for the same reason; the third is refused and tries elsewhere. */
  incoming: 2,
  /** Targets tried for one move, so that a red node does not offer around a mesh of thousands. */
  candidates: 8,
  /** Finished moves kept for `shoal moves ls`. */
  records: 500,

  /** A control message: an offer with arguments, environment and layer list of a large image stays far below. */
  messageBytes: MIB,
  /** A data frame: large enough that the header does not count, small enough to share a connection. */
  chunkBytes: 256 * 1024,
  /** Longest section names and texts in messages. */
  textChars: 4096,
  /** Layers of an image: engines stop at 128. */
  layers: 256,
  /** Files in a checkpoint directory: CRIU writes some 25, and a few per process. */
  checkpointFiles: 100_000,
  /** The sections of a move: more than any image, writable layer or memory a node can hold; a peer that announces more is refused. */
  imageBytes: 64 * 1024 * MIB,
  layerBytes: 64 * 1024 * MIB,
  checkpointBytes: 1024 * 1024 * MIB,

  /** A target that takes in as many moves as it may lets the next offer wait this long: better than the next best node, or the cloud. */
  placeMs: 30_000,
  /** An offer is answered from memory; a busy node may take seconds to look at its images. */
  offerMs: 15_000,
  /** Loading an image of gigabytes onto a slow disk. Without progress on the stream nothing waits this long. */
  prepareMs: 600_000,
  /** No byte of a section for this long: the peer is gone though its connection stands. */
  stallMs: 30_000,
  /** A last word or the end of a stream that the peer does not take in this time is not worth more: it hears of it by the reset. */
  goodbyeMs: 2_000,
  /** The peer checks, unpacks and answers a section: an image of gigabytes onto a slow disk. */
  sectionAnswerMs: 600_000,
  /** Between the last section and the target's word: restore_s and create_s of the shim, and the engine. */
  handOverMs: 330_000,
  /** One question for the outcome of a move, answered from the journal or a running restore. */
  askMs: 20_000,
  /** Pauses between questions grow from the first to the last: bounded noise while a target is away. */
  askPauseMs: { first: 500, last: 30_000 },
  /** Attempts to thaw, release or take over before the move is left to the next start of the daemon. */
  tries: 8,
  retryPauseMs: { first: 200, last: 10_000 },

  /** Engine calls that answer from memory: inspect, pause, kill. An inspect may wait for a start under way. */
  engineMs: 60_000,
  /** The engine's start with a restore inside: the shim's own deadlines are shorter. */
  startMs: 320_000,
  /** CRIU's dump of a large memory on a loaded node. It is never killed half-way: that could leave its code in the program. */
  checkpointMs: 600_000,
  /** Looks for the end of a dump that outlived its daemon. */
  dumpPollMs: 50,
  /** `ip link`, `criu --version` and the like. */
  commandMs: 10_000,

  /** Free tmpfs kept beyond the memory of the service, for CRIU's own images and a program that grows meanwhile. */
  roomMarginBytes: 32 * MIB,
  /** Pings for the clock offset: the best round trip of them counts. */
  pings: 8,
  /** Deleted-but-open files CRIU takes along, each. */
  ghostFileBytes: 64 * MIB,
  /** The tail of a CRIU log read for the reason of a failure. */
  logBytes: 4 * MIB,
} as const
