// One host of a simulated world: what outlives its daemon (containers, disk, tmpfs), and the daemon of the moment. For the tests of a move.

import type { JournalEntry } from './journal.ts'
import type { MoveRecord } from './move-record.ts'
import type { Mover } from './mover.ts'
import type { ContainerFacts } from './ports.ts'
import type { NodeId, ServiceRecord } from '../placement/view.ts'

export interface SimContainer {
  readonly id: string
  readonly service: ServiceRecord
  readonly move: string | undefined
  state: ContainerFacts['state']
  /** Grows whenever it runs; stands for all of its memory. */
  memory: number
  layer: string
  cut: boolean
  armed: number | undefined
}

export class SimHost {
  readonly id: NodeId
  readonly containers = new Map<string, SimContainer>()
  readonly journal: JournalEntry[] = []
  readonly records = new Map<string, MoveRecord>()
  readonly owned = new Map<string, string>()
  readonly moving = new Map<string, string>()
  readonly tmpfs = new Map<string, number>()
  readonly reserved = new Set<string>()
  readonly images = new Set<string>()
  /** Records this node heard of that the rest of the world has not. */
  readonly heard = new Map<string, ServiceRecord>()
  life = -1
  calls = 0
  mover: Mover | undefined
  alive = false

  constructor(id: NodeId) {
    this.id = id
  }
}
