// How are the engine's streams read without letting them run over? Logs (with the engine's framing taken off) and lines of JSON, both pulled by
// the reader: while nobody asks for more, the engine is held back. Used by docker-engine.ts.

import type { LogChunk } from './engine.ts'
import { EngineError } from './errors.ts'
import { EVENT_LINE_BYTES } from './limits.ts'

const HEADER_BYTES = 8

/**
 * Takes the frames off a log: `[stream, 0, 0, 0, length (4 bytes, big endian)]`, then `length` bytes. Pieces are handed on as they come; a frame is
 * never collected. Throws ENGINE_FAILED when the stream is not framed so, or ends inside a frame.
 */
export async function* demux(source: AsyncIterable<Uint8Array>): AsyncGenerator<LogChunk> {
  let header = Buffer.alloc(0)
  let left = 0
  let stream: LogChunk['stream'] = 'stdout'
  for await (const piece of source) {
    let rest = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    while (rest.length > 0) {
      if (left > 0) {
        const bytes = rest.subarray(0, left)
        rest = rest.subarray(bytes.length)
        left -= bytes.length
        yield { stream, bytes }
        continue
      }
      const missing = HEADER_BYTES - header.length
      header = Buffer.concat([header, rest.subarray(0, missing)])
      rest = rest.subarray(missing)
      if (header.length < HEADER_BYTES) continue
      const kind = header[0] ?? 0
      if (kind > 2 || header[1] !== 0 || header[2] !== 0 || header[3] !== 0) throw broken('a log that is not framed')
      stream = kind === 2 ? 'stderr' : 'stdout'
      left = header.readUInt32BE(4)
      header = Buffer.alloc(0)
    }
  }
  if (left > 0 || header.length > 0) throw broken('a log that ended inside a frame')
}

/** A terminal's log has no frames. */
export async function* plainLog(source: AsyncIterable<Uint8Array>): AsyncGenerator<LogChunk> {
  for await (const bytes of source) yield { stream: 'stdout', bytes }
}

/** Lines of JSON. A line over EVENT_LINE_BYTES or that is no JSON is `undefined`: the reader must take it as a gap. */
export async function* jsonLines(source: AsyncIterable<Uint8Array>): AsyncGenerator {
  const decoder = new TextDecoder()
  let held = ''
  let tooLong = false
  for await (const bytes of source) {
    held += decoder.decode(bytes, { stream: true })
    const lines = held.split('\n')
    held = lines.pop() ?? ''
    for (const line of lines) {
      if (tooLong) yield undefined
      else if (line.trim() !== '') yield parsed(line)
      tooLong = false
    }
    if (held.length > EVENT_LINE_BYTES) {
      tooLong = true
      held = ''
    }
  }
  if (tooLong) yield undefined
  else if (held.trim() !== '') yield parsed(held)
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // The reader is told by `undefined`; a broken line has nothing else to say.
    return undefined
  }
}

function broken(what: string): EngineError {
  return new EngineError('ENGINE_FAILED', { what: `the engine sent ${what}`, hint: 'ask again; look into the log of the engine' })
}
