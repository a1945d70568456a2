// What the engine port promises where a real engine cannot be made to misbehave: a small server on a unix socket plays Docker.

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Clock } from '../placement/clock.ts'
import { DockerEngine } from './docker-engine.ts'
import { createFields, updateFields } from './docker-replies.ts'
import { demux, jsonLines } from './docker-streams.ts'

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** Every pause is over at once; wall time stands still. */
const clock: Clock = {
  now: () => 0,
  wallNow: () => 0,
  after(_ms, run) {
    queueMicrotask(run)
    return () => undefined
  },
}
const never = new AbortController().signal

type Reply = (request: IncomingMessage, response: ServerResponse) => void

async function engineThat(reply: Reply, apiVersion = '1.51'): Promise<DockerEngine> {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-engine-'))
  const socketPath = join(dir, 's')
  const server = createServer((request, response) => {
    if (request.url === '/version') response.end(JSON.stringify({ Version: '28.5.2', ApiVersion: apiVersion, Arch: 'amd64' }))
    else reply(request, response)
  })
  await new Promise<void>(resolve => server.listen(socketPath, resolve))
  ends.push(async () => {
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
    await rm(dir, { recursive: true })
  })
  return new DockerEngine({ socketPath, clock })
}

const json = (response: ServerResponse, value: unknown, status = 200) => response.writeHead(status).end(JSON.stringify(value))

test('the API version is agreed on: never newer than tested, never older than needed', async () => {
  const urls: (string | undefined)[] = []
  const reply: Reply = (request, response) => {
    urls.push(request.url)
    json(response, [])
  }
  await (await engineThat(reply, '1.99')).list(never)
  await (await engineThat(reply, '1.41')).list(never)
  expect(urls).toEqual(['/v1.51/containers/json?all=1', '/v1.41/containers/json?all=1'])
  await expect((await engineThat(reply, '1.40')).list(never)).rejects.toMatchObject({ code: 'ENGINE_TOO_OLD' })
})

test('an event stream that breaks is opened again, and says each time that something may have been missed', async () => {
  let opened = 0
  const engine = await engineThat((_, response) => {
    opened += 1
    const event = { Action: 'die', Actor: { ID: `c${opened}`, Attributes: { exitCode: '7' } }, timeNano: 5e6 }
    response.writeHead(200)
    response.end(`${JSON.stringify(event)}\n{"not": "one of ours"}\n`)
  })
  const heard: unknown[] = []
  for await (const event of engine.events(never)) {
    heard.push(event)
    if (heard.length === 5) break
  }
  expect(heard).toEqual([
    { kind: 'gap', at: 0 },
    { kind: 'die', at: 5, containerId: 'c1', marks: undefined, exitCode: 7 },
    { kind: 'gap', at: 0 },
    { kind: 'gap', at: 0 },
    { kind: 'die', at: 5, containerId: 'c2', marks: undefined, exitCode: 7 },
  ])
})

test("leaving a followed log closes the engine's side of it", async () => {
  const closed = Promise.withResolvers<string>()
  const engine = await engineThat((request, response) => {
    if (request.url?.includes('/logs') === true) {
      response.on('close', () => closed.resolve('closed'))
      response.writeHead(200)
      response.write(Buffer.from([1, 0, 0, 0, 0, 0, 0, 2, 104, 105]))
    } else json(response, container)
  })
  for await (const chunk of engine.logs('c', { follow: true }, never)) {
    expect(Buffer.from(chunk.bytes).toString()).toBe('hi')
    break
  }
  expect(await closed.promise).toBe('closed')
})

test('a reader that does not read holds the engine back', async () => {
  let written = 0
  let full = false
  const engine = await engineThat((request, response) => {
    if (request.url?.includes('/get') !== true) return void json(response, {}, 404)
    response.writeHead(200)
    const chunk = Buffer.alloc(64 * 1024)
    const more = (): void => {
      while (written < 256 && !full) {
        written += 1
        full = !response.write(chunk)
      }
      if (written === 256) response.end()
      else
        response.once('drain', () => {
          full = false
          more()
        })
    }
    more()
  })
  let read = 0
  for await (const piece of engine.saveImage('some/image:1', never)) {
    // At the first piece nothing near the 16 MiB may have been taken in: what was sent lies in the buffers of the socket.
    if (read === 0) expect(written).toBeLessThan(128)
    read += piece.length
  }
  expect(read).toBe(256 * 64 * 1024)
})

test('an image export that is cut off is an error, never a short image', async () => {
  const engine = await engineThat((_, response) => {
    response.writeHead(200, { 'Content-Length': '1000' })
    response.write('half')
    setImmediate(() => response.destroy())
  })
  const read = async () => {
    for await (const piece of engine.saveImage('some/image:1', never)) expect(piece.length).toBe(4)
  }
  await expect(read()).rejects.toThrow()
})

test('an image load that answers 200 with an error in its text is an error', async () => {
  const said = ['Loaded image: a:1', 'Error unpacking image a:1: apply layer error: NotFound: content digest sha256:0 not found']
  const engine = await engineThat((request, response) => {
    request.resume()
    request.on('end', () => response.end(said.map(stream => JSON.stringify({ stream: `${stream}\n` })).join('\n')))
  })
  await expect(engine.loadImage(of('tar'), never)).rejects.toMatchObject({ code: 'IMAGE_LOAD_FAILED' })
})

test('a full disk is called so, whatever was asked', async () => {
  const engine = await engineThat((_, response) =>
    json(response, { message: 'write /var/lib/docker: no space left on device' }, 500),
  )
  await expect(engine.start('c', never)).rejects.toMatchObject({ code: 'DISK_FULL' })
})

test('what goes into a path is an image reference or nothing at all', async () => {
  const engine = await engineThat((_, response) => json(response, {}, 500))
  await expect(engine.image('../../containers/json', never)).rejects.toMatchObject({ code: 'NO_SUCH_IMAGE' })
  await expect(engine.image('a?b', never)).rejects.toMatchObject({ code: 'NO_SUCH_IMAGE' })
})

test('an answer that is not what it should be is refused by its field', async () => {
  const engine = await engineThat((_, response) => json(response, [{ Id: 5 }]))
  await expect(engine.list(never)).rejects.toThrow(/cannot read: \/0/)
})

test('limits become a quota and memory without swap; lifting one never says 0', () => {
  expect(createFields({ cores: 0.5, ramBytes: 1024 })).toEqual({
    CpuPeriod: 100_000,
    CpuQuota: 50_000,
    Memory: 1024,
    MemorySwap: 1024,
  })
  expect(createFields({ cores: null, ramBytes: null })).toEqual({})
  expect(createFields({ cores: 0.001, ramBytes: null })).toEqual({ CpuPeriod: 100_000, CpuQuota: 1000 })
  expect(Object.values(updateFields({ cores: null, ramBytes: null }))).not.toContain(0)
})

test.each([1, 2, 3, 7, 1000])('log frames come out whole however they are cut (%i bytes at a time)', async size => {
  const frames = Buffer.concat([frame(1, 'out one\n'), frame(2, 'error\n'), frame(1, ''), frame(1, 'out two\n')])
  const cuts = Array.from({ length: Math.ceil(frames.length / size) }, (_, index) =>
    frames.subarray(index * size, (index + 1) * size),
  )
  const got = { stdout: '', stderr: '' }
  for await (const { stream, bytes } of demux(of(...cuts))) got[stream] += Buffer.from(bytes).toString()
  expect(got).toEqual({ stdout: 'out one\nout two\n', stderr: 'error\n' })
})

test('a log that ends inside a frame, or has none, is an error', async () => {
  const read = async (bytes: Buffer) => {
    for await (const chunk of demux(of(bytes))) expect(chunk.stream).toBe('stdout')
  }
  await expect(read(frame(1, 'hello').subarray(0, 10))).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
  await expect(read(Buffer.from('plain text'))).rejects.toMatchObject({ code: 'ENGINE_FAILED' })
})

test('a line over the bound is told as undefined and held nowhere', async () => {
  const lines: unknown[] = []
  for await (const line of jsonLines(of('{"a":1}\n', 'x'.repeat(70_000), 'y'.repeat(70_000), '\n{"b":2}\n'))) lines.push(line)
  expect(lines).toEqual([{ a: 1 }, undefined, { b: 2 }])
})

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([header, Buffer.from(text)])
}

async function* of(...pieces: readonly (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}

const container = {
  Id: 'c',
  Name: '/c',
  State: { Status: 'running', Pid: 1, ExitCode: 0 },
  Config: { Image: 'i', Hostname: 'h', Tty: false, Labels: null },
  HostConfig: {},
}
