// Watches the engines from outside: every line a service's container prints and every life event, from this machine through the engines'
// own sockets, never through Shoal. What the judges (judges.ts) read; also written to the evidence folder.

import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { PassThrough, Readable } from 'node:stream'
import type { LabNode } from '../lab/node.ts'
import type { LifeEvent, LogLine } from './judges.ts'

const lifeActions = new Set(['start', 'pause', 'unpause', 'die'])

interface EngineEvent {
  readonly Action: string
  readonly timeNano: number
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> }
}

/** One recorder for all nodes; `await using` ends it. Lines and events are in the order they arrived. */
export class EvidenceRecorder implements AsyncDisposable {
  readonly folder: string
  readonly lines: LogLine[] = []
  readonly events: LifeEvent[] = []
  readonly #ends: (() => void)[] = []
  readonly #pending = new Set<Promise<void>>()

  constructor(folder: string) {
    this.folder = folder
  }

  /** Watches one node's engine from now on. */
  async watch(node: LabNode): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    const stream = await node.docker.getEvents({ filters: { type: ['container'], label: ['shoal.service'] } })
    this.#read(stream).on('line', line => this.#take(node, JSON.parse(line)))
  }

  #take(node: LabNode, event: EngineEvent): void {
    const service = event.Actor.Attributes['shoal.service'] ?? ''
    if (event.Action === 'start') this.#track(this.#follow(node, service, event.Actor.ID))
    if (!lifeActions.has(event.Action)) return
    const life: LifeEvent = {
      node: node.name,
      service,
      container: event.Actor.ID,
      action: event.Action,
      atMs: event.timeNano / 1e6,
    }
    this.events.push(life)
    this.#track(appendFile(join(this.folder, 'events.ndjson'), `${JSON.stringify(life)}\n`))
  }

  async #follow(node: LabNode, service: string, container: string): Promise<void> {
    const raw = await node.docker.getContainer(container).logs({ follow: true, stdout: true, stderr: true })
    const plain = new PassThrough()
    node.docker.modem.demuxStream(raw, plain, plain)
    raw.once('end', () => plain.end())
    const reader = this.#read(raw, plain)
    const file = join(this.folder, `${node.name}-${container.slice(0, 12)}.log`)
    for await (const line of reader) {
      this.lines.push({ node: node.name, service, container, line })
      await appendFile(file, `${line}\n`)
    }
  }

  /** Reads `plain` by lines; the engine's stream behind it ends with this recorder, else its socket would keep the process alive. */
  #read(stream: NodeJS.ReadableStream, plain: NodeJS.ReadableStream = stream): Interface {
    const reader = createInterface({ input: plain })
    this.#ends.push(() => {
      reader.close()
      if (stream instanceof Readable) stream.destroy()
    })
    return reader
  }

  #track(work: Promise<void>): void {
    const settled = work.catch((error: unknown) => console.error('evidence:', error)).finally(() => this.#pending.delete(settled))
    this.#pending.add(settled)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends) end()
    await Promise.allSettled(this.#pending)
  }
}
