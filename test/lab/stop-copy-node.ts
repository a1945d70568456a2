// A node of stop-copy.lab.ts: the real mover, driver, shim and engine, without a mesh. Peers are addresses, a move's stream is plain TCP, the
// journal is a file. Bundled by the test and started in each inner node: `node stop-copy-node.mjs NAME NAME=ADDRESS…`. Answers on a unix socket.

import { appendFileSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { DockerEngine } from '../../daemon/docker-engine.ts'
import { moveEngine } from '../../daemon/move-engine.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { runCommand } from '../../migrate/checkpoint/command.ts'
import { probeNode } from '../../migrate/checkpoint/probe.ts'
import { runcCriuDriver } from '../../migrate/checkpoint/runc-criu.ts'
import type { JournalEntry } from '../../migrate/journal.ts'
import { createMover } from '../../migrate/mover.ts'
import type { MoveStream } from '../../migrate/ports.ts'
import type { ServiceRecord } from '../../placement/view.ts'

const [self = '', ...others] = process.argv.slice(2)
const addresses = new Map(others.map(pair => pair.split('=', 2) as [string, string]))
const folder = '/var/lib/stop-copy'
const streamPort = 4800
const life = new AbortController()
mkdirSync(folder, { recursive: true })
mkdirSync('/run/shoal', { recursive: true })

/** A list kept as one JSON value a line; `append` is durable when it returns. */
function lines<T>(name: string): { append: (value: T) => void; all: () => T[]; rewrite: (values: readonly T[]) => void } {
  const path = `${folder}/${name}`
  const all = (): T[] =>
    (existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []).map(line => JSON.parse(line) as T)
  return {
    all,
    append: value => {
      const file = openSync(path, 'a')
      appendFileSync(file, `${JSON.stringify(value)}\n`)
      fsyncSync(file)
      closeSync(file)
    },
    rewrite: values => writeFileSync(path, values.map(value => `${JSON.stringify(value)}\n`).join('')),
  }
}

const journal = lines<JournalEntry>('journal')
const owned = lines<{ record: ServiceRecord; containerId: string }>('owned')
const ownedNow = (id: string) => owned.all().findLast(each => each.record.id === id)
const forget = (id: string) => owned.rewrite(owned.all().filter(each => each.record.id !== id))

function streamOf(socket: Socket, peer: string, first: Buffer): MoveStream {
  async function* incoming(): AsyncGenerator<Uint8Array> {
    if (first.length > 0) yield first
    for await (const chunk of socket) yield chunk as Uint8Array
  }
  return {
    peer,
    incoming: incoming(),
    write: chunk =>
      new Promise((resolve, reject) => {
        socket.write(chunk, error => (error ? reject(error) : resolve()))
      }),
    closeWrite: async () => void socket.end(),
    abort: () => void socket.resetAndDestroy(),
  }
}

const engine = new DockerEngine({ socketPath: '/run/docker.sock', clock: systemClock })
const probe = await probeNode(runCommand, '/usr/local/lib/shoal/shoal-runtime', life.signal)
const limits = { cores: null, ramBytes: null }
const mover = createMover(
  {
    self,
    clock: systemClock,
    newId: () => `m-${randomBytes(6).toString('hex')}`,
    random: () => 0.5,
    open: peer =>
      new Promise((resolve, reject) => {
        const socket = connect(streamPort, addresses.get(peer) ?? '')
        socket.setNoDelay(true)
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.write(`${self}\n`)
          resolve(streamOf(socket, peer, Buffer.alloc(0)))
        })
      }),
    engine: moveEngine({ engine, mesh: () => 'lab', limitsOf: () => limits }),
    services: {
      owned: ownedNow,
      known: id => ownedNow(id)?.record,
      markMoving: async () => undefined,
      markKept: async () => undefined,
      letGo: async id => forget(id),
      takeOver: async (record, containerId) => {
        forget(record.id)
        owned.append({ record, containerId })
      },
    },
    admission: { admit: async () => ({ admitted: true, load: {} }), settle: () => undefined },
    journal: {
      append: async entry => journal.append(entry),
      all: async () => journal.all(),
      drop: async move => journal.rewrite(journal.all().filter(entry => entry.move !== move)),
    },
    records: { save: async () => undefined, all: async () => [], remove: async () => undefined },
    useOf: () => ({ memoryBytes: 0, cpuCores: 0 }),
  },
  runcCriuDriver({ runDir: '/run/shoal', run: runCommand, clock: systemClock, ability: probe }),
)
mover.onEvent(({ says }) => console.log(says))

createServer({ allowHalfOpen: true, noDelay: true }, socket => {
  socket.once('readable', () => {
    const greeting = (socket.read() as Buffer | null) ?? Buffer.alloc(0)
    const end = greeting.indexOf('\n')
    const peer = greeting.subarray(0, end).toString()
    mover.handle(streamOf(socket, peer, greeting.subarray(end + 1))).catch(console.error)
  })
  socket.on('error', error => console.log(`stream: ${error.message}`))
}).listen(streamPort)

await mover.recover()

type Answer = (body: string) => Promise<unknown>
const routes: Readonly<Record<string, Answer>> = {
  '/probe': async () => probe,
  '/records': async () => mover.list(),
  '/owned': async () => owned.all(),
  '/journal': async () => journal.all(),
  '/adopt': async body => {
    owned.append(JSON.parse(body) as { record: ServiceRecord; containerId: string })
    return {}
  },
  '/move': async body => mover.move({ mode: 'stop-copy', strategy: 'by-hand', reason: 'lab', ...JSON.parse(body) }, life.signal),
}
createHttpServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => void chunks.push(chunk))
  request.on('end', () => {
    const answer = routes[request.url ?? '']?.(Buffer.concat(chunks).toString()) ?? Promise.reject(new Error('no such route'))
    answer
      .then(value => response.end(JSON.stringify(value)))
      .catch((error: unknown) => {
        response.statusCode = 500
        response.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
      })
  })
}).listen('/run/stop-copy.sock')
