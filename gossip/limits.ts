// Every bound of the mesh, with its unit in the name and its reason beside it. docs/limits.md lists them.

import { invariant } from '../placement/shoal-error.ts'

/** Bounds on what a node takes from others and keeps of them. */
export const LIMITS = {
  /** A whole registry bucket or an offer fits; a hostile frame does not make us allocate more. */
  frameBytesMax: 1 << 20,
  /** A frame of the pairing protocol, the only one a stranger may send. */
  joinFrameBytesMax: 64 << 10,
  /** gossipsub's own default is 4 MiB (docs/protocols/mesh.md, trap 12); a record is far smaller. */
  topicMessageBytesMax: 64 << 10,
  /** One signed record: a service with a long environment is about 4 KiB. */
  recordBytesMax: 32 << 10,
  /** One load report with a few hundred services. */
  reportBytesMax: 24 << 10,

  /** A stream's yamux window. */
  streamWindowBytes: 4 << 20,
  /** `pause()` breaks a stream whose window outgrows its read buffer: at least twice the window (docs/protocols/mesh.md, trap 3). */
  streamReadBufferBytes: 8 << 20,
  /** Above this a reader that lags holds its sender back … */
  readQueueHighBytes: 2 << 20,
  /** … until it has read down to this. */
  readQueueLowBytes: 512 << 10,
  /** A frozen move says nothing for minutes; yamux and the socket would cut it after 120 s (docs/protocols/mesh.md, trap 12). */
  streamIdleMs: 600_000,

  /** Requests of one peer this node works on at once. */
  requestsPerPeerMax: 64,
  /** Requests of ours that may wait for one peer. */
  requestsPendingMax: 256,
  /** The longest any request may wait, whatever its caller says. */
  requestMs: 600_000,
  /** Frames queued for a peer that does not read; a notice (report, heartbeat) beyond is dropped: the next one says it anew. */
  noticeBacklogFrames: 64,
  /** Handshake and protocol negotiation with a peer on the same continent, with room for a busy board. */
  dialMs: 8_000,
  /** Opening a standing stream: a dial, and the gate of a peer that has not heard yet that we are a member. */
  openMs: 18_000,
  /** An answer on the pairing protocol. */
  joinAnswerMs: 5_000,
  /** How long a stream of a peer that is about to become a member is held before it is refused. */
  gateHoldMs: 10_000,

  /** Connections held at once, to members and strangers together; beyond it libp2p closes some. Room for some two hundred members. */
  connectionsMax: 300,
  /** New connections per second from one host: twelve daemons on one machine start at once (docs/protocols/mesh.md, trap 12). */
  inboundPerHostPerSecond: 50,
  /** Incoming connections whose handshake is under way at once; more are refused. */
  inboundPendingMax: 100,
  /** Streams of one protocol per connection. */
  inboundStreamsMax: 64,
  /** Addresses remembered of one peer. */
  addressesPerPeerMax: 12,
  /** Members asked for at once when their addresses are not known; a bound on one small message. */
  whereaboutsPerAsk: 64,
  /** A member that does not say in this time where others are is asked again later. */
  whereaboutsMs: 3_000,
  /** A node that is removed has this long to hear of it from the remover. */
  removalNoticeMs: 1_000,
  /** Nodes heard and remembered that are no members. */
  strangersMax: 256,
  /** Pairing messages one peer may send per second, and in a burst. */
  joinMessagesPerSecond: 4,
  joinMessagesBurst: 20,

  /** Facts one author may publish per second, and in a burst; the rest is ignored and comes by anti-entropy. */
  factsPerSecond: 20,
  factsBurst: 200,

  /** Records of one kind a node keeps; deletions are kept too, so that a node that was away does not bring a record back. */
  recordsMax: 20_000,
  /** Round trips the median is taken of. */
  rttSamples: 9,
  /** Members to which heartbeats go at full pace; with more of them each gets fewer, and a loss is seen later. */
  watchedAtFullPace: 24,
  /** Members a report list may name. */
  reportsPerMessageMax: 64,
} as const

/** Rhythms of a node, in milliseconds. */
export const RHYTHM = {
  /** A sign of life on each request stream on which nothing else was said. */
  heartbeatMs: 500,
  /** Signs of life are judged so often. */
  judgeMs: 250,
  /** Silence after which a peer is suspect. */
  suspectMs: 1_500,
  /** Silence after which it is lost: leaves 2 of 5 s for a successor to start. */
  lostMs: 3_000,
  /** Silence after which a standing connection is reset and dialled anew: TCP alone would try a dead one for minutes. */
  cutOffMs: 10_000,
  /** A member that said it leaves may take this long to restart before it counts as lost. */
  leavingMs: 60_000,
  /** Own lateness above this is taken off every peer's silence. */
  ownLatenessMs: 300,
  /** Comparing the registry with one random member. */
  antiEntropyMs: 10_000,
  /** Asking one random member for the addresses of members that are missing. */
  whereaboutsMs: 1_000,
  /** Comparing who has which load report, with one random member. */
  reportExchangeMs: 5_000,
  /** Every n-th heartbeat asks for an answer: the round trip. */
  rttEveryHeartbeats: 10,
  /** mDNS queries while this node is alone; a cable may be plugged in far away. */
  mdnsAloneMs: 5_000,
  /** mDNS queries of a member: traffic grows with N² (docs/protocols/mesh.md, trap 9). */
  mdnsMs: 60_000,
  /** The host's own addresses are compared so often; mDNS starts afresh when they changed (docs/protocols/mesh.md, trap 7). */
  linkWatchMs: 2_000,
  /** First and longest pause between dials to a member that does not answer; never given up. */
  redialFirstMs: 1_000,
  redialMaxMs: 30_000,
  /** Saying hello again to a node that is no member. */
  strangerHelloMs: 2_000,
} as const

invariant(LIMITS.streamReadBufferBytes >= 2 * LIMITS.streamWindowBytes, 'a paused stream must hold a whole window, twice')
invariant(LIMITS.readQueueLowBytes < LIMITS.readQueueHighBytes, 'reading resumes below where it pauses')
invariant(LIMITS.openMs >= LIMITS.dialMs + LIMITS.gateHoldMs, 'a stream that the gate holds is not given up before')
invariant(LIMITS.recordBytesMax < LIMITS.topicMessageBytesMax, 'a record fits a topic message')
invariant(RHYTHM.lostMs < RHYTHM.cutOffMs, 'who is cut off was called lost before')
invariant(RHYTHM.suspectMs < RHYTHM.lostMs && RHYTHM.heartbeatMs * 2 < RHYTHM.suspectMs, 'two heartbeats may be lost')
