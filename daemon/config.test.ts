// Where a setting may come from, what wins, and how a wrong one is told.

import { expect, test } from 'vitest'
import { lab } from '../placement/presets.ts'
import { migrate } from './config-migrations.ts'
import { CONFIG_VERSION, envName, flagName, settings } from './config-schema.ts'
import { apiAddress, bytesOf, type ConfigSources, loadConfig, placementSettings } from './config.ts'

const load = (more: Partial<ConfigSources> = {}) => loadConfig({ env: {}, flags: {}, hostname: 'edge-3.example.org', ...more })
const file = (text: string) => ({ file: { path: '/etc/shoal/shoal.yaml', text } })

test('without a word said, everything has a value, and the name is the host name', () => {
  const { config, origin, warnings } = load()
  expect(config).toMatchObject({ name: 'edge-3', role: 'edge', port: 4747, api: '127.0.0.1:4748', intervalMs: 5000, mdns: true })
  expect(config).toMatchObject({ socket: '/run/shoal/shoal.sock', dataDir: '/var/lib/shoal', engineSocket: '/run/docker.sock' })
  expect(origin).toMatchObject({ name: 'host name', port: 'default' })
  expect(warnings).toEqual([])
})

test('a flag wins over a variable, a variable over the file, the file over the preset', () => {
  const sources = {
    ...file('preset: lab\nport: 1\nthresholds:\n  cpuPct: 61\n  ramPct: 62\n'),
    env: { SHOAL_PORT: '2', SHOAL_THRESHOLDS_RAM_PCT: '63' },
    flags: { port: '3' },
  }
  const { config, origin } = load(sources)
  expect(config.port).toBe(3)
  expect(config.thresholds).toMatchObject({ cpuPct: 61, ramPct: 63 })
  expect(config.intervalMs).toBe(1000)
  expect(origin).toMatchObject({
    port: '--port',
    'thresholds.ramPct': 'SHOAL_THRESHOLDS_RAM_PCT',
    'thresholds.cpuPct': '/etc/shoal/shoal.yaml',
    intervalMs: 'preset lab',
  })
})

test('an API that others can reach is warned of at every start; one on loopback is not', () => {
  const { warnings } = load({ flags: { api: '0.0.0.0:4748', apiAllowRemote: 'true' } })
  expect(warnings).toEqual([expect.stringMatching(/0\.0\.0\.0:4748 asks nobody who they are.*root/)])
  expect(load({ flags: { apiAllowRemote: 'true' } }).warnings).toEqual([])
})

test("the preset lab is placement's own", () => {
  expect(placementSettings(load({ flags: { preset: 'lab' } }).config)).toEqual(lab)
})

test('one data directory is enough for a second node on a host', () => {
  const { config, origin } = load({ flags: { dataDir: '/tmp/two' } })
  expect(config).toMatchObject({ runDir: '/tmp/two/run', socket: '/tmp/two/run/shoal.sock' })
  expect(origin['socket']).toBe('run dir')
  expect(load({ flags: { dataDir: '/tmp/two', socket: '/s' } }).config).toMatchObject({ runDir: '/tmp/two/run', socket: '/s' })
})

test.each([
  {
    says: 'a misspelt key names the one meant',
    given: file('prot: 4747\n'),
    code: 'CONFIG_UNKNOWN_KEY',
    hint: /did you mean port\?/,
  },
  {
    says: 'a misspelt key of a group too',
    given: file('thresholds:\n  cpuPc: 5\n'),
    code: 'CONFIG_UNKNOWN_KEY',
    hint: /thresholds\.cpuPct/,
  },
  { says: 'a group given one value', given: file('thresholds: 50\n'), code: 'CONFIG_UNKNOWN_KEY', hint: /thresholds\.cpuPct/ },
  { says: 'an unknown flag', given: { flags: { intervalMS: '5' } }, code: 'CONFIG_UNKNOWN_KEY', hint: /intervalMs/ },
  {
    says: 'a word where a number belongs',
    given: { env: { SHOAL_PORT: 'ten' } },
    code: 'CONFIG_INVALID',
    what: /port .*SHOAL_PORT says "ten"/,
  },
  {
    says: 'a number out of range',
    given: file('intervalMs: 5\n'),
    code: 'CONFIG_INVALID',
    what: /intervalMs must be >= 100.*shoal\.yaml says 5/,
  },
  {
    says: 'a role that is none',
    given: file('role: master\n'),
    code: 'CONFIG_INVALID',
    what: /role must be one of edge, cloud, client/,
  },
  {
    says: 'a preset that is none',
    given: { flags: { preset: 'wan' } },
    code: 'CONFIG_INVALID',
    what: /preset must be one of lan, lab/,
  },
  { says: 'text that is no YAML', given: file('a: [1\n'), code: 'CONFIG_INVALID', what: /no YAML/ },
  { says: 'a list instead of settings', given: file('- 1\n'), code: 'CONFIG_INVALID', what: /no settings/ },
  {
    says: 'an API others can reach',
    given: { flags: { api: '0.0.0.0:4748' } },
    code: 'CONFIG_INVALID',
    what: /reached by others/,
  },
  { says: 'one port for two things', given: { flags: { port: '4748' } }, code: 'CONFIG_INVALID', what: /both have port 4748/ },
  {
    says: 'a wait shorter than the listening',
    given: { flags: { waitMs: '5' } },
    code: 'CONFIG_INVALID',
    what: /shorter than listenMs/,
  },
  { says: 'no green left', given: { flags: { 'thresholds.cpuPct': '5' } }, code: 'CONFIG_INVALID', what: /leaves no green/ },
  {
    says: 'a socket too long for the kernel',
    given: { flags: { dataDir: `/${'x'.repeat(120)}` } },
    code: 'CONFIG_INVALID',
    what: /socket/,
  },
  { says: 'a newer version', given: file('version: 99\n'), code: 'CONFIG_VERSION', what: /99/ },
])('refused, with the place and the way out: $says', ({ given, code, what = /./, hint = /./ }) => {
  expect(() => load(given)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(what), hint: expect.stringMatching(hint) }),
  )
})

test('a variable that is no setting is told, one of the command line or of the lab is not', () => {
  const { warnings } = load({
    env: { SHOAL_PROT: '1', SHOAL_HOST: 'http://x', SHOAL_LAB_RATE: '', SHOAL_VRONE_CPUS: '1', PATH: '/' },
  })
  expect(warnings).toEqual(['the variable SHOAL_PROT is no setting of Shoal: did you mean SHOAL_PORT?'])
})

test('on and off may be written as people write them', () => {
  expect(load({ env: { SHOAL_MDNS: 'off', SHOAL_STATELESS_ONLY: '1' } }).config).toMatchObject({
    mdns: false,
    statelessOnly: true,
  })
})

test('optional settings stay absent until they are said', () => {
  expect(load().config).not.toHaveProperty('networkId')
  expect(load(file('networkId: hall-2\ncapacity:\n  cores: 0.5\n')).config).toMatchObject({
    networkId: 'hall-2',
    capacity: { cores: 0.5 },
  })
})

test('a configuration cannot be changed once it is loaded', () => {
  const { config } = load()
  expect(Object.isFrozen(config.thresholds)).toBe(true)
  expect(() => Reflect.set(config.thresholds, 'cpuPct', 1) || expect.fail('frozen')).toThrow()
})

test('an older file is brought up to date in memory, step by step', () => {
  const steps = [
    {
      from: 1,
      says: 'port was called tcpPort',
      step: ({ tcpPort, ...rest }: Readonly<Record<string, unknown>>) => ({ ...rest, port: tcpPort }),
    },
    {
      from: 2,
      says: 'name was called id',
      step: ({ id, ...rest }: Readonly<Record<string, unknown>>) => ({ ...rest, name: id }),
    },
  ]
  const { document, applied } = migrate({ version: 1, tcpPort: 5, id: 'a' }, 3, steps)
  expect(document).toEqual({ version: 3, port: 5, name: 'a' })
  expect(applied).toEqual(['1 → 2: port was called tcpPort', '2 → 3: name was called id'])
  expect(() => migrate({ version: 1 }, 2, [])).toThrow(expect.objectContaining({ code: 'CONFIG_VERSION' }))
})

test('every setting says what it is, has a default unless it is optional, and names of its own', () => {
  const all = settings()
  expect(all.filter(({ schema }) => (schema.description ?? '') === '').map(({ key }) => key)).toEqual([])
  expect(all.filter(({ schema, optional }) => (schema.default === undefined) !== optional).map(({ key }) => key)).toEqual([])
  expect(new Set(all.map(({ key }) => envName(key))).size).toBe(all.length)
  expect(envName('thresholds.cpuPct')).toBe('SHOAL_THRESHOLDS_CPU_PCT')
  expect(flagName('dataDir')).toBe('--data-dir')
  expect(all.find(({ key }) => key === 'version')?.schema.default).toBe(CONFIG_VERSION)
})

test('addresses and sizes are read as written', () => {
  expect(apiAddress(load({ flags: { api: '[::1]:80' } }).config)).toEqual({ host: '::1', port: 80 })
  expect([bytesOf('2Gi'), bytesOf('1.5Mi'), bytesOf('7')]).toEqual([2 * 1024 ** 3, 1.5 * 1024 ** 2, 7])
})
