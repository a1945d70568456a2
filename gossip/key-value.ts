// The store as the mesh needs it: small texts by key, durable when `put` resolves. The daemon carries it out on level; tests on a map.

/** @throws what the store throws; nothing is swallowed here. */
export interface KeyValue {
  get(key: string): Promise<string | undefined>
  put(key: string, value: string): Promise<void>
  delete(key: string): Promise<void>
  /** All entries whose key begins with `prefix`. */
  entries(prefix: string): AsyncIterable<readonly [key: string, value: string]>
}

/** A store that forgets: for tests, and for a node that is meant to leave nothing behind. */
export function memoryKeyValue(): KeyValue {
  const held = new Map<string, string>()
  return {
    get: async key => held.get(key),
    put: async (key, value) => void held.set(key, value),
    delete: async key => void held.delete(key),
    async *entries(prefix) {
      for (const entry of [...held]) if (entry[0].startsWith(prefix)) yield entry
    },
  }
}
