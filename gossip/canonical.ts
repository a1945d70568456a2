// One value, one text: the encoding under every signature of the mesh. Called by the records in gossip/wire/ and by gossip/token.ts.
// It is JSON with sorted keys and whole numbers only, so that two nodes that say the same thing sign the same bytes. Whoever
// receives a record checks the signature over the text *as received* and passes that text on: a field of a later version survives.

/** What may be signed: JSON without fractions and without absent values. */
export type Canonical = string | number | boolean | null | readonly Canonical[] | { readonly [key: string]: Canonical }

/** Thrown for a value that has no canonical text: a bug of the caller, never bad input. */
export class CanonicalError extends TypeError {}

/**
 * The one text of `value`: keys sorted by UTF-16 code unit, no white space, numbers are safe integers.
 * @throws {CanonicalError} for fractions, infinities, `undefined` and lone surrogates
 */
export function canonicalText(value: Canonical): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new CanonicalError(`${value} is no safe integer`)
    return Object.is(value, -0) ? '0' : String(value)
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new CanonicalError('a lone surrogate cannot be signed')
    return JSON.stringify(value)
  }
  if (isList(value)) return `[${value.map(canonicalText).join(',')}]`
  if (typeof value !== 'object') throw new CanonicalError(`a value of type ${typeof value} cannot be signed`)
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${canonicalText(key)}:${canonicalText(field)}`).join(',')}}`
}

/** The bytes under a signature: a domain (so that no text signed for one purpose passes for another), a zero byte, the text. */
export function signedBytes(domain: string, text: string): Uint8Array {
  return new TextEncoder().encode(`${domain}\0${text}`)
}

/** `Array.isArray` does not narrow readonly arrays. */
function isList(value: Canonical): value is readonly Canonical[] {
  return Array.isArray(value)
}
