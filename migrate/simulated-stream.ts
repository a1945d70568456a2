// Two ends of a stream in memory, with back-pressure, that can be broken: for the tests of a move. What was under way when it broke still
// arrives, as on a real connection; then the reader sees the break.

import type { MoveStream } from './ports.ts'

const WINDOW = 4

interface Pipe {
  readonly chunks: Uint8Array[]
  end: 'open' | 'closed' | Error
  readonly waiting: Set<() => void>
}

function wake(pipe: Pipe): void {
  for (const resume of pipe.waiting) resume()
  pipe.waiting.clear()
}

const changed = (pipe: Pipe): Promise<void> => new Promise(resolve => pipe.waiting.add(resolve))

async function* reading(pipe: Pipe): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = pipe.chunks.shift()
    if (chunk !== undefined) {
      wake(pipe)
      yield chunk
    } else if (pipe.end === 'closed') return
    else if (pipe.end !== 'open') throw pipe.end
    else await changed(pipe)
  }
}

async function writeTo(pipe: Pipe, chunk: Uint8Array): Promise<void> {
  if (pipe.end !== 'open') throw pipe.end === 'closed' ? new Error('closed') : pipe.end
  pipe.chunks.push(chunk.slice())
  wake(pipe)
  while (pipe.chunks.length > WINDOW && pipe.end === 'open') await changed(pipe)
}

const close = (pipe: Pipe, end: 'closed' | Error): void => {
  if (pipe.end === 'open') pipe.end = end
  wake(pipe)
}

/** Both ends, named by the peer each sees, and a way to break the connection. */
export function streamPair(peers: {
  readonly near: string
  readonly far: string
}): [near: MoveStream, far: MoveStream, breakOff: () => void] {
  const there: Pipe = { chunks: [], end: 'open', waiting: new Set() }
  const back: Pipe = { chunks: [], end: 'open', waiting: new Set() }
  const breakOff = (reason = new Error('connection reset')): void => {
    close(there, reason)
    close(back, reason)
  }
  const end = (peer: string, out: Pipe, into: Pipe): MoveStream => ({
    peer,
    incoming: reading(into),
    write: chunk => writeTo(out, chunk),
    closeWrite: async () => close(out, 'closed'),
    abort: breakOff,
  })
  return [end(peers.near, there, back), end(peers.far, back, there), breakOff]
}
