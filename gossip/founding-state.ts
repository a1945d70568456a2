// The plain values of the way into a mesh: state, events, effects, and the figures they wait by. Read by gossip/founding.ts (the
// reducer), gossip/founding-choice.ts (which mesh) and gossip/open-mesh.ts (which performs the effects). Spec: docs/protocols/trust.md.

import type { MeshId } from './signing.ts'
import type { TrustErrorCode } from './trust-errors.ts'
import type { Millis, NodeId } from '../placement/view.ts'

/** How long founding waits, in milliseconds. */
export interface FoundingTiming {
  /** A fresh node listens this long before it decides. */
  readonly listenMs: Millis
  /** The others wait this long for the one who should found. */
  readonly founderWaitMs: Millis
  /** A mesh of one that hears a mesh for the first time neither asks nor admits until it has been quiet this long … */
  readonly settleMs: Millis
  /** … but at most this long after the first news. */
  readonly settleMaxMs: Millis
  /** An unanswered ask is given up after this; must be well under `grantMs`. */
  readonly askTimeoutMs: Millis
  /** Whoever admitted a node stays put this long, until the node has shown up as a member. */
  readonly grantMs: Millis
  /** A node not heard for this long is no candidate any more. */
  readonly heardMs: Millis
  /** Pause between two asks: first, and longest. */
  readonly retryMinMs: Millis
  readonly retryMaxMs: Millis
  /** After its start a node lets itself be taken this long without a person; Infinity with `trust: lan`. */
  readonly consentMs: Millis
}

/** DESIGN.md's figures. */
export const foundingTiming: FoundingTiming = {
  listenMs: 3_000,
  founderWaitMs: 10_000,
  settleMs: 3_000,
  settleMaxMs: 10_000,
  askTimeoutMs: 3_000,
  grantMs: 10_000,
  heardMs: 15_000,
  retryMinMs: 1_000,
  retryMaxMs: 30_000,
  consentMs: 15 * 60_000,
}

/** The lab's, as a difference: one machine, no packet is late. */
export const labFoundingTiming: FoundingTiming = {
  ...foundingTiming,
  listenMs: 1_000,
  settleMs: 1_000,
  settleMaxMs: 4_000,
  retryMinMs: 500,
}

/** What a node tells everyone in its hello, members or not. */
export interface Announcement {
  /** No mesh, no services. */
  readonly fresh: boolean
  readonly meshId: MeshId | null
  readonly meshSize: number
  /** A mesh of one without services and tokens that would still dissolve into another. */
  readonly loneAndFresh: boolean
  /** This node may admit. */
  readonly admits: boolean
}

/** What was heard of a node outside our mesh. */
export interface HeardNode extends Announcement {
  readonly id: NodeId
  /** Its mesh's join window is open. */
  readonly windowOpen: boolean
  /** Heard on a link of our own (mDNS), not through a router. */
  readonly heardOnLink: boolean
}

/** The mesh this node is in. */
export interface OwnMesh {
  readonly meshId: MeshId
  /** Other members known to be in this mesh, `knownOthers` at most. */
  readonly others: ReadonlySet<NodeId>
  /** There were more others than are told apart. */
  readonly crowded: boolean
  /** This node may admit. */
  readonly admits: boolean
}

/** What this node is doing about its mesh. */
export type Activity =
  | { readonly at: 'listening'; readonly until: Millis }
  | { readonly at: 'expecting'; readonly founder: NodeId; readonly until: Millis }
  | { readonly at: 'finding' }
  | { readonly at: 'asking'; readonly id: NodeId; readonly meshId: MeshId; readonly until: Millis; readonly byToken: boolean }
  | { readonly at: 'pausing'; readonly meshId: MeshId; readonly code: string; readonly soonest: Millis; readonly until: Millis }
  | { readonly at: 'idle' }

export interface FoundingState {
  readonly self: NodeId
  readonly timing: FoundingTiming
  readonly startedAt: Millis
  readonly activity: Activity
  readonly mesh: OwnMesh | null
  /** Services or tokens exist: this node is not fresh and no automatism moves it. */
  readonly used: boolean
  readonly heard: ReadonlyMap<NodeId, HeardNode & { readonly heardAt: Millis }>
  /** Fresh nodes that should have founded and did not. */
  readonly silent: ReadonlySet<NodeId>
  /** Nodes admitted here that have not shown up as members yet, until when we stay put for them. */
  readonly grants: ReadonlyMap<NodeId, Millis>
  /** When the present settling began, and when it ends. */
  readonly newsAt: Millis
  readonly quietAt: Millis
  /** Asks without success since the last change of target: the backoff's exponent, and which peer is next. */
  readonly attempt: number
  /** The mesh last asked: only its answer may admit us. */
  readonly asked: MeshId | null
  /** The mesh a person chose, by token or by name. */
  readonly chosen: MeshId | null
}

/** What happens to a node on its way. */
export type FoundingEvent =
  | { readonly on: 'started' | 'tick' | 'serviceCreated' | 'tokenMade' }
  | ({ readonly on: 'heard' } & HeardNode)
  | { readonly on: 'gone' | 'memberJoined' | 'memberRemoved'; readonly id: NodeId }
  | { readonly on: 'approved'; readonly id: NodeId }
  | { readonly on: 'founded'; readonly meshId: MeshId }
  | { readonly on: 'accepted'; readonly meshId: MeshId }
  | { readonly on: 'rights'; readonly admits: boolean }
  | {
      readonly on: 'asked'
      readonly id: NodeId
      readonly meshId: MeshId
      readonly windowOpen: boolean
      readonly heardOnLink: boolean
    }
  | { readonly on: 'admitted'; readonly from: NodeId; readonly meshId: MeshId; readonly admits: boolean }
  | { readonly on: 'refused'; readonly from: NodeId; readonly code: string }
  | { readonly on: 'joinToken'; readonly id: NodeId; readonly meshId: MeshId }

/** What the host does about it, in order. */
export type FoundingEffect =
  /** Make a mesh key and the founding record, store both, then send the event `founded`. */
  | { readonly do: 'found' }
  /** Ask `id` for admission to `meshId`, with the token where `byToken`; answer by `admitted` or `refused`. Deadline: `askTimeoutMs`. */
  | { readonly do: 'ask'; readonly id: NodeId; readonly meshId: MeshId; readonly byToken: boolean }
  /** Install the records that came with the admission, durably; drop those of `leaving`; show up at `from` as a member, again and again. */
  | { readonly do: 'enter'; readonly from: NodeId; readonly meshId: MeshId; readonly leaving: MeshId | null }
  /** All others left this mesh and nobody here may admit: drop it, this node is fresh again. */
  | { readonly do: 'leave'; readonly meshId: MeshId }
  /** Sign a record for `id` and answer it with all records. */
  | { readonly do: 'grant'; readonly id: NodeId; readonly via: 'window' | 'approval' }
  /** Answer the ask of `id` with this refusal; with WAITING_FOR_APPROVAL list it as waiting. */
  | { readonly do: 'answer'; readonly id: NodeId; readonly code: TrustErrorCode }
  /** An admission came too late or unasked: log it, install nothing. */
  | { readonly do: 'decline'; readonly from: NodeId; readonly meshId: MeshId }
  /** A person's `join` or `accept` cannot be done now. */
  | { readonly do: 'refuseJoin'; readonly code: TrustErrorCode }

/** Time and chance, passed in. */
export interface At {
  /** Monotonic. */
  readonly now: Millis
  /** 0 ≤ random < 1, for jitter. */
  readonly random: number
}

/** No other member is known in this node's mesh (or it has none). */
export function isAlone(state: FoundingState): boolean {
  return state.mesh === null || (state.mesh.others.size === 0 && !state.mesh.crowded)
}

/** No automatism keeps this node where it is: it is alone, and has neither services nor tokens. */
export function isFree(state: FoundingState): boolean {
  return isAlone(state) && !state.used
}

/** Whether this node still lets itself be taken without a person. */
export function consents(state: FoundingState, now: Millis): boolean {
  return now < state.startedAt + state.timing.consentMs
}
