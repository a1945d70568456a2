// The target's deeds: performs each effect of target-machine.ts through the ports. Made by mover.ts, one per accepted stream, or per
// recovered move (then without a stream: whoever wants to know asks).

import type { CheckpointDriver, PackedBytes } from './checkpoint/driver.ts'
import { MoveError, PeerRefusal } from './errors.ts'
import type { MoveFacts } from './journal.ts'
import { LIMITS } from './limits.ts'
import type { MoveBytes } from './move-record.ts'
import type { ContainerFacts, MoverPorts } from './ports.ts'
import type { Message, MessageOf, SectionName } from './protocol.ts'
import type { TargetEffect, TargetEvent } from './target-machine.ts'
import type { MoveChannel } from './transfer/channel.ts'
import { refusalOf } from './transfer/channel.ts'
import { missingLayers, sameLayers } from './transfer/image-layers.ts'
import { fits } from './fits.ts'
import { pause as waitFor } from './within.ts'
import type { Millis, ServiceRecord } from '../placement/view.ts'

export interface TargetParts {
  readonly ports: MoverPorts
  readonly driver: CheckpointDriver
  readonly move: string
  readonly facts: MoveFacts
  /** Both undefined for a move that is recovered. */
  readonly channel: MoveChannel | undefined
  readonly offer: MessageOf<'offer'> | undefined
  readonly onProgress: () => void
}

export interface TargetSide {
  readonly bytes: MoveBytes
  /** Our monotonic clock when the copy ran, once it did and this daemon saw it. */
  readonly ranAtMs: Millis | null
  perform(effect: TargetEffect, signal: AbortSignal): Promise<TargetEvent | undefined>
}

/** The record under which this node owns the service from the commit on. */
export const ownedHere = (facts: MoveFacts): ServiceRecord => ({
  ...facts.service,
  owner: facts.to,
  epoch: facts.service.epoch + 1,
  counter: 0,
  state: 'running',
  reason: '',
  deleted: false,
})

export function targetSide(parts: TargetParts): TargetSide {
  return new TargetDeeds(parts)
}

class TargetDeeds implements TargetSide {
  readonly bytes: { -readonly [K in keyof MoveBytes]: MoveBytes[K] } = { image: 0, layer: 0, checkpoint: 0 }
  ranAtMs: Millis | null = null
  readonly #parts: TargetParts
  #restoreMs: Millis | null = null
  #load: unknown = null
  #memoryBytes = 0
  #containerId: string | undefined
  #copy: ContainerFacts | undefined
  #announced: MessageOf<'section'> | undefined

  constructor(parts: TargetParts) {
    this.#parts = parts
    this.#memoryBytes = parts.offer?.memoryBytes ?? 0
  }

  async perform(effect: TargetEffect, signal: AbortSignal): Promise<TargetEvent | undefined> {
    const { ports, driver, move, facts } = this.#parts
    switch (effect.do) {
      case 'journal':
        await ports.journal.append({ side: 'target', move, step: effect.step, facts, wallMs: ports.clock.wallNow() })
        return undefined
      case 'admit':
        return this.#admit(signal)
      case 'send':
        await this.#send(effect.message, signal)
        return undefined
      case 'send-refused':
        await this.#tell({ kind: 'refused', ...effect.error, load: this.#load }, signal)
        return undefined
      case 'send-committed':
        await this.#tell(this.committed(), signal)
        return undefined
      case 'send-aborted':
        await this.#tell({ kind: 'aborted', ...effect.error }, signal)
        return undefined
      case 'listen':
        return this.#understood(await this.#open().next(effect.ms, signal))
      case 'receive':
        return this.#receive(effect.name, signal)
      case 'verify-image':
        await this.#verifyImage(signal)
        return undefined
      case 'create-copy':
        await this.#createCopy(signal)
        return undefined
      case 'arm':
        await driver.arm(move, this.#created().id, signal)
        return undefined
      case 'start':
        await this.#start(signal)
        return undefined
      case 'look':
        return this.#look(signal)
      case 'take-over':
        await this.#takeOver(signal)
        return undefined
      case 'remove-copy': {
        const id = await ports.engine.findCopy(move, signal)
        if (id !== undefined) await ports.engine.remove(id, signal)
        this.#containerId ??= id
        return undefined
      }
      case 'discard':
        await driver.discardRestore(move, this.#containerId)
        return undefined
      case 'settle':
        ports.admission.settle(move, effect.how)
        return undefined
      case 'wait':
        await waitFor(ports.clock, effect.ms, signal)
        return undefined
      default:
        return unreachable(effect)
    }
  }

  /** What is said of a committed move, now and to whoever asks later. */
  committed(): MessageOf<'committed'> {
    return { kind: 'committed', epoch: ownedHere(this.#parts.facts).epoch, ranAtMs: this.ranAtMs, restoreMs: this.#restoreMs }
  }

  #open(): MoveChannel {
    const { channel } = this.#parts
    if (channel === undefined)
      throw new MoveError('MOVE_PEER_LOST', { what: 'there is no stream to the source', hint: 'it will ask' })
    return channel
  }

  /** A word the source can also ask for: a broken stream is no failure here. */
  async #tell(message: Message, signal: AbortSignal): Promise<void> {
    await this.#parts.channel?.tell(message, signal)
  }

  #offer(): MessageOf<'offer'> {
    const { offer } = this.#parts
    if (offer === undefined)
      throw new MoveError('MOVE_RESTARTED', { what: 'the offer is not known any more', hint: 'move again' })
    return offer
  }

  async #admit(signal: AbortSignal): Promise<TargetEvent> {
    const { ports, driver, move, facts } = this.#parts
    const offer = this.#offer()
    const ability = await driver.ability(signal)
    fits(offer, ability)
    await driver.checkRoom(offer.memoryBytes, signal)
    const answer = await ports.admission.admit(
      {
        moveId: move,
        from: facts.from,
        service: facts.service,
        mode: facts.mode,
        memoryBytes: offer.memoryBytes,
        cpuCores: offer.cpuCores,
        reason: offer.reason,
      },
      signal,
    )
    this.#load = answer.load
    return answer.admitted
      ? { on: 'admitted' }
      : { on: 'refused', error: { code: answer.code, what: answer.what, hint: answer.hint } }
  }

  async #send(message: 'accepted' | 'prepared', signal: AbortSignal): Promise<void> {
    if (message === 'prepared') return this.#open().send({ kind: 'prepared' }, signal)
    const { engine } = this.#parts.ports
    const wanted = this.#offer().image.layers
    const here = await engine.image(this.#parts.facts.service.spec.image, signal)
    const missing =
      here !== undefined && sameLayers(here.layers, wanted) ? null : missingLayers(wanted, await engine.knownLayers(signal))
    return this.#open().send({ kind: 'accepted', load: this.#load, missing }, signal)
  }

  /** The source's word as an event. */
  #understood(message: Message): TargetEvent {
    switch (message.kind) {
      case 'section':
        this.#announced = message
        return { on: 'section', name: message.name }
      case 'prepare':
        this.#memoryBytes = message.memoryBytes
        return { on: 'prepare' }
      case 'hand-over':
        return { on: 'hand-over' }
      case 'cancel':
        return { on: 'cancelled', error: { code: message.code, what: message.what, hint: message.hint } }
      default:
        throw refusalOf(this.#parts.facts.from, message)
    }
  }

  async #receive(name: SectionName, signal: AbortSignal): Promise<TargetEvent> {
    const announced = this.#announced
    if (announced === undefined || announced.name !== name)
      throw new PeerRefusal({ peer: this.#parts.facts.from }, outOfTurn(name))
    const cap = sectionCap[name]
    if (announced.atMostBytes > cap) {
      throw new MoveError('MOVE_TOO_LARGE', {
        what: `the ${name} section is announced with up to ${announced.atMostBytes} bytes, ${cap} may be`,
        hint: 'a service of this size cannot be moved',
      })
    }
    const receipt = await this.#open().receiveSection(
      announced,
      chunks => this.#consume(name, { chunks, atMostBytes: announced.atMostBytes }, signal),
      signal,
    )
    this.bytes[name] = receipt.bytes
    this.#parts.onProgress()
    return { on: 'received', name }
  }

  async #consume(name: SectionName, section: PackedBytes, signal: AbortSignal): Promise<void> {
    const { ports, driver, move } = this.#parts
    switch (name) {
      case 'image':
        await ports.engine.loadImage(section.chunks, signal)
        return
      case 'layer':
        await driver.unpackLayer(this.#created(), section, signal)
        return
      case 'checkpoint':
        await driver.unpackCheckpoint(move, section.chunks, signal)
        return
      default:
        unreachable(name)
    }
  }

  async #verifyImage(signal: AbortSignal): Promise<void> {
    const { ports, facts } = this.#parts
    const reference = facts.service.spec.image
    const wanted = this.#offer().image
    const image = await ports.engine.image(reference, signal)
    if (image !== undefined && sameLayers(image.layers, wanted.layers)) return
    throw new MoveError('MOVE_IMAGE_BROKEN', {
      what: `the image ${reference} has ${image?.layers.length ?? 0} layers here, ${wanted.layers.length} on the source, and they differ`,
      hint: `remove ${reference} on the target and move again`,
    })
  }

  async #createCopy(signal: AbortSignal): Promise<void> {
    const { ports, driver, move, facts } = this.#parts
    await driver.checkRoom(this.#memoryBytes, signal)
    const request = { service: facts.service, moveId: move, hostname: this.#offer().hostname, runtime: 'shoal' }
    this.#containerId = await ports.engine.createCopy(request, signal)
    this.#copy = await ports.engine.inspect(this.#containerId, signal)
    this.#created()
  }

  #created(): ContainerFacts {
    if (this.#copy === undefined) {
      throw new MoveError('MOVE_ENGINE_FAILED', {
        what: 'the copy was created and is not there',
        hint: 'see the log of the engine',
      })
    }
    return this.#copy
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { ports, driver } = this.#parts
    const { id } = this.#created()
    const startedMs = ports.clock.now()
    try {
      await ports.engine.start(id, signal)
    } catch (cause) {
      throw await driver.restoreFailure(id, cause)
    }
    const answeredMs = ports.clock.now()
    const wallMs = await driver.restoredAtWallMs(id)
    const agoMs = wallMs === null ? 0 : Math.max(0, ports.clock.wallNow() - wallMs)
    this.ranAtMs = wallMs === null ? answeredMs : Math.max(startedMs, ports.clock.now() - agoMs)
    this.#restoreMs = this.ranAtMs - startedMs
  }

  async #look(signal: AbortSignal): Promise<TargetEvent> {
    const { ports, move } = this.#parts
    const id = await ports.engine.findCopy(move, signal)
    // Waits for a start that outlived the daemon.
    const copy = id === undefined ? undefined : await ports.engine.inspect(id, signal)
    this.#containerId = id
    return { on: copy?.state === 'running' || copy?.state === 'paused' ? 'copy-runs' : 'copy-does-not-run' }
  }

  async #takeOver(signal: AbortSignal): Promise<void> {
    const { ports, move, facts } = this.#parts
    const id = this.#containerId ?? (await ports.engine.findCopy(move, signal))
    this.#containerId = id
    if (id === undefined)
      throw new MoveError('MOVE_ENGINE_FAILED', { what: 'the copy that ran is gone', hint: 'see the log of the engine' })
    await ports.services.takeOver(ownedHere(facts), id)
  }
}

const sectionCap: Readonly<Record<SectionName, number>> = {
  image: LIMITS.imageBytes,
  layer: LIMITS.layerBytes,
  checkpoint: LIMITS.checkpointBytes,
}

const outOfTurn = (name: SectionName) => ({
  code: 'MOVE_BAD_MESSAGE',
  what: `the source sent the ${name} section out of turn`,
  hint: 'update Shoal on both nodes to the same version',
})

function unreachable(value: never): never {
  throw new MoveError('MOVE_BAD_MESSAGE', {
    what: `unknown: ${JSON.stringify(value)}`,
    hint: 'report this: it is a bug in Shoal',
  })
}
