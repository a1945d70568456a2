// The engine as a move uses it: migrate/'s port over the daemon's own. Adds what only the daemon knows: the labels of our containers and
// the limits a service gets on this node. Built by compose.ts.

import type { MoveEngine } from '../migrate/ports.ts'
import type { ServiceRecord } from '../placement/view.ts'
import { containerPlan } from './container-plan.ts'
import type { Engine, Limits } from './engine.ts'

export interface MoveEngineParts {
  readonly engine: Engine
  /** Id of the mesh this node is a member of, for the container's label. */
  readonly mesh: () => string
  /** The limits of the profile in force, resolved against this node's capacity. */
  readonly limitsOf: (record: ServiceRecord) => Limits
}

/** The port of {@link MoveEngine}: everything goes to the engine as it is, but the copy's creation and its finding. */
export function moveEngine({ engine, mesh, limitsOf }: MoveEngineParts): MoveEngine {
  return {
    inspect: (id, signal) => engine.inspect(id, signal),
    pause: (id, signal) => engine.pause(id, signal),
    unpause: (id, signal) => engine.unpause(id, signal),
    kill: (id, signal) => engine.kill(id, signal),
    remove: (id, signal) => engine.remove(id, signal),
    start: (id, signal) => engine.start(id, signal),
    image: (reference, signal) => engine.image(reference, signal),
    knownLayers: signal => engine.knownLayers(signal),
    saveImage: (reference, signal) => engine.saveImage(reference, signal),
    loadImage: (tar, signal) => engine.loadImage(tar, signal),
    removeImage: (reference, signal) => engine.removeImage(reference, signal),

    createCopy: ({ service, moveId, hostname, runtime }, signal) =>
      engine.create(
        containerPlan({
          record: service,
          mesh: mesh(),
          limits: limitsOf(service),
          epoch: service.epoch + 1,
          hostname,
          move: moveId,
          ...(runtime === undefined ? {} : { runtime }),
        }),
        signal,
      ),

    async findCopy(moveId, signal) {
      const containers = await engine.list(signal)
      return containers.find(container => container.marks?.move === moveId)?.id
    },
  }
}
