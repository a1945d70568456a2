// Engine and checkpointer of a simulated host: containers are values, a checkpoint is a number. Every call goes through `call`, which may be
// the daemon's last. For the tests of a move.

import type { CheckpointDriver } from './checkpoint/driver.ts'
import { MoveError } from './errors.ts'
import type { ContainerFacts, CopyRequest, MoveEngine } from './ports.ts'
import type { SimContainer, SimHost } from './simulated-host.ts'

export interface SimMachine {
  readonly host: SimHost
  readonly call: <T>(deed: () => T | Promise<T>) => Promise<T>
  readonly newContainerId: () => string
  readonly imagesOfAll: () => readonly string[]
  readonly cannotRestore: boolean
  readonly breach: (says: string) => void
}

const arch = process.arch === 'x64' ? 'amd64' : process.arch
const layers = [`sha256:${'a'.repeat(64)}`]

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += new TextDecoder().decode(chunk)
  return text
}
async function* only(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk
}

function factsOf(container: SimContainer): ContainerFacts {
  return {
    ...{ id: container.id, state: container.state, exitCode: null, hostname: 'source', tty: false, privileged: false },
    ...{ pidMode: '', ipcMode: 'private', networkMode: 'bridge', devices: [], mounts: [], upperDir: '/upper' },
  }
}

function created({ host, newContainerId }: SimMachine, request: CopyRequest): string {
  const id = newContainerId()
  const fresh = { move: request.moveId, state: 'created', memory: 0, layer: '', cut: false, armed: undefined } as const
  host.containers.set(id, { id, service: request.service, ...fresh })
  return id
}

export function simulatedEngine(machine: SimMachine): MoveEngine {
  const { host, call, imagesOfAll, cannotRestore } = machine
  const existing = (id: string): SimContainer => {
    const container = host.containers.get(id)
    if (container === undefined) throw new Error(`no container ${id}`)
    return container
  }
  return {
    inspect: id => call(() => (host.containers.has(id) ? factsOf(existing(id)) : undefined)),
    pause: id =>
      call(() => {
        if (existing(id).state === 'exited') throw new Error(`container ${id} is not running`)
        existing(id).state = 'paused'
      }),
    unpause: id => call(() => void (existing(id).state = 'running')),
    kill: id => call(() => void (host.containers.has(id) && (existing(id).state = 'exited'))),
    remove: id => call(() => void host.containers.delete(id)),
    createCopy: request => call(() => created(machine, request)),
    start: id =>
      call(() => {
        const container = existing(id)
        if (cannotRestore) throw new Error('criu failed: type RESTORE errno 0')
        container.memory = container.armed ?? 0
        container.armed = undefined
        container.state = 'running'
      }),
    findCopy: move => call(() => [...host.containers.values()].find(container => container.move === move)?.id),
    image: reference => call(() => (host.images.has(reference) ? { id: 'i', platform: `linux/${arch}`, layers } : undefined)),
    knownLayers: () => call(() => new Set(host.images.size === 0 ? [] : layers)),
    saveImage: () => only(new Uint8Array(1024)),
    loadImage: tar =>
      call(async () => {
        await textOf(tar)
        for (const image of imagesOfAll()) host.images.add(image)
        return 'Loaded image'
      }),
    removeImage: reference => call(() => void host.images.delete(reference)),
  }
}

export function simulatedDriver({ host, call, breach }: SimMachine): CheckpointDriver {
  const at = (facts: ContainerFacts): SimContainer => {
    const container = host.containers.get(facts.id)
    if (container === undefined) throw new Error(`no container ${facts.id}`)
    return container
  }
  const packed = (text: string) => ({ chunks: only(bytesOf(text)), atMostBytes: 1000 })
  return {
    ability: () => call(() => ({ criu: '4.2.1', cpuDigest: 'cpu' })),
    checkMovable: () => call(() => undefined),
    memoryBytes: () => call(() => 1000),
    checkRoom: () => call(() => undefined),
    cut: facts => call(() => void (at(facts).cut = true)),
    heal: facts => call(() => void (at(facts).cut = false)),
    checkpoint: (move, facts) =>
      call(() => {
        if (at(facts).state !== 'paused' || !at(facts).cut) breach('dumped what was not frozen and cut off')
        host.tmpfs.set(`out ${move}`, at(facts).memory)
      }),
    dumpEnded: () => call(() => undefined),
    packCheckpoint: move => call(() => packed(String(host.tmpfs.get(`out ${move}`)))),
    unpackCheckpoint: (move, chunks) => call(async () => void host.tmpfs.set(`in ${move}`, Number(await textOf(chunks)))),
    packLayer: facts => call(() => packed(at(facts).layer)),
    unpackLayer: (facts, { chunks }) => call(async () => void (at(facts).layer = await textOf(chunks))),
    discard: move => call(() => void host.tmpfs.delete(`out ${move}`)),
    arm: (move, id) =>
      call(() => {
        const container = host.containers.get(id)
        if (container !== undefined) container.armed = host.tmpfs.get(`in ${move}`)
      }),
    restoredAtWallMs: () => call(() => null),
    restoreFailure: (_, cause) =>
      call(() => new MoveError('MOVE_RESTORE_FAILED', { what: String(cause), hint: 'see restore.log' })),
    discardRestore: move => call(() => void host.tmpfs.delete(`in ${move}`)),
  }
}
