// What the API asks of the node: the port its routes are written against. daemon/compose.ts fulfils it from the mesh, the services, the mover,
// the control loop, the configuration and the doctor. Every refusal is thrown as a ShoalError; api/error-reply.ts gives it its status.
//
// `ref` is a name, an id, or a unique prefix of either, of any service or node of the mesh. Every wait ends with its signal.

import type { LogLine, LogQuery, RunBody, ServiceDetail, ServiceReply } from './schema/service.ts'
import type { InviteReply, NodeReply, StatusReply, WaitingReply } from './schema/node.ts'
import type { ExplainReply, MoveBody, MoveReply } from './schema/move.ts'
import type { ProfileReply, StrategyBody, StrategyReply } from './schema/strategy.ts'
import type { ConfigReply, DoctorReply, EventBody } from './schema/upkeep.ts'
import type { Profile, Role } from '../../placement/view.ts'

/** This node and what it sees of the others. Answers from the local view: never waits for another node. */
export interface NodeQueries {
  status(): StatusReply
  nodes(): readonly NodeReply[]
  /** @throws ShoalError NODE_NOT_FOUND, NODE_AMBIGUOUS */
  node(ref: string): NodeReply
  waiting(): readonly WaitingReply[]
}

/** Services of the whole mesh; an action goes to the owner. */
export interface ServiceActions {
  list(): readonly ServiceReply[]
  /** @throws ShoalError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS */
  inspect(ref: string): ServiceDetail
  run(request: RunBody, signal: AbortSignal): Promise<ServiceDetail>
  stop(ref: string, timeoutS: number | undefined, signal: AbortSignal): Promise<ServiceDetail>
  start(ref: string, signal: AbortSignal): Promise<ServiceDetail>
  /** @throws ServiceError SERVICE_RUNNING unless `force` */
  remove(ref: string, how: { readonly force: boolean }, signal: AbortSignal): Promise<void>
  /** Resolves once the owner has answered; the lines then come as they are read. */
  logs(ref: string, query: LogQuery, signal: AbortSignal): Promise<AsyncIterable<LogLine>>
}

/** Moves, and the reasons for them. */
export interface MoveActions {
  /** With `detach` resolves when the move has begun, else when it is over; a move that failed is an answer, not a throw. */
  move(ref: string, request: Omit<MoveBody, 'dryRun'>, signal: AbortSignal): Promise<MoveReply>
  /** `to`: only whether that node would take it. */
  explain(ref: string, to: string | undefined, signal: AbortSignal): Promise<ExplainReply>
  /** Newest first. */
  moves(): readonly MoveReply[]
  /** @throws ShoalError MOVE_NOT_FOUND */
  moveRecord(id: string): MoveReply
}

/** What the user may set while the node runs. */
export interface SettingActions {
  strategy(): StrategyReply
  setStrategy(request: StrategyBody): Promise<StrategyReply>
  profiles(): readonly ProfileReply[]
  setProfile(match: string, profile: Profile): Promise<ProfileReply>
  /** @throws ShoalError PROFILE_NOT_FOUND */
  removeProfile(match: string): Promise<void>
  config(): ConfigReply
  doctor(signal: AbortSignal): Promise<DoctorReply>
}

/** Who may come in. */
export interface MembershipActions {
  approve(who: string): Promise<NodeReply>
  /** Removes a member for good. @throws ShoalError NODE_NOT_FOUND, NODE_AMBIGUOUS */
  /** `force`: also this node itself. @throws ApiError SELF_REMOVAL_REFUSED */
  remove(ref: string, force: boolean): Promise<void>
  invite(request: { readonly ttlMs?: number; readonly role?: Role }): Promise<InviteReply>
  join(token: string): Promise<StatusReply>
  openWindow(forMs: number | undefined): Promise<StatusReply>
}

/** What happens on this node, told to whoever listens. */
export interface EventFeed {
  /** Events after `afterId` that are still kept, then new ones until the signal, and `alive` when nothing happened for a while. A listener too
   * slow loses the oldest, never holds the node up. */
  follow(afterId: number | undefined, signal: AbortSignal): AsyncIterable<EventBody | 'alive'>
}

/** Everything the API can do. */
export interface NodeActions {
  readonly node: NodeQueries
  readonly services: ServiceActions
  readonly moves: MoveActions
  readonly settings: SettingActions
  readonly membership: MembershipActions
  readonly events: EventFeed
}
