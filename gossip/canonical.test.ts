import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalText, CanonicalError, signedBytes, type Canonical } from './canonical.ts'

test('the order in which fields were written does not change the text', () => {
  expect(canonicalText({ b: [1, { z: null, a: true }], a: 'ü"' })).toBe('{"a":"ü\\"","b":[1,{"a":true,"z":null}]}')
})

test('what cannot be the same everywhere cannot be signed', () => {
  for (const value of [0.5, Infinity, Number.NaN, 2 ** 53, '\ud800']) expect(() => canonicalText(value)).toThrow(CanonicalError)
  // @ts-expect-error: an absent value is no Canonical
  expect(() => canonicalText({ a: undefined })).toThrow(CanonicalError)
})

test('the text says the whole value: it reads back equal', () => {
  const { value } = fc.letrec<{ value: Canonical }>(tie => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.maxSafeInteger(),
      fc.string({ unit: 'grapheme' }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }))
  fc.assert(
    fc.property(value, each => {
      expect(JSON.parse(canonicalText(each))).toEqual(JSON.parse(JSON.stringify(each)))
    }),
    { numRuns: 100 },
  )
})

test('a text signed for one purpose is no text of another', () => {
  expect(signedBytes('a', 'b')).not.toEqual(signedBytes('a/1', 'b'))
})
