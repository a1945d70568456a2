import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { simActions } from '../../test/sim/node-actions.ts'
import { simWorld } from '../../test/sim/service-node.ts'
import { openApi } from '../api/server.ts'
import type { Cli } from './cli.ts'
import { exitCodeFor } from './exit-code.ts'
import { failureInWords } from './failure.ts'
import type { HostActions, NodeFlags } from './host-actions.ts'
import { buildProgram } from './program.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** One daemon for the tests that change nothing in it. */
let quiet: Awaited<ReturnType<typeof shell>>
const quietEnds: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  quiet = await shell()
  quietEnds.push(...ends.splice(0))
})
afterAll(async () => {
  for (const end of quietEnds) await end()
})

/** A daemon on a unix socket and `shoal` as a person types it: what it prints, and its exit status. */
async function shell() {
  const world = simWorld()
  const lab3 = await world.node('lab3')
  const vrone = await world.node('vrone')
  const { actions, outcome, feed } = simActions(world, lab3)
  const folder = await mkdtemp(join(tmpdir(), 'shoal-cli-'))
  const socket = join(folder, 'shoal.sock')
  const api = await openApi({ actions, onInternalError: () => undefined }, { names: [] }, { host: '127.0.0.1', port: 0, socket })
  ends.push(
    () => rm(folder, { recursive: true }),
    () => api.close(),
  )
  const started: NodeFlags[] = []
  const host: HostActions = {
    up: async flags => void started.push(flags),
    config: async () => ({ settings: [{ key: 'port', value: 1, origin: '--port' }] }),
    doctor: async () => ({ checks: [{ name: 'host', level: 'failed', says: 'no engine', hint: 'install one' }] }),
    setup: async () => ({ diff: '+ runtimes\n', apply: async () => ['changed daemon.json'] }),
  }
  const shoal = async (
    line: string | readonly string[],
    env: Cli['env'] = { SHOAL_SOCKET: socket },
    signal = new AbortController().signal,
  ) => {
    const printed = { out: '', err: '' }
    const exit = { code: 0 }
    const cli: Cli = {
      ...{ env, exit, signal, terminal: false, host },
      out: text => void (printed.out += text),
      hint: text => void (printed.err += `${text}\n`),
      readFile: async () => '# a comment\nFROM_FILE=1\n',
      ask: async () => '',
    }
    const words = typeof line === 'string' ? line.split(' ') : line
    try {
      await buildProgram({ cli, version: '0.1.0' }).parseAsync(['node', 'shoal', ...words])
      return { ...printed, code: exit.code }
    } catch (error) {
      return { out: printed.out, err: `${printed.err}${failureInWords(error)}`, code: exitCodeFor(error) }
    }
  }
  return { shoal, outcome, feed, started, lab3, vrone, socket, url: api.url }
}

test('run prints the id alone to standard output and says the rest beside it', async () => {
  const { shoal, vrone } = await shell()
  const ran = await shoal([
    'run',
    '--name',
    'shop',
    '--node',
    'vrone',
    '--cpus',
    '0.5',
    '-m',
    '256m',
    '-e',
    'A=b',
    'web',
    '--port',
    '80',
  ])
  expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^[0-9a-f]{32}\n$/), err: 'shop runs on vrone\n' })
  expect(vrone.mesh.services.get(ran.out.trim())?.spec).toMatchObject({
    args: ['--port', '80'],
    env: ['A=b'],
    profile: { cpu: '0.5', ram: '256Mi' },
    type: 'stateful',
  })
})

test("variables come from here, from files and from the line, as with Docker's run", async () => {
  const { shoal, lab3, socket } = await shell()
  const ran = await shoal('run -e HOME_HERE -e NOT_SET --env-file vars -e X=1 web', { SHOAL_SOCKET: socket, HOME_HERE: 'yes' })
  expect(lab3.mesh.services.get(ran.out.trim())?.spec.env).toEqual(['FROM_FILE=1', 'HOME_HERE=yes', 'X=1'])
})

test('ls is an aligned table with one line per service', async () => {
  const { shoal } = await shell()
  await shoal('run --name shop web')
  await shoal('run --name a-longer-name --type stateless web')
  const lines = (await shoal('ls')).out.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^NAME +TYPE +NODE +STATE +EPOCH +PROFILE +IMAGE +ID$/)
  expect(lines[1]).toMatch(/^a-longer-name +stateless +lab3 +running +1 +- +web +[0-9a-f]{12}$/)
  expect(lines[2]?.indexOf('stateful')).toBe(lines[0]?.indexOf('TYPE'))
})

test("--json is the API's own answer, and -q ids only", async () => {
  const { shoal } = await shell()
  const { out: id } = await shoal('run --name shop web')
  expect(JSON.parse((await shoal('ls --json')).out)).toMatchObject({ services: [{ name: 'shop', node: 'lab3', profile: null }] })
  expect((await shoal('ls -q')).out).toBe(id)
  expect(JSON.parse((await shoal('inspect --json shop')).out)).toMatchObject({ name: 'shop', restart: 'no' })
})

test('ps hides what does not run unless asked for', async () => {
  const { shoal } = await shell()
  await shoal('run --name shop web')
  await shoal('stop shop')
  expect((await shoal('ps')).out).not.toContain('shop')
  expect((await shoal('ps -a')).out).toMatch(/stopped \(stopped by hand\)/)
})

test.each([
  { line: 'inspect nobody', code: 3, says: '`shoal ls` lists' },
  { line: 'run nginx', code: 4, says: 'docker pull nginx' },
  { line: 'run --type odd web', code: 2, says: 'Allowed choices are stateful, stateless' },
  { line: 'run --cpu lots web', code: 2, says: '0.5' },
  { line: 'run --node mars web', code: 3, says: 'shoal node ls' },
  { line: 'run', code: 2, says: "missing required argument 'image'" },
  { line: 'stop --time soon web', code: 2, says: 'seconds' },
  { line: 'profile set web', code: 2, says: '--cpu, --ram or --gpu' },
  { line: 'profile rm web', code: 3, says: 'profile ls' },
  { line: 'invite --ttl long', code: 2, says: '1h30m' },
  { line: 'moves inspect nothing', code: 3, says: 'shoal moves ls' },
  { line: 'ls --nothing', code: 2, says: '--nothing' },
  { line: 'inpsect web', code: 2, says: 'Did you mean inspect?' },
])('`shoal $line` ends with $code and says what to do', async ({ line, code, says }) => {
  const answer = await quiet.shoal(line)
  expect(answer.code).toBe(code)
  expect(answer.err).toContain(says)
  expect(answer.out).toBe('')
})

test('a name in use ends with 8, a running service is not removed', async () => {
  const { shoal } = await shell()
  await shoal('run --name shop web')
  expect(await shoal('run --name shop web')).toMatchObject({ code: 8, err: expect.stringContaining('shoal rm shop') })
  expect(await shoal('rm shop')).toMatchObject({ code: 8 })
  expect(await shoal('rm -f shop')).toMatchObject({ code: 0, out: 'shop\n' })
})

test('of several services each is tried; the first failure sets the exit status', async () => {
  const { shoal } = await shell()
  await shoal('run --name shop web')
  expect(await shoal('stop nobody shop')).toMatchObject({ code: 3, out: 'shop\n', err: expect.stringContaining('nobody') })
})

test('where no daemon runs it ends with 6 and says how to start one', async () => {
  const { shoal } = quiet
  expect(await shoal('ls', { SHOAL_SOCKET: '/nonexistent/shoal.sock' })).toMatchObject({
    code: 6,
    err: expect.stringContaining('shoal up'),
  })
})

test('the daemon is found by URL as well: by flag, or by SHOAL_HOST', async () => {
  const { shoal, url } = await shell()
  expect((await shoal(['--host', url, 'status'], {})).out).toMatch(/^mesh mesh-1 · lab3 · 1 peers/)
  expect((await shoal('status', { SHOAL_HOST: url })).code).toBe(0)
})

test.each([
  { outcome: 'done', code: 0, says: '' },
  { outcome: 'refused', code: 4, says: 'no room' },
  { outcome: 'failed', code: 1, says: 'it runs on where it was' },
  { outcome: 'unresolved', code: 7, says: 'stays frozen' },
] as const)('a move that ends $outcome ends with $code', async ({ outcome: how, code, says }) => {
  const { shoal, outcome } = await shell()
  await shoal('run --name shop web')
  outcome.value = how
  const moved = await shoal('move shop vrone')
  expect(moved).toMatchObject({ code, err: expect.stringContaining(says) })
  if (how === 'done') expect(moved.out).toBe('shop runs on vrone: 1.9 s in all, 312 ms frozen, 64.0 MiB\n')
})

test('a dry run says where, why, and why not elsewhere', async () => {
  const { shoal } = await shell()
  await shoal('run --name shop web')
  const plan = await shoal('move shop --dry-run')
  expect(plan.out).toContain('least utilised of the same network')
  expect(plan.out).toContain('49 + 10 is not below 50 % CPU')
  expect((await shoal('explain shop')).out).toMatch(/\n\nlast decision: shop moved lab4 -> lab3 12:04:31\n$/)
  expect(JSON.parse((await shoal('explain shop --json')).out)).toMatchObject({
    verdict: { kind: 'move' },
    last: { outcome: 'moved' },
  })
})

test('moves, nodes, profiles, strategy, status and the rest are shown', async () => {
  const { shoal } = await shell()
  await shoal('run --name shop web')
  await shoal('move shop')
  expect((await shoal('moves ls')).out).toMatch(/shop +lab3 +vrone +stop-copy +done +312 ms ± 4 ms/)
  expect((await shoal('moves inspect move-1')).out).toMatch(/transfer +300 ms/)
  expect((await shoal('node ls')).out).toMatch(/^NAME +ROLE[^\n]*\nlab3 \* +edge +green/)
  expect((await shoal('node inspect vrone')).out).toContain('not reported yet')
  expect((await shoal('profile set web --cpu 10%')).out).toMatch(/web +10% +- +- +1/)
  expect((await shoal('strategy set algorithm-2 --exact')).out).toContain('algorithm-2')
  expect((await shoal('status')).err).toContain('warning: no shim here')
  expect((await shoal('approve')).out).toContain('stranger-1')
  expect((await shoal('invite --role cloud')).out).toBe('shoal1-token\n')
  expect((await shoal('open --for 2m')).code).toBe(0)
  expect((await shoal('join shoal1-token')).out).toBe('mesh-1\n')
  expect((await shoal('config show --origin')).out).toMatch(/port +4747 +default/)
  expect(await shoal('node rm vrone')).toMatchObject({ code: 0, out: 'vrone\n' })
  expect((await shoal('node ls')).out).not.toContain('vrone')
  expect((await shoal('version --json')).out).toContain('"daemon": "0.1.0"')
})

test('doctor ends with 1 only when a check failed, and for warnings with --strict', async () => {
  const { shoal } = quiet
  expect(await shoal('doctor')).toMatchObject({ code: 0, err: expect.stringContaining('apt install criu') })
  expect((await shoal('doctor --strict')).code).toBe(1)
  const alone = await shoal('doctor', { SHOAL_SOCKET: '/nonexistent' })
  expect(alone).toMatchObject({ code: 1, out: expect.stringContaining('no engine') })
})

test('setup shows what it would change and changes nothing without a yes', async () => {
  const { shoal } = quiet
  expect(await shoal('setup')).toMatchObject({
    code: 2,
    out: '+ runtimes\n',
    err: expect.stringContaining('nothing was changed'),
  })
  expect(await shoal('setup --yes')).toMatchObject({ code: 0, err: 'changed daemon.json\n' })
})

test('up takes any setting as a flag', async () => {
  const { shoal, started } = await shell()
  expect((await shoal('up --config x.yaml --data-dir /tmp/two --mdns=false')).code).toBe(0)
  expect(started).toEqual([{ configFile: 'x.yaml', words: ['--data-dir', '/tmp/two', '--mdns=false'] }])
})

test('logs print what the program printed, and JSON lines when asked', async () => {
  const { shoal, lab3 } = await shell()
  const { out: id } = await shoal('run --name shop web')
  lab3.engine.print(lab3.services.containerOf(id.trim()) ?? '', 'hello\n')
  expect((await shoal('logs -n 1 shop')).out).toBe('hello\n')
  expect(JSON.parse((await shoal('logs -n 1 --json shop')).out)).toMatchObject({ line: 'hello', node: 'lab3' })
})

test('every verb has two examples in its help', async () => {
  const { shoal } = quiet
  const verbs = [
    'up',
    'setup',
    'doctor',
    'status',
    'version',
    'config show',
    'run',
    'ls',
    'ps',
    'inspect',
    'logs',
    'stop',
    'start',
    'rm',
    'move',
  ]
  const nouns = [
    'moves ls',
    'moves inspect',
    'explain',
    'strategy get',
    'strategy set',
    'profile ls',
    'profile set',
    'profile rm',
    'node ls',
  ]
  for (const verb of [...verbs, ...nouns, 'node inspect', 'node rm', 'approve', 'invite', 'join', 'open', 'events']) {
    const { out, code } = await shoal(`${verb} --help`)
    expect([verb, code, out.split('\n').filter(line => line.startsWith('  $ shoal')).length]).toEqual([verb, 0, 2])
  }
})
