// Chunks of a Node.js stream as bytes: what a stream yields is unknown to its types, and checked here once.

import { MoveError } from '../errors.ts'

/** The same chunks, known to be bytes. Throws `MOVE_DAMAGED` for a stream that yields anything else: it was opened as text. */
export async function* bytesOf(chunks: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    if (!(chunk instanceof Uint8Array))
      throw new MoveError('MOVE_DAMAGED', { what: 'a stream yields no bytes', hint: 'report this' })
    yield chunk
  }
}
