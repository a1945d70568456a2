// Two ends of a byte stream in memory, for tests of what speaks over one. Nothing is held back.

import type { ByteStream } from '../byte-stream.ts'

interface Lane {
  readonly chunks: Uint8Array[]
  ended: boolean
  failure: Error | undefined
  wake: PromiseWithResolvers<void>
}

const lane = (): Lane => ({ chunks: [], ended: false, failure: undefined, wake: Promise.withResolvers() })

function stir(one: Lane): void {
  one.wake.resolve()
  one.wake = Promise.withResolvers()
}

function end(peer: string, incoming: Lane, outgoing: Lane): ByteStream {
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    for (;;) {
      const chunk = incoming.chunks.shift()
      if (chunk !== undefined) return { done: false, value: chunk }
      if (incoming.failure !== undefined) throw incoming.failure
      if (incoming.ended) return { done: true, value: undefined }
      await incoming.wake.promise
    }
  }
  return {
    peer,
    incoming: { [Symbol.asyncIterator]: () => ({ next }) },
    async write(chunk) {
      if (outgoing.failure !== undefined) throw outgoing.failure
      outgoing.chunks.push(chunk)
      stir(outgoing)
    },
    async closeWrite() {
      outgoing.ended = true
      stir(outgoing)
    },
    abort(reason) {
      for (const each of [incoming, outgoing]) {
        each.failure ??= reason
        stir(each)
      }
    },
  }
}

/** `[end of a, end of b]`: what one writes the other reads. */
export function streamPair(): readonly [ByteStream, ByteStream] {
  const there = lane()
  const back = lane()
  return [end('b', back, there), end('a', there, back)]
}
