import { expect, test } from 'vitest'
import { webSpec } from '../test/sim/service-node.ts'
import { findNode, findService } from './service-lookup.ts'

const service = (id: string, name: string, deleted = false) => ({
  ...{ id, spec: webSpec({ name }), owner: 'n', epoch: 1, counter: 0, state: 'running' as const, reason: '', deleted },
})
const all = [service('aa11', 'web'), service('aa22', 'web-2'), service('bb33', 'db'), service('cc44', 'gone', true)]

test.each([
  { ref: 'aa22', id: 'aa22', says: 'an id' },
  { ref: 'web', id: 'aa11', says: 'a whole name before the beginning of another' },
  { ref: 'd', id: 'bb33', says: 'the beginning of a name' },
  { ref: 'aa1', id: 'aa11', says: 'the beginning of an id' },
])('$says means its service', ({ ref, id }) => expect(findService(all, ref).id).toBe(id))

test.each(['gone', 'nothing', ''])('%j means no service', ref => {
  expect(() => findService(all, ref)).toThrow(expect.objectContaining({ code: 'SERVICE_NOT_FOUND' }))
})

test('a beginning that fits several names them', () => {
  expect(() => findService(all, 'aa')).toThrow(
    expect.objectContaining({ code: 'SERVICE_AMBIGUOUS', message: 'aa may be web (aa11), web-2 (aa22)' }),
  )
})

test('a node is found by name, id or beginning', () => {
  const nodes = [
    { id: '12D3a', name: 'lab3' },
    { id: '12D3b', name: 'lab4' },
  ]
  expect(findNode(nodes, 'lab4').id).toBe('12D3b')
  expect(findNode(nodes, '12D3a').name).toBe('lab3')
  expect(() => findNode(nodes, 'lab')).toThrow(expect.objectContaining({ code: 'NODE_AMBIGUOUS' }))
  expect(() => findNode(nodes, 'mec')).toThrow(expect.objectContaining({ code: 'NODE_NOT_FOUND' }))
})
