// One node's services on a simulated engine, a simulated mesh and a clock that stands still: what the tests of services, API and CLI begin with.

import { answerServiceRequests, remoteServices, type RemoteServicesParts } from '../../daemon/remote-services.ts'
import type { ServiceActions } from '../../daemon/api/node-actions.ts'
import { serviceLines } from '../../daemon/service-logs.ts'
import type { ServiceNote } from '../../daemon/service-keeper.ts'
import { Services } from '../../daemon/services.ts'
import type { Role, ServiceSpec } from '../../placement/view.ts'
import { SimEngine } from './engine.ts'
import { ManualClock } from './manual-clock.ts'
import { type SimMesh, SimNet } from './mesh.ts'

export const MiB = 1024 ** 2

export interface SimNode {
  readonly mesh: SimMesh
  readonly engine: SimEngine
  readonly services: Services
  readonly actions: ServiceActions
  readonly notes: readonly ServiceNote[]
  /** The daemon falls and comes back: the engine and the registry are what they were. */
  restarted(): Promise<SimNode>
}

export interface SimWorld {
  readonly net: SimNet
  readonly clock: ManualClock
  readonly life: AbortController
  node(name: string, role?: Role): Promise<SimNode>
}

export function simWorld(): SimWorld {
  const net = new SimNet()
  const clock = new ManualClock()
  const life = new AbortController()
  let ids = 0
  const newId = (): string => {
    ids += 1
    return ids.toString(16).padStart(4, '0').repeat(8)
  }

  const start = async (mesh: SimMesh, engine: SimEngine): Promise<SimNode> => {
    const notes: ServiceNote[] = []
    const services = new Services({
      self: mesh.id,
      role: mesh.role,
      engine,
      registry: mesh.services,
      profiles: mesh.profiles,
      capacity: () => ({ cores: 4, ramBytes: 4096 * MiB, gpus: 0 }),
      mesh: () => 'mesh-1',
      clock,
      newId,
      tell: note => notes.push(note),
    })
    await services.load(life.signal)
    await services.start(() => false, life.signal)
    const recordOf = (id: string): ReturnType<SimMesh['services']['get']> => services.list().find(record => record.id === id)
    const source = { engine, clock, containerOf: (id: string) => services.containerOf(id), recordOf }
    const parts: RemoteServicesParts = {
      ...{ mesh, services, clock, life: life.signal, newSuffix: () => 'abcd' },
      ownLines: (request, signal) => serviceLines(source, request, mesh.name, signal),
    }
    answerServiceRequests(parts)
    const restarted = async (): Promise<SimNode> => {
      await services.stop()
      return start(mesh, engine)
    }
    return { mesh, engine, services, actions: remoteServices(parts), notes, restarted }
  }

  return {
    net,
    clock,
    life,
    node: (name, role) => {
      const engine = new SimEngine({
        images: [{ reference: 'web', layers: ['sha256:1'], ramBytes: 64 * MiB }],
        wallNow: () => clock.wallNow(),
      })
      return start(net.add(`id-of-${name}`, name, role), engine)
    },
  }
}

export const webSpec = (more: Partial<ServiceSpec> = {}): ServiceSpec => ({
  name: 'web',
  type: 'stateful',
  image: 'web',
  args: [],
  env: [],
  restart: 'no',
  tty: false,
  ...more,
})
