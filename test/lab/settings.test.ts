import { expect, test } from 'vitest'
import { nodeLimits } from './limits.ts'
import { bridgeOf, chooseNet, composeVariables, mayBePrivileged } from './settings.ts'

test('a lab takes addresses nobody on this machine uses', () => {
  const first = chooseNet('demo', [])
  expect(first).toMatch(/^10\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])$/)
  expect(chooseNet('demo', ['10.1.2.0/24', '192.168.0.1'])).toBe(first)
  const second = chooseNet('demo', [`${first}.1.0/24`])
  expect(second).not.toBe(first)
  expect(chooseNet('demo', [`${first}.1.0/24`, `${second}.9.254`])).not.toBe(second)
})

test('when every address is taken the lab says so and what to do', () => {
  const all = Array.from({ length: 256 }, (_, index) => `10.${index}.0.0/16`)
  expect(() => chooseNet('demo', all)).toThrow(
    expect.objectContaining({ code: 'LAB_UNAVAILABLE', hint: expect.stringContaining('down --all') }),
  )
})

test('a bridge name fits into an interface name and differs between projects', () => {
  expect(`${bridgeOf('a rather long project name')}-w`.length).toBeLessThanOrEqual(15)
  expect(bridgeOf('a')).not.toBe(bridgeOf('b'))
})

test('limits reach compose as variables, one pair a node', () => {
  const limits = { ...nodeLimits, lab3: { cpus: 0.25, memory: '512m' } }
  const variables = composeVariables({
    project: 'p',
    net: '10.70',
    bridge: 'b',
    image: 'i',
    dist: '/d',
    privileged: false,
    limits,
    rate: undefined,
  })
  expect(variables).toMatchObject({
    SHOAL_LAB3_CPUS: '0.25',
    SHOAL_LAB3_MEM: '512m',
    SHOAL_MEC_MEM: '4g',
    SHOAL_RATE: '',
    SHOAL_PRIVILEGED: 'false',
  })
})

test.each([
  { says: 'all capabilities: privileged works', status: 'CapBnd:\t000001ffffffffff\n', may: true },
  { says: 'no CAP_SYS_RESOURCE: it would not start', status: 'Name:\tx\nCapBnd:\t000001fffeffffff\n', may: false },
  { says: 'an unknown kernel: rather not', status: '', may: false },
])('$says', ({ status, may }) => expect(mayBePrivileged(status)).toBe(may))
