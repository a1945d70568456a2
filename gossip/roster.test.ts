import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { admit, planRemoval, revouch } from './admission.ts'
import {
  digest,
  emptyRoster,
  isMember,
  isRemoved,
  lastRecordOf,
  mayAdmit,
  memberOf,
  mergeReport,
  mergeRoster,
  nextCounter,
  readRecord,
  recordsOf,
  wireOf,
  type Roster,
  type SignedRecord,
} from './roster.ts'
import { admitted, foundedRoster, makeCast, member, removal, WALL } from './trust-cast.ts'
import { trustLimits } from './trust-limits.ts'
import { signMemberRecord, type SignedMemberRecord } from './wire/member-record.ts'
import { signRemovalRecord } from './wire/removal-record.ts'
import { nodeSigner, type Signer } from './signing.ts'

const cast = makeCast()
const { mesh, otherMesh, founder, anna, bert, cleo, mallory, eve } = cast
const request = { name: 'node', role: 'edge', wallNow: WALL, serial: '2'.repeat(32) } as const
const code = (value: string) => expect.objectContaining({ code: value })

/** A record written by hand, as an attacker or an old node would. */
function forged(by: Signer, subject: string, more: Partial<SignedMemberRecord['record']> = {}): SignedRecord {
  return member(
    signMemberRecord({ mesh: mesh.mesh, subject, via: 'approval', counter: 1, issuerCounter: 1, by, ...request, ...more }),
  )
}
function removed(roster: Roster, by: Signer, subject: string): Roster {
  return mergeRoster(roster, [removal(planRemoval(roster, { by, subject, reason: 'test' }).removal)])
}
/** founder → anna → bert → cleo, each admitted by the one before. */
function chain(): Roster {
  return admitted(admitted(admitted(foundedRoster(cast), founder, anna), anna, bert), bert, cleo)
}

test('the founder is vouched for by the mesh key and may admit', () => {
  const roster = foundedRoster(cast)
  expect(memberOf(roster, founder.id)).toMatchObject({ via: 'founder', issuer: 'mesh', rights: { admit: true, host: true } })
  expect(mayAdmit(roster, founder.id)).toBe(true)
  expect(isMember(roster, anna.id)).toBe(false)
})

test('whoever the window let in is a member and may admit nobody until a person confirms it', () => {
  const roster = admitted(foundedRoster(cast), founder, anna, 'window')
  expect(memberOf(roster, anna.id)?.rights.admit).toBe(false)
  expect(() => admit(roster, { by: anna, subject: bert.id, via: 'approval', ...request })).toThrow(code('NOT_ADMITTING'))
  expect(isMember(mergeRoster(roster, [forged(anna, bert.id)]), bert.id)).toBe(false)
  expect(mayAdmit(admitted(roster, founder, anna, 'approval'), anna.id)).toBe(true)
})

test('a window record that claims the right to admit does not give it', () => {
  const roster = mergeRoster(foundedRoster(cast), [
    forged(founder, anna.id, { via: 'window', rights: { admit: true, host: true } }),
  ])
  expect(isMember(roster, anna.id)).toBe(true)
  expect(mayAdmit(roster, anna.id)).toBe(false)
})

test('any member with the right to admit may admit, also when the founder is gone', () => {
  const roster = chain()
  for (const node of [founder, anna, bert, cleo]) expect(isMember(roster, node.id)).toBe(true)
})

test('a record by a stranger, or for another mesh, makes nobody a member', () => {
  const roster = mergeRoster(foundedRoster(cast), [forged(mallory, mallory.id), forged(mallory, eve.id)])
  expect([isMember(roster, mallory.id), isMember(roster, eve.id)]).toEqual([false, false])
  const other = member(
    signMemberRecord({
      mesh: otherMesh.mesh,
      subject: eve.id,
      via: 'approval',
      counter: 1,
      issuerCounter: 1,
      by: otherMesh,
      ...request,
    }),
  )
  expect(mergeReport(roster, [other]).refused).toEqual([{ record: other, error: code('RECORD_OTHER_MESH') }])
})

test('asked again, admission answers with the record there is', () => {
  const roster = admitted(foundedRoster(cast), founder, anna)
  const again = admit(roster, { by: founder, subject: anna.id, via: 'window', ...request, serial: '9'.repeat(32) })
  expect(again).toBe(roster.judgement.members.get(anna.id))
})

test('a removed member is out, the window does not bring it back, a person does', () => {
  const roster = removed(admitted(foundedRoster(cast), founder, anna), founder, anna.id)
  expect([isMember(roster, anna.id), isRemoved(roster, anna.id), mayAdmit(roster, anna.id)]).toEqual([false, true, false])
  expect(() => admit(roster, { by: founder, subject: anna.id, via: 'window', ...request })).toThrow(code('REMOVED'))
  const back = admitted(roster, founder, anna, 'approval')
  expect([isMember(back, anna.id), isRemoved(back, anna.id)]).toEqual([true, false])
})

test('an admission written at the same time as the removal loses', () => {
  const before = admitted(foundedRoster(cast), founder, anna)
  const concurrent = forged(founder, anna.id, { counter: nextCounter(before, anna.id) })
  expect(isMember(mergeRoster(removed(before, founder, anna.id), [concurrent]), anna.id)).toBe(false)
})

test('nothing a removed member signed counts, whenever it was signed; those it admitted can be vouched for anew', () => {
  const roster = chain()
  const { removal: record, lost } = planRemoval(roster, { by: founder, subject: anna.id, reason: 'stolen' })
  expect(lost).toEqual([bert.id, cleo.id].toSorted())
  const after = mergeRoster(roster, [removal(record), forged(anna, mallory.id)])
  expect([bert, cleo, mallory].map(node => isMember(after, node.id))).toEqual([false, false, false])
  const vouched = revouch(after, { by: founder, subjects: lost, wallNow: WALL, newSerial: () => '3'.repeat(32) })
  const healed = mergeRoster(after, vouched.map(member))
  expect([bert, cleo, mallory].map(node => isMember(healed, node.id))).toEqual([true, true, false])
  expect(mayAdmit(healed, bert.id)).toBe(true)
})

test('what a member signed before its removal stays void when it is admitted again', () => {
  const roster = removed(chain(), founder, anna.id)
  const back = admitted(roster, founder, anna, 'approval')
  expect([isMember(back, anna.id), isMember(back, bert.id)]).toEqual([true, false])
})

test('the founder can be removed by whom it admitted, and the mesh lives on', () => {
  const roster = admitted(admitted(foundedRoster(cast), founder, anna), founder, bert)
  const { removal: record, lost } = planRemoval(roster, { by: anna, subject: founder.id, reason: 'its disk died' })
  expect(lost).toEqual([bert.id])
  const after = mergeRoster(roster, [removal(record)])
  expect([isMember(after, founder.id), isMember(after, anna.id), mayAdmit(after, anna.id)]).toEqual([false, true, true])
  const healed = mergeRoster(
    after,
    revouch(after, { by: anna, subjects: lost, wallNow: WALL, newSerial: () => '4'.repeat(32) }).map(member),
  )
  expect(mayAdmit(healed, bert.id)).toBe(true)
  expect(isMember(admitted(healed, bert, cleo), cleo.id)).toBe(true)
})

test('an accomplice admitted by a removed member afterwards cannot keep itself', () => {
  const roster = removed(admitted(foundedRoster(cast), founder, anna), founder, anna.id)
  const accomplice = forged(anna, mallory.id)
  const keepsItself = signRemovalRecord({
    mesh: mesh.mesh,
    subject: anna.id,
    counter: 9,
    reason: '',
    keeps: [accomplice.signed.hash],
    by: mallory,
  })
  const selfMade = signRemovalRecord({
    mesh: mesh.mesh,
    subject: anna.id,
    counter: 9,
    reason: '',
    keeps: [accomplice.signed.hash],
    by: anna,
  })
  const after = mergeRoster(roster, [accomplice, removal(keepsItself), removal(selfMade)])
  expect([isMember(after, mallory.id), isMember(after, founder.id)]).toEqual([false, true])
})

test('a member may leave for good; a stranger removes nobody', () => {
  const roster = admitted(foundedRoster(cast), founder, anna, 'window')
  expect(isMember(removed(roster, anna, anna.id), anna.id)).toBe(false)
  expect(() => planRemoval(roster, { by: anna, subject: founder.id, reason: '' })).toThrow(code('NOT_ADMITTING'))
  expect(() => planRemoval(roster, { by: founder, subject: eve.id, reason: '' })).toThrow(code('NOT_A_MEMBER'))
  const strange = removal(
    signRemovalRecord({ mesh: mesh.mesh, subject: anna.id, counter: 9, reason: '', keeps: [], by: mallory }),
  )
  expect(isMember(mergeRoster(roster, [strange]), anna.id)).toBe(true)
})

test('a record counts as soon as its chain has come, in whatever order', () => {
  const late = recordsOf(chain()).toReversed()
  const merged = late.reduce((roster, record) => mergeRoster(roster, [record]), emptyRoster(mesh.mesh))
  expect(isMember(merged, cleo.id)).toBe(true)
  expect(digest(merged)).toBe(digest(chain()))
})

test('a chain longer than the bound counts for nobody at its end', () => {
  const links = Array.from({ length: 40 }, (_, index) => nodeSigner(new Uint8Array(32).fill(index + 10)))
  const all = links.map((node, index) => forged(links[index - 1] ?? founder, node.id))
  const roster = mergeRoster(foundedRoster(cast), all)
  expect(links.filter(node => isMember(roster, node.id)).length).toBe(trustLimits.chainLinks - 1)
})

test('records without a chain are bounded, and say nothing in the digest', () => {
  const start = foundedRoster(cast)
  const junk = Array.from({ length: trustLimits.rosterOrphans + 5 }, (_, index) =>
    forged(mallory, eve.id, { counter: index + 1 }),
  )
  const { roster, refused, added } = mergeReport(start, junk)
  expect(roster.records.size).toBe(1 + trustLimits.rosterOrphans)
  expect([added.length, refused.length]).toEqual([trustLimits.rosterOrphans, 5])
  expect(refused[0]?.error).toEqual(code('ROSTER_FULL'))
  expect(digest(roster)).toBe(digest(start))
})

test('a roster survives the store', () => {
  const roster = removed(chain(), founder, bert.id)
  const read = recordsOf(roster).map(record => readRecord(wireOf(record)))
  expect(digest(mergeRoster(emptyRoster(mesh.mesh), read))).toBe(digest(roster))
  expect(lastRecordOf(roster, bert.id)?.record.subject).toBe(bert.id)
})

// --- laws -------------------------------------------------------------------------------------------------------------------------------

const people = [founder, anna, bert, cleo, mallory]
const someone = fc.constantFrom(...people)
const small = fc.integer({ min: 1, max: 3 })
const founding = recordsOf(foundedRoster(cast))
const anyMember = fc
  .record({
    by: someone,
    who: someone,
    counter: small,
    issuerCounter: small,
    via: fc.constantFrom('window', 'approval'),
    admits: fc.boolean(),
  })
  .map(({ by, who, via, admits, ...rest }) =>
    forged(by, who.id, { ...rest, via: via === 'window' ? 'window' : 'approval', rights: { admit: admits, host: true } }),
  )
const members = fc.array(anyMember, { maxLength: 7 })
/** Records of all kinds by anyone about anyone, removals that keep some of them among them. */
const anyRecords = fc
  .tuple(members, fc.array(fc.record({ by: someone, who: someone, counter: small, keep: fc.nat(6) }), { maxLength: 4 }))
  .map(([records, removals]) => [
    ...records,
    ...removals.map(({ by, who, counter, keep }) => {
      const kept = records[keep]
      return removal(
        signRemovalRecord({
          mesh: mesh.mesh,
          subject: who.id,
          counter,
          reason: '',
          keeps: kept === undefined ? [] : [kept.signed.hash],
          by,
        }),
      )
    }),
  ])
const picture = (roster: Roster) => ({
  digest: digest(roster),
  members: [...roster.judgement.members].map(([id, signed]) => `${id} ${signed.hash}`).toSorted(),
  removed: [...roster.judgement.removedUpTo].map(([id, upTo]) => `${id} ${upTo}`).toSorted(),
})
const runs = { numRuns: 60 }

test('merging is commutative, associative and idempotent', () => {
  const start = mergeRoster(emptyRoster(mesh.mesh), founding)
  fc.assert(
    fc.property(anyRecords, anyRecords, anyRecords, (a, b, c) => {
      const whole = picture(mergeRoster(start, [...a, ...b, ...c]))
      expect(picture(mergeRoster(mergeRoster(start, b), [...c, ...a]))).toEqual(whole)
      expect(picture(mergeRoster(mergeRoster(mergeRoster(start, c), b), a))).toEqual(whole)
      expect(picture(mergeRoster(mergeRoster(start, a), recordsOf(mergeRoster(mergeRoster(start, b), c))))).toEqual(whole)
      expect(picture(mergeRoster(mergeRoster(start, [...a, ...b, ...c]), [...b, ...a]))).toEqual(whole)
    }),
    runs,
  )
})

test('nobody is a member by a record at or below a removal of it that took effect', () => {
  fc.assert(
    fc.property(anyRecords, records => {
      const roster = mergeRoster(emptyRoster(mesh.mesh), [...founding, ...records])
      for (const [id, upTo] of roster.judgement.removedUpTo)
        expect(memberOf(roster, id)?.counter ?? upTo + 1).toBeGreaterThan(upTo)
    }),
    runs,
  )
})

test('without removals, the members are those a slow search from the mesh key finds', () => {
  fc.assert(
    fc.property(members, records => {
      const roster = mergeRoster(emptyRoster(mesh.mesh), [...founding, ...records])
      const may = new Map([[founder.id, 1]])
      const found = new Set([founder.id])
      for (let round = 0; round < 10; round += 1) {
        for (const each of records) {
          if (each.kind !== 'member') continue
          const { issuer, issuerCounter, subject, rights, via, counter } = each.signed.record
          if ((may.get(issuer) ?? 0) < issuerCounter) continue
          found.add(subject)
          if (rights.admit && via !== 'window') may.set(subject, Math.max(counter, may.get(subject) ?? 0))
        }
      }
      expect(new Set(roster.judgement.members.keys())).toEqual(found)
    }),
    runs,
  )
})
