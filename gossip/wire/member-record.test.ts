import { expect, test } from 'vitest'
import { makeCast, WALL } from '../trust-cast.ts'
import { trustLimits, trustTimes } from '../trust-limits.ts'
import { expiryOf, readMemberRecord, signMemberRecord, memberRecordKind } from './member-record.ts'
import { readRemovalRecord, signRemovalRecord } from './removal-record.ts'
import { seal, toWire } from './signed.ts'

const { mesh, otherMesh, founder, anna } = makeCast()
const code = (value: string) => expect.objectContaining({ code: value, hint: expect.any(String) })
const signed = signMemberRecord({
  mesh: mesh.mesh,
  subject: anna.id,
  name: 'lab3',
  role: 'edge',
  via: 'window',
  counter: 1,
  issuerCounter: 1,
  by: founder,
  wallNow: WALL,
  serial: '0'.repeat(32),
})
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

test('a member record comes back from the wire as it was signed', () => {
  expect(readMemberRecord(toWire(signed))).toEqual(signed)
  expect(toWire(signed).byteLength).toBeLessThan(800)
})

test('a changed word, another signer or another purpose breaks the signature', () => {
  const forged = { body: signed.body.replace('"admit":false', '"admit":true'), signature: signed.signature }
  expect(() => readMemberRecord(bytes(forged))).toThrow(code('RECORD_SIGNATURE'))
  const byAnna = { ...signed, signature: Buffer.from(anna.sign(new TextEncoder().encode(signed.body))).toString('base64url') }
  expect(() => readMemberRecord(toWire(byAnna))).toThrow(code('RECORD_SIGNATURE'))
  expect(() => readMemberRecord(toWire(seal('shoal-removal-record/1', signed.record, founder)))).toThrow(code('RECORD_SIGNATURE'))
  const byOtherMesh = seal(memberRecordKind.domain, { ...signed.record, issuer: 'mesh' }, otherMesh)
  expect(() => readMemberRecord(toWire(byOtherMesh))).toThrow(code('RECORD_SIGNATURE'))
})

test('a field of a later version is ignored and keeps its signature on the way', () => {
  const later = seal(memberRecordKind.domain, { ...signed.record, colour: 'blue' }, founder)
  const read = readMemberRecord(toWire(later))
  expect(read.record).toMatchObject({ subject: anna.id })
  expect(readMemberRecord(toWire(read)).hash).toBe(later.hash)
})

test.each([
  { says: 'no JSON', wire: new TextEncoder().encode('{'), refused: 'RECORD_MALFORMED' },
  { says: 'a bare number', wire: bytes(7), refused: 'RECORD_MALFORMED' },
  { says: 'a body that is no text', wire: bytes({ body: {}, signature: '' }), refused: 'RECORD_MALFORMED' },
  { says: 'more bytes than the cap', wire: new Uint8Array(trustLimits.memberRecordBytes + 1), refused: 'RECORD_TOO_LARGE' },
  { says: 'an empty signature', wire: bytes({ body: signed.body, signature: '' }), refused: 'RECORD_SIGNATURE' },
  { says: 'an unknown version', wire: toWire(seal('x', { ...signed.record, v: 2 }, founder)), refused: 'RECORD_VERSION' },
  {
    says: 'a counter of 0',
    wire: toWire(seal(memberRecordKind.domain, { ...signed.record, counter: 0 }, founder)),
    refused: 'RECORD_MALFORMED',
  },
  {
    says: 'a role nobody has',
    wire: toWire(seal(memberRecordKind.domain, { ...signed.record, role: 'king' }, founder)),
    refused: 'RECORD_MALFORMED',
  },
  {
    says: 'a hostile peer id',
    wire: toWire(seal(memberRecordKind.domain, { ...signed.record, subject: '../../etc' }, founder)),
    refused: 'RECORD_MALFORMED',
  },
  {
    says: 'an issuer that is no key',
    wire: toWire(seal(memberRecordKind.domain, { ...signed.record, issuer: `12D3KooW${'1'.repeat(44)}` }, founder)),
    refused: 'PEER_ID_INVALID',
  },
])('$says is refused with a code and a hint', ({ wire, refused }) => {
  expect(() => readMemberRecord(wire)).toThrow(code(refused))
})

test('a name is cut to what a table can show, lone surrogates replaced', () => {
  const { record } = signMemberRecord({ ...signed.record, name: `\ud800${'ü'.repeat(90)}`, by: founder, wallNow: WALL })
  expect(record.name).toBe(`\ufffd${'ü'.repeat(trustLimits.nameChars - 1)}`)
})

test('the life of a record warns thirty days ahead and never refuses', () => {
  const { record } = signed
  expect(record.notBefore).toBe(WALL - trustTimes.backdateMs)
  expect(expiryOf(record, WALL)).toBe('good')
  expect(expiryOf(record, record.notAfter - trustTimes.warnBeforeMs)).toBe('soon')
  expect(expiryOf(record, record.notAfter)).toBe('over')
  expect(expiryOf(record, 0)).toBe('good')
})

test('a removal record comes back from the wire, its reason cut to a line', () => {
  const out = signRemovalRecord({
    mesh: mesh.mesh,
    subject: anna.id,
    counter: 2,
    reason: 'x'.repeat(500),
    keeps: [signed.hash],
    by: founder,
  })
  const read = readRemovalRecord(toWire(out))
  expect(read.record).toEqual({
    v: 1,
    mesh: mesh.mesh,
    subject: anna.id,
    counter: 2,
    reason: 'x'.repeat(200),
    signer: founder.id,
    keeps: [signed.hash],
  })
  expect(() => readRemovalRecord(toWire(signed))).toThrow(code('RECORD_MALFORMED'))
})
