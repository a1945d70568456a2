// The invitations this node gave out and that nobody used yet: durable before a token is shown, and before a use is answered.

import type { Clock } from '../placement/clock.ts'
import type { Millis, Role } from '../placement/view.ts'
import type { KeyValue } from './key-value.ts'
import type { MeshKey } from './signing.ts'
import { dropExpired, makeToken, redeem } from './token.ts'
import type { TokenEntry } from './token.ts'
import { tokenEntries } from './wire/token-entry.ts'

const KEY = 'mesh/tokens'

export class OpenTokens {
  readonly #store: KeyValue
  readonly #clock: Clock
  #entries: readonly TokenEntry[]

  private constructor(store: KeyValue, clock: Clock, entries: readonly TokenEntry[]) {
    this.#store = store
    this.#clock = clock
    this.#entries = entries
  }

  static async open(store: KeyValue, clock: Clock): Promise<OpenTokens> {
    const text = await store.get(KEY)
    const entries = text === undefined ? [] : dropExpired(tokenEntries.decode(text).tokens, clock.wallNow())
    return new OpenTokens(store, clock, entries)
  }

  count(): number {
    return dropExpired(this.#entries, this.#clock.wallNow()).length
  }

  /** A new token as text. @throws TrustError TOKEN_TTL, TOKENS_FULL, NOT_REACHABLE, TOKEN_MALFORMED */
  async make(request: {
    readonly mesh: MeshKey
    readonly role: Role
    readonly ttlMs: Millis
    readonly addresses: readonly string[]
    readonly secret: Uint8Array
  }): Promise<string> {
    const { text, entries } = makeToken(this.#entries, { ...request, wallNow: this.#clock.wallNow() })
    await this.#keep(entries)
    return text
  }

  /** Takes one use; resolves to the role the token gives. @throws TrustError TOKEN_UNKNOWN, TOKEN_EXPIRED */
  async redeem(secret: Uint8Array): Promise<Role> {
    const { entry, entries } = redeem(this.#entries, { secret, wallNow: this.#clock.wallNow() })
    this.#entries = entries // at once: two that come together must not both be let in
    await this.#keep(entries)
    return entry.role
  }

  /** Forgets all: they were of a mesh this node left. */
  async clear(): Promise<void> {
    this.#entries = []
    await this.#store.delete(KEY)
  }

  async #keep(entries: readonly TokenEntry[]): Promise<void> {
    this.#entries = entries
    await this.#store.put(KEY, tokenEntries.encode({ v: 1, tokens: entries.map(entry => ({ ...entry })) }))
  }
}
