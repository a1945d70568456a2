// One ordered byte stream to one peer, with real back-pressure. What every stream protocol of ours (requests, moves) is written against;
// gossip/libp2p-stream.ts carries it over libp2p. Rooms that may not import gossip/ declare the same shape as a port of their own.

import type { NodeId } from '../placement/view.ts'

/** A full-duplex byte stream to a proven member. */
export interface ByteStream {
  /** The peer's proven identity. */
  readonly peer: NodeId
  /** Chunks as they arrive; the sender is held back while nobody reads. Ends at the peer's half-close, throws when the stream broke. */
  readonly incoming: AsyncIterable<Uint8Array>
  /** Resolves when the chunk was taken and more may be written; rejects when the stream broke or `signal` fired. */
  write(chunk: Uint8Array, signal?: AbortSignal): Promise<void>
  /** Half-close: we write no more, the peer may. */
  closeWrite(): Promise<void>
  /** Reset: the peer sees an error, never a clean end. */
  abort(reason: Error): void
}
