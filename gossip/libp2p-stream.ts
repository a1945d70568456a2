// A libp2p stream as a ByteStream, in the only form that really holds back (measured; five traps of js-libp2p 3 are fenced here):
// `onDrain()` works once, so we wait for the `drain` event; `for await` over a stream has no back-pressure, so we read by `message`
// and `pause()`/`resume()`, never the one inside the other; a killed peer's stream closes without an error, so only a half-close counts
// as an end; and a graceful close of the connection half-closes streams in the middle, so whoever carries data frames it with length
// and digest.

import type { Stream } from '@libp2p/interface'
import type { NodeId } from '../placement/view.ts'
import type { ByteStream } from './byte-stream.ts'
import { MeshError, reasonOf } from './errors.ts'
import { LIMITS } from './limits.ts'

/** Wraps `stream` to `peer`; from here on nothing else may read it. `onBytes` is called whenever the peer sent something. */
export function byteStreamOver(stream: Stream, peer: NodeId, onBytes?: () => void): ByteStream {
  const reader = readerOf(stream, peer, onBytes)
  return {
    peer,
    incoming: { [Symbol.asyncIterator]: () => ({ next: () => reader.next() }) },
    async write(chunk, signal) {
      signal?.throwIfAborted()
      const failed = reader.failure()
      if (failed !== undefined) throw failed
      try {
        stream.send(chunk) // false means full, but the chunk was taken
      } catch (cause) {
        throw broken(peer, reasonOf(cause), cause)
      }
      while (stream.writableNeedsDrain) await nextDrain(stream, peer, signal)
    },
    async closeWrite() {
      try {
        await stream.close()
      } catch (cause) {
        throw broken(peer, reasonOf(cause), cause)
      }
    },
    abort(reason) {
      stream.abort(reason)
    },
  }
}

interface Reader {
  next(): Promise<IteratorResult<Uint8Array, undefined>>
  failure(): Error | undefined
}

function readerOf(stream: Stream, peer: NodeId, onBytes: (() => void) | undefined): Reader {
  const queue: Uint8Array[] = []
  let queuedBytes = 0
  let halfClosed = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
  let ended = false
  let failure: Error | undefined
  let waiting: PromiseWithResolvers<void> | undefined
  const wake = (): void => {
    waiting?.resolve()
    waiting = undefined
  }
  const fail = (why: string, cause?: unknown): void => {
    failure ??= broken(peer, why, cause)
    wake()
  }
  let resuming = false
  const holdBack = (): void => {
    if (!resuming && queuedBytes > LIMITS.readQueueHighBytes && stream.readStatus === 'readable') stream.pause()
  }
  /** `resume()` first hands out what it held, then opens the window: a `pause()` in between would be undone, and the window grow for ever. */
  const letCome = (): void => {
    resuming = true
    try {
      stream.resume()
    } finally {
      resuming = false
    }
    holdBack()
  }
  stream.addEventListener('message', event => {
    const chunk = event.data instanceof Uint8Array ? event.data : event.data.subarray()
    onBytes?.()
    queue.push(chunk)
    queuedBytes += chunk.byteLength
    holdBack()
    wake()
  })
  stream.addEventListener('remoteCloseWrite', () => {
    halfClosed = true
    wake()
  })
  const onEnd = (): void => {
    if (halfClosed) ended = true
    // The reason, if there is one, comes in the `close` right behind it.
    else queueMicrotask(() => fail('it went away without a word'))
    wake()
  }
  stream.addEventListener('end', onEnd)
  stream.addEventListener('close', event => {
    if (event.error !== undefined) fail(reasonOf(event.error), event.error)
    else if (!halfClosed) fail('its connection is gone')
  })
  if (stream.readableEnded) onEnd()
  else if (stream.status !== 'open' && stream.status !== 'closing' && !halfClosed) fail(`the stream is ${stream.status}`)
  return {
    failure: () => failure,
    async next() {
      for (;;) {
        const chunk = queue.shift()
        if (chunk !== undefined) {
          queuedBytes -= chunk.byteLength
          if (queuedBytes < LIMITS.readQueueLowBytes && stream.readStatus === 'paused') letCome()
          return { done: false, value: chunk }
        }
        if (failure !== undefined) throw failure
        if (ended) return { done: true, value: undefined }
        waiting ??= Promise.withResolvers<void>()
        await waiting.promise
      }
    },
  }
}

/** One `drain` event. Rejects when the stream closes first or `signal` fires; the chunk before it was taken all the same. */
function nextDrain(stream: Stream, peer: NodeId, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      stream.removeEventListener('drain', onDrain)
      stream.removeEventListener('close', onClose)
      signal?.removeEventListener('abort', onAbort)
      act()
    }
    const onDrain = (): void => settle(resolve)
    const onClose = (event: Event): void => {
      const cause = 'error' in event ? event.error : undefined
      settle(() => reject(broken(peer, cause === undefined ? 'its connection is gone' : reasonOf(cause), cause)))
    }
    const onAbort = (): void => settle(() => reject(signal?.reason))
    stream.addEventListener('drain', onDrain)
    stream.addEventListener('close', onClose)
    signal?.addEventListener('abort', onAbort)
    if (stream.writeStatus === 'closed') settle(() => reject(broken(peer, 'it is closed')))
  })
}

function broken(peer: NodeId, why: string, cause?: unknown): MeshError {
  return new MeshError('MESH_STREAM_BROKEN', {
    what: `the stream to ${peer.slice(-8)} broke: ${why}`,
    hint: 'the peer restarted or the link is down: it is dialled again by itself',
    cause,
  })
}
