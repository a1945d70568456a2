// How does an action reach the node that owns the service? Every node takes every action for every service: it finds the owner in its own
// registry, does the work itself when that is this node, else asks the owner (`service/<verb>`). Built by compose.ts; called by the API.
// Messages: service-messages.ts. A service that moved meanwhile is followed a few hops.

import type { Mesh } from '../gossip/mesh.ts'
import type { Clock } from '../placement/clock.ts'
import { ShoalError } from '../placement/shoal-error.ts'
import type { NodeId, ServiceId, ServiceRecord, ServiceSpec } from '../placement/view.ts'
import type { ServiceActions } from './api/node-actions.ts'
import type { RunBody } from './api/schema/service.ts'
import { serviceDetail, serviceReply } from './api/service-reply.ts'
import { followLogs, type LogParts, serveLogs } from './remote-logs.ts'
import { FORWARD_DEADLINE_MS, FORWARD_HOPS_MAX, SEE_OWN_EFFECT_MS } from './service-bounds.ts'
import { ServiceError } from './service-errors.ts'
import { findNode, findService } from './service-lookup.ts'
import { readRecord, readRemove, readRun, readStart, readStop, recordAnswer } from './service-messages.ts'
import type { Services } from './services.ts'

type Forwarding = Pick<
  Mesh,
  'id' | 'members' | 'reports' | 'profiles' | 'services' | 'request' | 'onRequest' | 'openStream' | 'onStream'
>

export interface RemoteServicesParts {
  readonly mesh: Forwarding
  readonly services: Pick<Services, 'run' | 'stopService' | 'startService' | 'removeService'>
  readonly ownLines: LogParts['ownLines']
  readonly clock: Clock
  /** Ends the answering of other nodes. */
  readonly life: AbortSignal
  /** A few letters to make a name where none was given. */
  readonly newSuffix: () => string
}

/** Answers the other nodes' requests about services of this one. Called once. */
export function answerServiceRequests({ mesh, services, ownLines, clock, life }: RemoteServicesParts): void {
  const lived = (): AbortSignal => AbortSignal.any([life, AbortSignal.timeout(FORWARD_DEADLINE_MS)])
  mesh.onRequest('service/run', async (_from, payload) => {
    const { profile, ...plain } = readRun(payload).spec
    return recordAnswer(await services.run(profile === undefined ? plain : { ...plain, profile }, lived()))
  })
  mesh.onRequest('service/stop', async (_from, payload) => {
    const { id, timeoutS } = readStop(payload)
    return recordAnswer(await services.stopService(id, timeoutS === undefined ? undefined : timeoutS * 1000, lived()))
  })
  mesh.onRequest('service/start', async (_from, payload) =>
    recordAnswer(await services.startService(readStart(payload).id, lived())),
  )
  mesh.onRequest('service/remove', async (_from, payload) => {
    const { id, force } = readRemove(payload)
    await services.removeService(id, { force }, lived())
    return { v: 1 }
  })
  serveLogs({ mesh, clock, ownLines }, life)
}

/** The services of the whole mesh, for the API. */
export function remoteServices(parts: RemoteServicesParts): ServiceActions {
  const { mesh, services, clock, ownLines } = parts
  const find = (ref: string): ServiceRecord => findService(mesh.services.list(), ref)
  const detail = (record: ServiceRecord): ReturnType<ServiceActions['inspect']> => serviceDetail(record, mesh)

  return {
    list: () =>
      mesh.services
        .list()
        .map(record => serviceReply(record, mesh))
        .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1)),

    inspect: ref => detail(find(ref)),

    async run(request, signal) {
      const target = request.node === undefined ? mesh.id : reachable(mesh, findNode(mesh.members(), request.node).id)
      const spec = specOf(request, parts.newSuffix)
      if (target === mesh.id) return detail(await services.run(spec, signal))
      const record = readRecord(await ask(parts, target, 'run', { v: 1, spec }, signal))
      await seen(parts, record, signal)
      return detail(record)
    },

    async stop(ref, timeoutS, signal) {
      const record = await atOwner(parts, find(ref), async owned =>
        owned.owner === mesh.id
          ? services.stopService(owned.id, timeoutS === undefined ? undefined : timeoutS * 1000, signal)
          : readRecord(
              await ask(
                parts,
                owned.owner,
                'stop',
                { v: 1, id: owned.id, ...(timeoutS === undefined ? {} : { timeoutS }) },
                signal,
              ),
            ),
      )
      await seen(parts, record, signal)
      return detail(record)
    },

    async start(ref, signal) {
      const record = await atOwner(parts, find(ref), async owned =>
        owned.owner === mesh.id
          ? services.startService(owned.id, signal)
          : readRecord(await ask(parts, owned.owner, 'start', { v: 1, id: owned.id }, signal)),
      )
      await seen(parts, record, signal)
      return detail(record)
    },

    async remove(ref, { force }, signal) {
      const found = find(ref)
      await atOwner(parts, found, async owned => {
        if (owned.owner === mesh.id) await services.removeService(owned.id, { force }, signal)
        else await ask(parts, owned.owner, 'remove', { v: 1, id: owned.id, force }, signal)
      })
      await until(parts, () => mesh.services.get(found.id)?.deleted !== false, found.id, signal)
    },

    logs: async (ref, query, signal) => followLogs({ mesh, clock, ownLines }, find(ref), query, signal),
  }
}

/** Runs `work` at the owner; when the service has moved away from there meanwhile, at the next one. */
export async function atOwner<T>(
  { mesh }: { readonly mesh: Pick<Mesh, 'members' | 'services'> },
  record: ServiceRecord,
  work: (record: ServiceRecord) => Promise<T>,
): Promise<T> {
  let at = record
  for (let hop = 1; ; hop += 1) {
    try {
      reachable(mesh, at.owner)
      return await work(at)
    } catch (error) {
      const known = mesh.services.get(record.id)
      const moved =
        error instanceof ShoalError && error.code === 'SERVICE_NOT_HERE' && known !== undefined && known.owner !== at.owner
      if (!moved || hop >= FORWARD_HOPS_MAX) throw error
      at = known
    }
  }
}

/** @throws ServiceError NODE_LOST when the node sends no sign of life: the question would only wait. */
function reachable(mesh: Pick<Mesh, 'members'>, id: NodeId): NodeId {
  const member = mesh.members().find(one => one.id === id)
  if (member?.state === 'lost') {
    throw new ServiceError('NODE_LOST', {
      what: `${member.name} has sent no sign of life for ${Math.round(member.ageMs / 1000)} s`,
      hint: '`shoal node inspect` shows what is known of it; try again when it is back',
    })
  }
  return id
}

function ask(
  { mesh }: Pick<RemoteServicesParts, 'mesh'>,
  node: NodeId,
  verb: 'run' | 'stop' | 'start' | 'remove',
  payload: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  return mesh.request(node, `service/${verb}`, payload, AbortSignal.any([signal, AbortSignal.timeout(FORWARD_DEADLINE_MS)]))
}

/** Waits, for a moment only, until this node's own view shows what the owner has answered: the next command then finds it. */
async function seen(parts: RemoteServicesParts, record: ServiceRecord, signal: AbortSignal): Promise<void> {
  const shows = (): boolean => {
    const known = parts.mesh.services.get(record.id)
    return (
      known !== undefined && (known.epoch > record.epoch || (known.epoch === record.epoch && known.counter >= record.counter))
    )
  }
  await until(parts, shows, record.id, signal)
}

async function until(
  { mesh, clock }: Pick<RemoteServicesParts, 'mesh' | 'clock'>,
  holds: () => boolean,
  id: ServiceId,
  signal: AbortSignal,
): Promise<void> {
  if (holds()) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(SEE_OWN_EFFECT_MS, resolve)
  const unsubscribe = mesh.services.onChange(record => {
    if (record.id === id && holds()) resolve()
  })
  signal.addEventListener('abort', () => resolve(), { once: true })
  await promise
  cancel()
  unsubscribe()
}

/** The spec that was asked for, with what was left out: a name from the image, `stateful`, no restart, no terminal. */
export function specOf(request: RunBody, newSuffix: () => string): ServiceSpec {
  const { name, type, image, args, env, restart, tty, profile } = request
  return {
    name: name ?? `${baseName(image)}-${newSuffix()}`,
    type: type ?? 'stateful',
    image,
    args: args ?? [],
    env: env ?? [],
    restart: restart ?? 'no',
    tty: tty ?? false,
    ...(profile === undefined ? {} : { profile }),
  }
}

/** `registry.example:5000/team/web:1.2` → `web`. */
function baseName(image: string): string {
  const last = image.replace(/@.*$/, '').split('/').at(-1) ?? image
  return (
    last
      .replace(/:.*$/, '')
      .replaceAll(/[^a-zA-Z0-9_.-]/g, '-')
      .slice(0, 40) || 'service'
  )
}
