import { expect, test } from 'vitest'
import type { Member } from '../gossip/mesh.ts'
import { memberWarnings } from './member-warnings.ts'

const member = (name: string, admit: boolean, state: Member['state'] = 'green'): Member => ({
  id: `id-of-${name}`,
  name,
  role: 'edge',
  state,
  via: admit ? 'founder' : 'window',
  rights: { admit, host: true },
  addresses: [],
  heardByMdns: true,
  rttMs: 1,
  ageMs: 0,
})

test('a member that nobody has confirmed is named with the command that does', () => {
  expect(memberWarnings([member('lab3', true), member('vrone', false)])).toEqual([
    'vrone was let in by the join window and may admit nobody until a person confirms it: `shoal approve vrone`',
  ])
  expect(memberWarnings([member('lab3', true)])).toEqual([])
  expect(memberWarnings([])).toEqual([])
})

test('many are counted, not all named', () => {
  const many = Array.from({ length: 30 }, (_, index) => member(`n${index}`, false))
  expect(memberWarnings([member('lab3', true), ...many]).at(-1)).toBe(
    '22 more members are not confirmed: `shoal approve` lists them',
  )
})

test('a mesh in which nobody who may admit is left says so', () => {
  expect(memberWarnings([member('lab3', true, 'lost'), member('lab4', true, 'leaving')])).toEqual([
    'no member that may admit is here (lab3, lab4): nobody can come in until one is back',
  ])
  expect(memberWarnings([member('lab3', true, 'lost'), member('lab4', true, 'red')])).toEqual([])
})
