// A node's way into a mesh as a reducer: it listens, founds, asks, settles, dissolves, lets others in. Called by gossip/open-mesh.ts,
// which performs the effects. Spec and the reasons of each rule: docs/protocols/trust.md. What must never happen: a node leaves a mesh
// on which another one relies. So whoever asks admits nobody, and whoever admitted stays until the other has arrived or time is over.

import { choosePeer, chooseMesh, expectedFounder } from './founding-choice.ts'
import {
  consents,
  isAlone,
  isFree,
  type Announcement,
  type At,
  type FoundingEffect,
  type FoundingEvent,
  type FoundingState,
  type FoundingTiming,
  type HeardNode,
  type OwnMesh,
} from './founding-state.ts'
import { trustLimits } from './trust-limits.ts'
import type { MeshId } from './signing.ts'
import type { Millis, NodeId } from '../placement/view.ts'

/** What a step gives: the next state, and what to do, in order. */
export interface Step {
  readonly state: FoundingState
  readonly effects: readonly FoundingEffect[]
}

/** Where a node starts: without a mesh, or (after a restart) with the one it is in. */
export interface Beginning {
  readonly self: NodeId
  readonly timing: FoundingTiming
  /** Services or open tokens exist here. */
  readonly used: boolean
  readonly mesh: { readonly meshId: MeshId; readonly others: readonly NodeId[]; readonly admits: boolean } | null
}

/** The state before the event `started`. */
export function beginFounding({ self, timing, used, mesh }: Beginning): FoundingState {
  return {
    self,
    timing,
    used,
    startedAt: 0,
    activity: { at: 'idle' },
    mesh: mesh === null ? null : mesh.others.reduce(withOther, newMesh(mesh.meshId, mesh.admits)),
    heard: new Map(),
    silent: new Set(),
    grants: new Map(),
    newsAt: 0,
    quietAt: 0,
    attempt: 0,
    asked: null,
    chosen: null,
  }
}

/** One event. First what it changes by itself, then what follows from all that is known. */
export function step(state: FoundingState, event: FoundingEvent, at: At): Step {
  const known = forget(state, at.now)
  const first = take(known, event, at)
  const next = proceed(first.state, at)
  return { state: next.state, effects: [...first.effects, ...next.effects] }
}

/** For the hello to everyone. */
export function announcement(state: FoundingState, now: Millis): Announcement {
  const { mesh } = state
  return {
    fresh: mesh === null && !state.used,
    meshId: mesh?.meshId ?? null,
    meshSize: mesh === null ? 0 : mesh.others.size + 1,
    loneAndFresh: mesh !== null && isFree(state) && state.grants.size === 0 && consents(state, now),
    admits: mesh?.admits ?? false,
  }
}

/** When to send the next `tick`, or null while only an event can change anything. */
export function wakeAt(state: FoundingState, now: Millis): Millis | null {
  const { activity } = state
  const moments = [...state.grants.values()]
  if ('until' in activity) moments.push(activity.until)
  if (isAlone(state)) moments.push(...[...state.heard.values()].map(node => node.heardAt + state.timing.heardMs))
  if (state.mesh !== null && isFree(state) && state.heard.size > 0 && activity.at === 'idle') moments.push(state.quietAt)
  const ahead = moments.filter(moment => moment > now)
  return ahead.length === 0 ? null : Math.min(...ahead)
}

/** What an event changes by itself. */
function take(state: FoundingState, event: FoundingEvent, at: At): Step {
  switch (event.on) {
    case 'started':
      return just({
        ...state,
        startedAt: at.now,
        quietAt: at.now,
        activity: state.mesh === null ? listen(state, at) : { at: 'idle' },
      })
    case 'tick':
      return just(state)
    case 'serviceCreated':
    case 'tokenMade':
      return just({ ...state, used: true })
    case 'heard':
      return just(hear(state, event, at))
    case 'gone':
      return just(lose(state, event.id, at))
    case 'founded':
      return just({
        ...state,
        mesh: newMesh(event.meshId, true),
        activity: { at: 'idle' },
        silent: new Set(),
        attempt: 0,
        asked: null,
        chosen: null,
      })
    case 'memberJoined':
      return just(join(state, event.id))
    case 'memberRemoved':
      return just(
        state.mesh === null
          ? state
          : { ...state, mesh: withoutOther(state.mesh, event.id), grants: without(state.grants, event.id) },
      )
    case 'rights':
      return just(state.mesh === null ? state : { ...state, mesh: { ...state.mesh, admits: event.admits } })
    case 'asked':
    case 'approved':
      return answer(state, event, at)
    case 'admitted':
      return enter(state, event)
    case 'refused':
      return just(state.activity.at === 'asking' && state.activity.id === event.from ? pause(state, event.code, at) : state)
    case 'joinToken':
    case 'accepted':
      break
  }
  return chooseByPerson(state, event, at)
}

/** What follows from all that is known: ask, found, wait, or stay. */
function proceed(state: FoundingState, at: At): Step {
  const { activity, mesh } = state
  if (activity.at === 'finding') return just(state)
  if (activity.at === 'listening' && at.now < activity.until) return just(state)
  if (activity.at === 'asking') return at.now < activity.until ? just(state) : proceed(pause(state, 'NO_ANSWER', at), at)
  if (mesh !== null && isFree(state) && !mesh.admits) {
    return {
      state: { ...state, mesh: null, activity: listen(state, at), grants: new Map(), asked: null },
      effects: [{ do: 'leave', meshId: mesh.meshId }],
    }
  }
  const choice = chooseMesh(state, at.now)
  if (choice.to === 'ask') return ask(state, choice.meshId, at)
  if (mesh !== null || choice.to === 'several')
    return just(state.activity.at === 'idle' ? state : { ...state, activity: { at: 'idle' }, attempt: 0 })
  return awaitFounder(state, at)
}

/** No mesh anywhere: the lowest fresh id founds, the others wait for it, but not for ever. A node with services waits for nobody. */
function awaitFounder(state: FoundingState, at: At): Step {
  const founder = state.used ? undefined : expectedFounder(state)
  if (founder === undefined) return { state: { ...state, activity: { at: 'finding' } }, effects: [{ do: 'found' }] }
  const { activity } = state
  if (activity.at !== 'expecting' || activity.founder !== founder) {
    return just({ ...state, activity: { at: 'expecting', founder, until: at.now + state.timing.founderWaitMs } })
  }
  if (at.now < activity.until) return just(state)
  return awaitFounder({ ...state, silent: new Set([...state.silent, founder]) }, at)
}

/** Asks a peer of `meshId`, unless the pause after the last ask is not over. A change of target starts the backoff anew. */
function ask(state: FoundingState, meshId: MeshId, at: At): Step {
  const { activity } = state
  const sameTarget = meshId === state.asked
  if (activity.at === 'pausing' && at.now < (activity.meshId === meshId ? activity.until : activity.soonest)) return just(state)
  const fresh = sameTarget ? state : { ...state, attempt: 0 }
  const id = choosePeer(fresh, meshId)
  if (id === undefined) return just(state)
  return askPeer(fresh, { id, meshId, byToken: false }, at)
}

function askPeer(
  state: FoundingState,
  target: { readonly id: NodeId; readonly meshId: MeshId; readonly byToken: boolean },
  at: At,
): Step {
  const until = at.now + state.timing.askTimeoutMs
  return {
    state: { ...state, asked: target.meshId, activity: { at: 'asking', ...target, until } },
    effects: [{ do: 'ask', ...target }],
  }
}

/**
 * After a refusal or silence. A person's yes may take long: the pause doubles with each attempt, up to `retryMaxMs`. Silence and the
 * wrong peer pass sooner: up to a third of `heardMs`. `NOT_SETTLED` passes at once. A token is tried once.
 */
function pause(state: FoundingState, code: string, at: At): FoundingState {
  const { activity, timing } = state
  if (activity.at !== 'asking') return state
  if (activity.byToken) return { ...state, chosen: null, asked: null, activity: { at: 'idle' } }
  const waitMs =
    Math.min(timing.retryMinMs * 2 ** Math.min(state.attempt, 20), longestPauseMs(code, timing)) * (0.75 + at.random / 2)
  const attempt = code === 'NOT_SETTLED' ? state.attempt : state.attempt + 1
  const soonest = at.now + Math.min(waitMs, timing.retryMinMs)
  return { ...state, attempt, activity: { at: 'pausing', meshId: activity.meshId, code, soonest, until: at.now + waitMs } }
}

function longestPauseMs(code: string, timing: FoundingTiming): Millis {
  if (code === 'NOT_SETTLED') return timing.retryMinMs
  return code === 'NO_ANSWER' || code === 'NOT_ADMITTING' ? timing.heardMs / 3 : timing.retryMaxMs
}

/** Whether `id` may come in here, now. A grant keeps us where we are until it has arrived. */
function answer(state: FoundingState, event: Extract<FoundingEvent, { on: 'asked' | 'approved' }>, at: At): Step {
  const { mesh, timing } = state
  const refuse = (code: Extract<FoundingEffect, { do: 'answer' }>['code']): Step => ({
    state,
    effects: [{ do: 'answer', id: event.id, code }],
  })
  if (mesh === null || state.activity.at === 'asking') return refuse('NOT_SETTLED')
  if (event.on === 'asked' && event.meshId !== mesh.meshId) return refuse('NOT_SETTLED')
  if (!mesh.admits) return refuse('NOT_ADMITTING')
  if (event.on === 'asked') {
    const { to } = chooseMesh(state, at.now)
    if (to === 'ask' || to === 'unsettled') return refuse('NOT_SETTLED')
    if (to === 'several' || !event.windowOpen || !event.heardOnLink) return refuse('WAITING_FOR_APPROVAL')
  }
  const grants = new Map(state.grants).set(event.id, at.now + timing.grantMs)
  return {
    state: { ...state, grants },
    effects: [{ do: 'grant', id: event.id, via: event.on === 'asked' ? 'window' : 'approval' }],
  }
}

/** The yes of a mesh. It counts only if it is the mesh we asked last, and nobody relies on us by now. */
function enter(state: FoundingState, { from, meshId, admits }: Extract<FoundingEvent, { on: 'admitted' }>): Step {
  if (state.mesh?.meshId === meshId) return just(state)
  const wanted = meshId === state.asked || meshId === state.chosen
  const mayLeave = isAlone(state) && state.grants.size === 0 && (!state.used || meshId === state.chosen)
  if (!wanted || !mayLeave) return { state, effects: [{ do: 'decline', from, meshId }] }
  const mesh = withOther(newMesh(meshId, admits), from)
  const leaving = state.mesh?.meshId ?? null
  return {
    state: {
      ...state,
      mesh,
      activity: { at: 'idle' },
      heard: new Map(),
      silent: new Set(),
      attempt: 0,
      asked: null,
      chosen: null,
    },
    effects: [{ do: 'enter', from, meshId, leaving }],
  }
}

function chooseByPerson(state: FoundingState, event: Extract<FoundingEvent, { on: 'joinToken' | 'accepted' }>, at: At): Step {
  if (!isAlone(state)) return { state, effects: [{ do: 'refuseJoin', code: 'ALREADY_MEMBER' }] }
  if (state.grants.size > 0 || state.activity.at === 'finding')
    return { state, effects: [{ do: 'refuseJoin', code: 'NOT_SETTLED' }] }
  if (event.on === 'accepted' && ![...state.heard.values()].some(node => node.meshId === event.meshId)) {
    return { state, effects: [{ do: 'refuseJoin', code: 'MESH_NOT_HEARD' }] }
  }
  const chosen: FoundingState = { ...state, chosen: event.meshId, attempt: 0, activity: { at: 'idle' } }
  return event.on === 'accepted' ? just(chosen) : askPeer(chosen, { id: event.id, meshId: event.meshId, byToken: true }, at)
}

/** A hello of a node outside our mesh. A member of ours that speaks for another mesh has left ours. */
function hear(state: FoundingState, event: Extract<FoundingEvent, { on: 'heard' }>, at: At): FoundingState {
  const { id, fresh, meshId, meshSize, loneAndFresh, admits, windowOpen, heardOnLink } = event
  const node: HeardNode = { id, fresh, meshId, meshSize, loneAndFresh, admits, windowOpen, heardOnLink }
  if (node.id === state.self) return state
  const mesh = state.mesh === null ? null : withoutOther(state.mesh, node.id)
  const left = { ...state, mesh, heard: new Map(state.heard) }
  left.heard.delete(node.id)
  if (node.meshId !== null && node.meshId === mesh?.meshId) return { ...state, heard: left.heard }
  if (!isAlone(left)) return left
  const before = state.heard.get(node.id)
  left.heard.set(node.id, { ...node, heardAt: at.now })
  if (left.heard.size > trustLimits.heardNodes) left.heard.delete([...left.heard.keys()][0] ?? '')
  const promising = (each: HeardNode | undefined) => each?.meshId === node.meshId && each.admits && each.windowOpen
  const opened = left.activity.at === 'pausing' && left.activity.meshId === node.meshId && promising(node) && !promising(before)
  const awake: FoundingState =
    opened && left.activity.at === 'pausing' ? { ...left, activity: { ...left.activity, until: left.activity.soonest } } : left
  const news = before === undefined || (node.meshId !== null && before.meshId !== node.meshId)
  return news ? unsettle(awake, at) : awake
}

/** A node or a mesh not heard before: wait until it has been quiet for a while, but not for ever. */
function unsettle(state: FoundingState, { now }: At): FoundingState {
  const newsAt = now < state.quietAt ? state.newsAt : now
  return { ...state, newsAt, quietAt: Math.min(now + state.timing.settleMs, newsAt + state.timing.settleMaxMs) }
}

function lose(state: FoundingState, id: NodeId, at: At): FoundingState {
  const left = { ...state, heard: without(state.heard, id) }
  return state.activity.at === 'asking' && state.activity.id === id ? pause(left, 'NO_ANSWER', at) : left
}

function join(state: FoundingState, id: NodeId): FoundingState {
  if (state.mesh === null || id === state.self) return state
  return { ...state, mesh: withOther(state.mesh, id), grants: without(state.grants, id), heard: without(state.heard, id) }
}

/** Drops what time has overtaken. */
function forget(state: FoundingState, now: Millis): FoundingState {
  const heard = [...state.heard].filter(([, node]) => now < node.heardAt + state.timing.heardMs)
  const grants = [...state.grants].filter(([, until]) => now < until)
  if (heard.length === state.heard.size && grants.length === state.grants.size) return state
  return { ...state, heard: new Map(heard), grants: new Map(grants) }
}

function listen(state: FoundingState, at: At): FoundingState['activity'] {
  return { at: 'listening', until: at.now + state.timing.listenMs }
}

function newMesh(meshId: MeshId, admits: boolean): OwnMesh {
  return { meshId, others: new Set(), crowded: false, admits }
}

function withOther(mesh: OwnMesh, id: NodeId): OwnMesh {
  if (mesh.others.has(id)) return mesh
  if (mesh.others.size >= trustLimits.knownOthers) return { ...mesh, crowded: true }
  return { ...mesh, others: new Set([...mesh.others, id]) }
}

function withoutOther(mesh: OwnMesh, id: NodeId): OwnMesh {
  return mesh.others.has(id) ? { ...mesh, others: new Set([...mesh.others].filter(each => each !== id)) } : mesh
}

function without<V>(map: ReadonlyMap<NodeId, V>, id: NodeId): ReadonlyMap<NodeId, V> {
  return map.has(id) ? new Map([...map].filter(([each]) => each !== id)) : map
}

function just(state: FoundingState): Step {
  return { state, effects: [] }
}
