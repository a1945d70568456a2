// The source's deeds: performs each effect of source-machine.ts through the ports, and keeps what must be told of the move afterwards
// (phases, bytes, clock offset). Made by mover.ts, one per attempt, or per recovered move.

import { clockOffset, downtime } from './clock-offset.ts'
import type { ClockOffset, PingSample } from './clock-offset.ts'
import type { CheckpointDriver } from './checkpoint/driver.ts'
import { MoveError } from './errors.ts'
import type { MoveFacts } from './journal.ts'
import { LIMITS } from './limits.ts'
import type { MoveBytes, MovePhase, MovePhaseName } from './move-record.ts'
import { askTarget, dialTarget, publishedByTarget } from './outcome-question.ts'
import type { ContainerFacts, ImageFacts, MoverPorts } from './ports.ts'
import { MOVE_VERSION, serviceToWire } from './protocol.ts'
import type { Message, SectionName } from './protocol.ts'
import type { SourceEffect, SourceEvent } from './source-machine.ts'
import type { Tickets } from './move-tickets.ts'
import { moveChannel, refusalOf } from './transfer/channel.ts'
import type { MoveChannel } from './transfer/channel.ts'
import { partialImage } from './transfer/images.ts'
import { pause as waitFor } from './within.ts'
import type { Millis } from '../placement/view.ts'

export interface SourceParts {
  readonly ports: MoverPorts
  readonly driver: CheckpointDriver
  readonly move: string
  readonly facts: MoveFacts
  readonly strategy: string
  readonly reason: string
  /** One service of this node is frozen at a time: two at once would each be frozen twice as long. */
  readonly freezeLane: Tickets
  /** Called when a phase, a byte count or the peer's load became known. */
  readonly onProgress: () => void
}

/** What was measured. Grows while the effects are performed. */
export interface SourceMeasures {
  phases: MovePhase[]
  bytes: { -readonly [K in keyof MoveBytes]: MoveBytes[K] }
  downtimeMs: Millis | null
  errorMs: Millis | null
  /** The target's fresh load, from its answer to the offer. */
  peerLoad: unknown
}

export interface SourceSide {
  readonly measures: SourceMeasures
  perform(effect: SourceEffect, signal: AbortSignal): Promise<SourceEvent | undefined>
  /** Ends the stream; harmless when there is none. */
  close(): Promise<void>
}

const phaseOf: Readonly<Partial<Record<SourceEffect['do'], MovePhaseName>>> = {
  'measure-offset': 'prepare',
  'check-again': 'prepare',
  pause: 'freeze',
  cut: 'freeze',
  checkpoint: 'checkpoint',
  heal: 'thaw',
  unpause: 'thaw',
  kill: 'release',
  remove: 'release',
}

export function sourceSide(parts: SourceParts): SourceSide {
  return new SourceDeeds(parts)
}

class SourceDeeds implements SourceSide {
  readonly measures: SourceMeasures = {
    phases: [],
    bytes: { image: 0, layer: 0, checkpoint: 0 },
    downtimeMs: null,
    errorMs: null,
    peerLoad: null,
  }
  readonly #parts: SourceParts
  #channel: MoveChannel | undefined
  #container: ContainerFacts | undefined
  #image: ImageFacts | undefined
  #memoryBytes = 0
  #missing: readonly string[] | null = null
  #offset: ClockOffset | null = null
  #freeze: { readonly askedMs: Millis; readonly answeredMs: Millis } | undefined
  #listeningFor: MovePhaseName = 'offer'
  #leaveLane: () => void = () => undefined

  constructor(parts: SourceParts) {
    this.#parts = parts
  }

  async perform(effect: SourceEffect, signal: AbortSignal): Promise<SourceEvent | undefined> {
    const { clock } = this.#parts.ports
    const startedMs = clock.now()
    try {
      return await this.#do(effect, signal)
    } finally {
      // After the freeze there is one thing to listen for, the target's word; a target that stays silent must not hold up other moves.
      if (effect.do === 'listen') this.#leaveLane()
      const name = this.#phase(effect)
      if (name !== undefined) this.#spent(name, clock.now() - startedMs)
    }
  }

  async close(): Promise<void> {
    this.#leaveLane()
    // The peer may be gone already: then there is nothing to close.
    await this.#channel?.close().catch(() => undefined)
  }

  #phase(effect: SourceEffect): MovePhaseName | undefined {
    if (effect.do === 'listen' || effect.do === 'send') return this.#listeningFor
    if (effect.do === 'section') return effect.name === 'image' ? 'prepare' : 'transfer'
    return phaseOf[effect.do]
  }

  /** Effects of one phase add up to one line. */
  #spent(name: MovePhaseName, ms: Millis): void {
    const { phases } = this.measures
    const before = phases.find(phase => phase.name === name)
    const rest = phases.filter(phase => phase.name !== name)
    this.measures.phases = [...rest, { name, ms: Math.round(((before?.ms ?? 0) + ms) * 10) / 10 }]
    this.#parts.onProgress()
  }

  async #do(effect: SourceEffect, signal: AbortSignal): Promise<SourceEvent | undefined> {
    const { ports, driver, move, facts } = this.#parts
    const { engine, services } = ports
    const service = facts.service.id
    switch (effect.do) {
      case 'journal':
        await ports.journal.append({ side: 'source', move, step: effect.step, facts, wallMs: ports.clock.wallNow() })
        return undefined
      case 'check':
        return this.#check(signal)
      case 'check-again':
        return this.#checkAgain(signal)
      case 'mark':
        await (effect.as === 'moving' ? services.markMoving(service, move) : services.letGo(service, move, facts.to))
        return undefined
      case 'mark-kept':
        await services.markKept(service, move, effect.reason)
        return undefined
      case 'send':
        return this.#send(effect.message, signal)
      case 'send-cancel':
        await this.#channel?.tell({ kind: 'cancel', ...effect.error }, signal)
        return undefined
      case 'listen':
        return this.#understood(await this.#open().next(effect.ms, signal))
      case 'measure-offset':
        return this.#measureOffset(signal)
      case 'pause':
        return this.#pause(signal)
      case 'cut':
        await driver.cut(this.#known(), signal)
        return undefined
      case 'checkpoint':
        await driver.checkpoint(move, this.#known(), signal)
        return undefined
      case 'section':
        return this.#section(effect.name, signal)
      case 'heal':
        return this.#heal(signal)
      case 'unpause':
        return this.#unpause(signal)
      case 'discard':
        await driver.discard(move)
        return undefined
      case 'kill':
        await engine.kill(this.#containerId(), signal)
        return undefined
      case 'remove':
        await engine.remove(this.#containerId(), signal)
        return undefined
      case 'wait':
        await waitFor(ports.clock, effect.ms, signal)
        return undefined
      case 'ask':
        return this.#ask(signal)
    }
  }

  #containerId(): string {
    const id = this.#parts.facts.containerId
    if (id === null) throw notMovable(this.#parts.facts.service.spec.name, 'has no container here')
    return id
  }

  #known(): ContainerFacts {
    if (this.#container === undefined) throw notMovable(this.#parts.facts.service.spec.name, 'was not looked at yet')
    return this.#container
  }

  #open(): MoveChannel {
    if (this.#channel === undefined)
      throw new MoveError('MOVE_PEER_LOST', { what: 'there is no stream to the target', hint: 'move again' })
    return this.#channel
  }

  async #running(signal: AbortSignal): Promise<ContainerFacts> {
    const name = this.#parts.facts.service.spec.name
    const container = await this.#parts.ports.engine.inspect(this.#containerId(), signal)
    if (container === undefined) throw notMovable(name, 'has no container any more')
    if (container.state !== 'running') throw notMovable(name, `is ${container.state}`)
    return container
  }

  async #check(signal: AbortSignal): Promise<undefined> {
    const { ports, driver, facts } = this.#parts
    const container = await this.#running(signal)
    await driver.checkMovable(container, signal)
    const image = await ports.engine.image(facts.service.spec.image, signal)
    if (image === undefined) {
      throw new MoveError('MOVE_IMAGE_MISSING', {
        what: `the image ${facts.service.spec.image} of ${facts.service.spec.name} is not on this node any more`,
        hint: 'load or build the image here again, under the same name',
      })
    }
    const memoryBytes = await driver.memoryBytes(container, signal)
    await driver.checkRoom(memoryBytes, signal)
    this.#container = container
    this.#image = image
    this.#memoryBytes = memoryBytes
    return undefined
  }

  /** In its turn to freeze: what is checked here is frozen next. */
  async #checkAgain(signal: AbortSignal): Promise<undefined> {
    this.#leaveLane = await this.#parts.freezeLane.take(signal)
    try {
      await this.#parts.driver.checkMovable(await this.#running(signal), signal)
    } catch (error) {
      this.#leaveLane()
      throw error
    }
    return undefined
  }

  async #offer(signal: AbortSignal): Promise<Message> {
    const { ports, driver, move, facts, strategy, reason } = this.#parts
    const ability = await driver.ability(signal)
    const use = ports.useOf(facts.service.id)
    return {
      kind: 'offer',
      v: MOVE_VERSION,
      move,
      service: serviceToWire(facts.service),
      mode: facts.mode,
      strategy,
      reason: reason.slice(0, LIMITS.textChars),
      hostname: this.#known().hostname,
      memoryBytes: Math.max(Math.round(use.memoryBytes), this.#memoryBytes),
      cpuCores: use.cpuCores,
      image: { platform: this.#image?.platform ?? '', layers: [...(this.#image?.layers ?? [])] },
      criu: ability.criu,
      cpuDigest: ability.cpuDigest,
    }
  }

  async #send(message: 'offer' | 'prepare' | 'hand-over', signal: AbortSignal): Promise<undefined> {
    const { ports, facts } = this.#parts
    switch (message) {
      case 'offer': {
        const offer = await this.#offer(signal)
        this.#channel = moveChannel(await dialTarget(this.#parts, signal), ports.clock)
        await this.#channel.send(offer, signal)
        return undefined
      }
      case 'prepare':
        this.#listeningFor = 'prepare'
        await this.#open().send({ kind: 'prepare', memoryBytes: this.#memoryBytes }, signal)
        return undefined
      case 'hand-over':
        this.#listeningFor = 'restore'
        await this.#open().send({ kind: 'hand-over' }, signal)
        return undefined
      default:
        throw new MoveError('MOVE_BAD_MESSAGE', {
          what: `no such message to ${facts.to}: ${String(message)}`,
          hint: 'report this',
        })
    }
  }

  /** The peer's word as an event. */
  #understood(message: Message): SourceEvent {
    switch (message.kind) {
      case 'accepted':
        this.measures.peerLoad = message.load
        this.#missing = message.missing
        return { on: 'accepted', imageMissing: message.missing !== null }
      case 'refused':
        this.measures.peerLoad = message.load
        return { on: 'refused', error: { code: message.code, what: message.what, hint: message.hint } }
      case 'prepared':
        return { on: 'prepared' }
      case 'committed':
        this.#ran(message.ranAtMs)
        return { on: 'committed' }
      case 'aborted':
        return { on: 'aborted', error: { code: message.code, what: message.what, hint: message.hint } }
      case 'undecided':
        return { on: 'undecided' }
      default:
        throw refusalOf(this.#parts.facts.to, message)
    }
  }

  #ran(ranAtMs: Millis | null): void {
    if (ranAtMs === null || this.#offset === null || this.#freeze === undefined) return
    const stretch = { freezeAskedMs: this.#freeze.askedMs, frozenMs: this.#freeze.answeredMs, ranAtMs, offset: this.#offset }
    Object.assign(this.measures, downtime(stretch))
  }

  async #measureOffset(signal: AbortSignal): Promise<undefined> {
    const { clock } = this.#parts.ports
    const samples: PingSample[] = []
    for (let n = 0; n < LIMITS.pings; n++) {
      const sentMs = clock.now()
      await this.#open().send({ kind: 'ping', n }, signal)
      const answer = await this.#open().next(LIMITS.offerMs, signal)
      if (answer.kind !== 'pong' || answer.n !== n) throw refusalOf(this.#parts.facts.to, answer)
      samples.push({ sentMs, peerMs: answer.atMs, backMs: clock.now() })
    }
    this.#offset = clockOffset(samples)
    return undefined
  }

  async #pause(signal: AbortSignal): Promise<undefined> {
    const { engine, clock } = this.#parts.ports
    const askedMs = clock.now()
    await engine.pause(this.#containerId(), signal)
    this.#freeze = { askedMs, answeredMs: clock.now() }
    return undefined
  }

  async #section(name: SectionName, signal: AbortSignal): Promise<undefined> {
    const { ports, driver, move, facts } = this.#parts
    const outgoing = async () => {
      switch (name) {
        case 'image': {
          const image = ports.engine.saveImage(facts.service.spec.image, signal)
          return { chunks: partialImage(image, this.#image?.layers ?? [], this.#missing ?? []), atMostBytes: LIMITS.imageBytes }
        }
        case 'layer':
          return driver.packLayer(this.#known(), signal)
        case 'checkpoint':
          return driver.packCheckpoint(move, signal)
      }
    }
    const receipt = await this.#open().sendSection({ name, ...(await outgoing()) }, signal)
    this.measures.bytes[name] = receipt.bytes
    return undefined
  }

  /** After a crash the container is not known yet; one that is gone needs no healing, and `unpause` says so. */
  async #heal(signal: AbortSignal): Promise<undefined> {
    const container = await this.#parts.ports.engine.inspect(this.#containerId(), signal)
    if (container !== undefined && container.state !== 'exited') await this.#parts.driver.heal(container, signal)
    return undefined
  }

  async #unpause(signal: AbortSignal): Promise<undefined> {
    const { ports, driver, move, facts } = this.#parts
    // A dump may have outlived the daemon that started it; thawing beneath it would spoil the program.
    await driver.dumpEnded(move, signal)
    const container = await ports.engine.inspect(this.#containerId(), signal)
    // It ended by itself in the moment before the freeze: nothing was frozen, so nothing is lost. After a crash that cannot be told.
    if (container?.state === 'exited' && this.#container !== undefined && this.#freeze === undefined) return undefined
    if (container === undefined || container.state === 'exited' || container.state === 'created') {
      throw new MoveError('MOVE_LOST', {
        what: `the frozen copy of ${facts.service.spec.name} is ${container === undefined ? 'gone' : container.state}: its memory is lost`,
        hint: 'was this host or its engine restarted during the move? Start the service again',
      })
    }
    await ports.engine.unpause(container.id, signal)
    return undefined
  }

  async #ask(signal: AbortSignal): Promise<SourceEvent> {
    // The hand-over may not have reached the listening that gives the lane back.
    this.#leaveLane()
    if (publishedByTarget(this.#parts)) return { on: 'committed' }
    return this.#understood(await askTarget(this.#parts, signal))
  }
}

const notMovable = (name: string, state: string): MoveError =>
  new MoveError('MOVE_NOT_MOVABLE', {
    what: `${name} ${state}`,
    hint: 'only a running service moves with its memory: start it first',
  })
