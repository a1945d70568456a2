// What a node says to a person who makes a mistake, and what it lets nobody do: the life of `shoal up`, `setup` and `doctor` on one real host, and
// requests to the API that a browser, a stranger or a slip of the hand would send. Each refusal is one clear line, a hint and an exit status.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { ErrorBody } from '../../daemon/api/schema/error.ts'
import type { DoctorReply } from '../../daemon/api/schema/upkeep.ts'
import { identityOf } from './containers.ts'
import { eventually } from './eventually.ts'
import type { CommandResult } from './host-command.ts'
import { meshUpMs } from './limits.ts'
import { nodesSeenBy, startNodeDaemon, statusOf } from './mesh.ts'
import type { LabNode } from './node.ts'
import { useLab } from './use-lab.ts'

const lab = useLab({ project: `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-cli`, nodes: ['vrone'] })
const vrone = (): LabNode => lab().node('vrone')

const daemonJson = '/etc/docker/daemon.json'
const criuConf = '/etc/criu/runc.conf'

/** Text of a file in the node; undefined when there is none. */
function text(path: string): string | undefined {
  try {
    return readFileSync(vrone().path(path), 'utf8')
  } catch {
    return undefined
  }
}

const checks = async (...flags: readonly string[]) => {
  const { stdout, code } = await vrone().shoal('doctor', '--json', ...flags)
  return { code, checks: (JSON.parse(stdout) as DoctorReply).checks }
}

/** What the node says of itself in its load report, once it has taken a sample. */
const capability = () =>
  eventually(async () => (await nodesSeenBy(vrone()))[0]?.capability, {
    deadlineMs: meshUpMs,
    says: 'vrone has reported what it can',
  })

/** What a command line ends with that could not do its work: `shoal: what`, the hint below it, nothing on standard output. */
function saysNo({ code, stdout, stderr }: CommandResult, expected: number, words: RegExp): void {
  const lines = stderr.split('\n').filter(line => !line.startsWith('{'))
  expect({ code, stdout, said: lines.join('\n') }).toEqual({ code: expected, stdout: '', said: expect.stringMatching(words) })
  expect(stderr).not.toMatch(/^ +at /m)
  expect(lines.find(line => line.startsWith('shoal: '))?.length).toBeGreaterThan(15)
  expect(lines.find(line => line.startsWith('  '))?.length, `a hint in: ${stderr}`).toBeGreaterThan(5)
}

test('without setup `shoal up` edits nothing, runs stateless only, and says so in status, doctor and its own report', async () => {
  const node = vrone()
  const before = [text(daemonJson), text(criuConf)]
  await node.startDaemon({ env: { SHOAL_PRESET: 'lab', SHOAL_NAME: 'vrone' } })
  expect((await statusOf(node)).warnings.join('\n')).toMatch(/stateless only: .*setup/)
  expect((await node.shoal('status')).stderr).toMatch(/warning: stateless only/)
  expect(node.daemonLog()).toMatch(/stateless only/)
  expect(await capability()).toMatchObject({ shim: false, modes: [] })
  const found = (await checks()).checks.filter(({ level }) => level !== 'ok')
  expect(found.map(({ hint }) => hint).join('\n')).toMatch(/shoal setup/)
  expect([text(daemonJson), text(criuConf)]).toEqual(before)
  expect(await node.stopDaemon()).toBe(0)
})

test('`shoal setup` shows a diff, asks, and changes nothing when nobody says yes', async () => {
  const node = vrone()
  node.writeFile(daemonJson, '{\n    "shutdown-timeout": 20\n}\n')
  const before = [text(daemonJson), text(criuConf)]
  const dry = await node.shoal('setup', '--dry-run')
  expect(dry.code).toBe(0)
  expect(dry.stdout).toMatch(/^\+.*"runtimes"/m)
  expect(dry.stdout).toContain(daemonJson)
  expect(dry.stdout).toMatch(/^\+tcp-close$/m)
  const asked = await node.shoal('setup')
  expect(asked).toMatchObject({ code: 2, stdout: dry.stdout })
  expect(asked.stderr).toMatch(/nothing was changed[^]*--yes/)
  expect([text(daemonJson), text(criuConf)]).toEqual(before)
})

test('`setup --yes` does what it showed, keeps what was there, restarts no container; a second time there is nothing to do', async () => {
  const node = vrone()
  const bystander = await node.docker.createContainer({
    Image: await node.loadImage('ticker'),
    Cmd: ['1', '1000'],
    name: 'bystander',
  })
  await bystander.start()
  const before = identityOf(await bystander.inspect())
  expect((await node.shoal('setup', '--yes')).code).toBe(0)
  expect(JSON.parse(text(daemonJson) ?? '')).toMatchObject({
    'shutdown-timeout': 20,
    runtimes: { shoal: { path: expect.any(String) } },
  })
  expect(Object.keys((await node.docker.info()).Runtimes)).toContain('shoal')
  const [json, conf] = [text(daemonJson), text(criuConf)]
  expect(conf).toMatch(/^tcp-close$/m)
  const again = await node.shoal('setup', '--yes')
  expect(again).toMatchObject({ code: 0, stdout: '', stderr: expect.stringMatching(/nothing to do/) })
  expect([text(daemonJson), text(criuConf)]).toEqual([json, conf])
  expect(identityOf(await bystander.inspect())).toEqual(before)
})

test('with setup `doctor` says that memory can move here, with and without a daemon, and names what else it looked at', async () => {
  const node = vrone()
  const alone = await node.shoal('doctor')
  expect(alone.stderr).toMatch(/no daemon runs here/)
  expect(alone.stdout).toMatch(/● ok +/)
  await startNodeDaemon(node)
  const { code, checks: found } = await checks()
  expect(code).toBe(0)
  expect(found.filter(({ level }) => level === 'failed')).toEqual([])
  const said = found.map(({ name, says }) => `${name}: ${says}`).join('\n')
  for (const subject of [/engine/i, /criu/i, /multicast|mdns/i, /port/i, /gpu/i]) expect(said).toMatch(subject)
  expect(await capability()).toMatchObject({ shim: true, modes: ['stop-copy'], criu: expect.any(String) })
  expect((await statusOf(node)).warnings).toEqual([])
})

test('`setup --undo` gives the host back as it was, byte for byte', async () => {
  const node = vrone()
  await node.stopDaemon()
  const bystander = node.docker.getContainer('bystander')
  const before = identityOf(await bystander.inspect())
  const undone = await node.shoal('setup', '--undo', '--yes')
  expect(undone).toMatchObject({ code: 0, stdout: expect.stringMatching(/^-.*"shoal"/m) })
  // Docker forgets a runtime only when it starts; Shoal restarts no engine, and says so.
  expect(undone.stderr).toMatch(/until it is restarted/)
  expect(text(daemonJson)).toBe('{\n    "shutdown-timeout": 20\n}\n')
  expect(text(criuConf)).toBeUndefined()
  expect((await node.shoal('setup', '--undo', '--yes')).stderr).toMatch(/nothing to undo/)
  expect(identityOf(await bystander.inspect())).toEqual(before)
  await bystander.remove({ force: true })
})

test('a daemon.json that is broken is left as it is, and setup says where', async () => {
  const node = vrone()
  node.writeFile(daemonJson, '{ "shutdown-timeout": \n')
  saysNo(await node.shoal('setup', '--yes'), 1, /\/etc\/docker\/daemon\.json/)
  expect(text(daemonJson)).toBe('{ "shutdown-timeout": \n')
  node.writeFile(daemonJson, '{}\n')
})

test.each([
  ['an unknown key in the file, with the nearest', 'intervalMS: 100\n', [], 2, /unknown key intervalMS[^]*intervalMs/],
  ['a value that cannot be, with what it may be', 'role: boss\n', [], 2, /role must be one of edge, cloud, client[^]*boss/],
  ['a file that is no YAML', 'name: [\n', [], 2, /shoal\.yaml is no YAML/],
  ['an unknown flag, with the nearest', '', ['--data-dirr', '/tmp/x'], 2, /--data-dirr[^]*--data-dir/],
  ['an API open to others without a word', '', ['--api', '0.0.0.0:4748'], 2, /can be reached by others[^]*127\.0\.0\.1/],
  ['no engine on its socket', '', ['--engine-socket', '/run/none.sock'], 1, /\/run\/none\.sock/],
] as const)('`shoal up` refuses %s, and leaves nothing running', async (_what, file, flags, code, words) => {
  const node = vrone()
  node.writeFile('/etc/shoal/shoal.yaml', file)
  saysNo(await node.run(['shoal', 'up', ...flags], { deadlineMs: 20_000 }), code, words)
  expect((await node.run(['pgrep', '-f', 'shoal.mjs up'])).code).toBe(1)
  node.writeFile('/etc/shoal/shoal.yaml', '')
})

test('a setting comes from flag, variable, file or default, in this order, and `config show --origin` says from which', async () => {
  const node = vrone()
  node.writeFile('/etc/shoal/shoal.yaml', 'intervalMs: 2000\nport: 5000\nlogLevel: warn\n')
  const shown = await node.run(['shoal', 'config', 'show', '--origin', '--port', '6000'], {
    env: { SHOAL_PORT: '5500', SHOAL_LOG_LEVEL: 'error' },
  })
  expect(shown.code).toBe(0)
  expect(shown.stdout).toMatch(/^intervalMs +2000 +\/etc\/shoal\/shoal\.yaml$/m)
  expect(shown.stdout).toMatch(/^port +6000 +--port$/m)
  expect(shown.stdout).toMatch(/^logLevel +error +SHOAL_LOG_LEVEL$/m)
  expect(shown.stdout).toMatch(/^role +edge +default$/m)
  node.writeFile('/etc/shoal/shoal.yaml', '')
})

/** A second daemon beside the first, apart in everything that `but` does not say. */
const second = (...but: readonly string[]) => {
  const apart = ['--data-dir', '/tmp/second', '--port', '0', '--api', '127.0.0.1:0', '--mdns', 'false']
  return vrone().run(['shoal', 'up', ...apart, ...but], { deadlineMs: 20_000 })
}

test('a second daemon on the same data, port, API or socket is refused with the reason, and the first goes on', async () => {
  const node = vrone()
  await startNodeDaemon(node)
  const { node: self } = await statusOf(node)
  saysNo(await second('--data-dir', '/var/lib/shoal', '--socket', '/tmp/second.sock'), 1, /another Shoal|open|locked/i)
  saysNo(await second('--port', '4747'), 1, /4747/)
  saysNo(await second('--api', '127.0.0.1:4748'), 1, /127\.0\.0\.1:4748/)
  saysNo(await second('--socket', '/run/shoal/shoal.sock'), 1, /\/run\/shoal\/shoal\.sock/)
  expect((await statusOf(node)).node.id).toBe(self.id)
  expect(await node.shoal('status')).toMatchObject({ code: 0 })
})

test('several daemons live on one host with a data directory each, and the command line reaches each', async () => {
  const node = vrone()
  const flags = '--data-dir /tmp/third --port 0 --api 127.0.0.1:0 --mdns false --name third --preset lab'
  const up = await node.run([
    'sh',
    '-c',
    `shoal up ${flags} >/tmp/third.log 2>&1 & echo $!; for i in $(seq 100); do [ -S /tmp/third/run/shoal.sock ] && break; sleep 0.1; done`,
  ])
  const pid = up.stdout.trim()
  try {
    const status = await node.run(['shoal', '--socket', '/tmp/third/run/shoal.sock', 'status', '--json'])
    expect(JSON.parse(status.stdout)).toMatchObject({ node: { name: 'third' } })
    expect(await node.shoalJson('status')).toMatchObject({ node: { name: 'vrone' } })
  } finally {
    await node.run(['sh', '-c', `kill ${pid}; for i in $(seq 100); do kill -0 ${pid} 2>/dev/null || break; sleep 0.1; done`])
  }
  expect((await node.run(['test', '-e', '/tmp/third/run/shoal.sock'])).code).toBe(1)
})

/** A request to the API over TCP, sent in the node itself, as curl sends it. */
async function curl(path: string, ...args: readonly string[]): Promise<{ status: number; body: ErrorBody }> {
  const out = await vrone().output(['curl', '-s', '-w', '\n%{http_code}', ...args, `http://127.0.0.1:4748${path}`])
  const cut = out.lastIndexOf('\n')
  return { status: Number(out.slice(cut + 1)), body: JSON.parse(out.slice(0, cut)) as ErrorBody }
}
const json = ['-H', 'content-type: application/json'] as const

test('on TCP the API answers this host only: no other name, no page of another site', async () => {
  const node = vrone()
  expect(await curl('/api/status')).toMatchObject({ status: 200 })
  expect(await curl('/api/status', '-H', 'Origin: http://127.0.0.1:4748')).toMatchObject({ status: 200 })
  for (const [code, header] of [
    ['API_HOST_REFUSED', 'Host: evil.example'],
    ['API_HOST_REFUSED', 'Host: evil.example:4748'],
    ['API_HOST_REFUSED', 'Host: localhost.evil.example'],
    ['API_ORIGIN_REFUSED', 'Origin: https://evil.example'],
    ['API_ORIGIN_REFUSED', 'Origin: null'],
    ['API_ORIGIN_REFUSED', 'Sec-Fetch-Site: cross-site'],
  ] as const) {
    const { status, body } = await curl('/api/status', '-H', header)
    expect({ header, status, code: body.code, hint: body.hint.length > 5 }).toEqual({ header, status: 403, code, hint: true })
  }
  expect(
    await curl('/api/services', '-X', 'POST', '-H', 'Origin: https://evil.example', ...json, '-d', '{"image":"x"}'),
  ).toMatchObject({
    status: 403,
  })
  expect((await node.run(['curl', '-s', '-m', '2', `http://${node.ip}:4748/healthz`])).code).toBe(7)
})

test.each([
  ['no JSON', 400, 'POST', '/api/services', ['-d', '{"image":'], /JSON/],
  [
    'a form',
    400,
    'POST',
    '/api/services',
    ['-H', 'content-type: application/x-www-form-urlencoded', '-d', 'image=x'],
    /application\/json/,
  ],
  ['plain text', 400, 'POST', '/api/services', ['-H', 'content-type: text/plain', '-d', '{"image":"x"}'], /application\/json/],
  ['nothing', 400, 'POST', '/api/services', ['-d', '{}'], /image/],
  ['a field nobody knows', 400, 'POST', '/api/services', ['-d', '{"image":"x","privileged":true}'], /privileged/],
  ['a wrong type', 400, 'POST', '/api/services', ['-d', '{"image":"x","args":"one"}'], /args/],
  ['a name that is a path', 400, 'POST', '/api/services', ['-d', '{"image":"x","name":"../../etc"}'], /name/],
  ['a list where an object belongs', 400, 'PUT', '/api/profiles', ['-d', '[]'], /./],
  ['a quota nobody can read', 400, 'PUT', '/api/profiles', ['-d', '{"match":"web","profile":{"cpu":"-1"}}'], /cpu/],
  ['a strategy that is none', 400, 'PUT', '/api/strategy', ['-d', '{"name":"../algorithm"}'], /algorithm/],
  ['a negative time', 400, 'POST', '/api/services/x/stop', ['-d', '{"timeoutS":-1}'], /timeoutS/],
  ['a query that is no number', 400, 'GET', '/api/services/x/logs?tail=many', [], /tail/],
  ['a route that is none', 404, 'GET', '/api/nothing', [], /api\/nothing/],
  ['a service that is none', 404, 'GET', '/api/services/%2e%2e%2f', [], /./],
  ['a move that is none', 404, 'GET', '/api/moves/none', [], /none/],
] as const)(
  'a request with %s gets %i, a code, what is wrong and what to do',
  async (_what, status, method, path, args, words) => {
    const type = args.some(arg => arg.startsWith('content-type')) ? [] : json
    const { status: got, body } = await curl(path, '-X', method, ...type, ...args)
    expect({ got, body }).toEqual({
      got: status,
      body: { code: expect.stringMatching(/^[A-Z_]+$/), message: expect.any(String), hint: expect.stringMatching(/.{5}/) },
    })
    expect(`${body.message}; ${body.hint}`).toMatch(words)
  },
)

test('a body larger than any may be is refused, and the node goes on', async () => {
  const node = vrone()
  node.writeFile('/tmp/large.json', JSON.stringify({ image: 'x', args: Array.from({ length: 200 }, () => 'y'.repeat(1000)) }))
  const { status, body } = await curl('/api/services', '-X', 'POST', ...json, '-d', '@/tmp/large.json')
  expect({ status, code: body.code }).toEqual({ status: 413, code: 'API_BODY_TOO_LARGE' })
  expect(body.hint).not.toBe('')
  const long = await node.shoal('run', '-e', `LONG=${'z'.repeat(30_000)}`, 'shoal/ticker:latest')
  saysNo(long, 2, /bytes|characters/)
  expect(await curl('/healthz')).toMatchObject({ status: 200 })
})

test('the command line names what it does not understand, helps with examples, and ends with a status scripts can rely on', async () => {
  const node = vrone()
  expect(await node.shoal('sttus')).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/sttus[^]*status/) })
  expect(await node.shoal('ls', '--jsn')).toMatchObject({ code: 2, stderr: expect.stringMatching(/--jsn[^]*--json/) })
  expect(await node.shoal('inspect')).toMatchObject({ code: 2, stdout: '' })
  const help = await node.shoal('run', '--help')
  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout.match(/^ {2}\$ shoal run/gm)).toHaveLength(2)
  expect((await node.shoalJson('version')) as object).toEqual({ cli: expect.any(String), daemon: expect.any(String) })
  expect(await node.shoal('--host', 'http://127.0.0.1:4748', 'status')).toMatchObject({ code: 0 })
  expect(await node.shoal('--host', 'http://127.0.0.1:1', 'ls')).toMatchObject({ code: 6, stdout: '' })
})

test('with the daemon gone the command line says so with status 6; a damaged store or key is told, not overwritten', async () => {
  const node = vrone()
  expect(await node.stopDaemon()).toBe(0)
  saysNo(await node.shoal('ls'), 6, /no daemon answers at \/run\/shoal\/shoal\.sock[^]*shoal up/)
  await node.output(['sh', '-c', 'rm -rf /tmp/second; cp -a /var/lib/shoal /tmp/second'])
  const store = await node.output(['sh', '-c', 'find /tmp/second -name CURRENT'])
  expect(store).not.toBe('')
  await node.output(['sh', '-c', `for f in $(dirname ${store})/MANIFEST-*; do head -c 100 /dev/zero > $f; done`])
  saysNo(await second(), 1, /damaged|corrupt/i)
  const key = '/tmp/second/identity'
  node.writeFile(key, 'no key', 0o600)
  saysNo(await second(), 1, /\/tmp\/second\/identity/)
  expect(text(key)).toBe('no key')
  await node.output(['sh', '-c', `cp /var/lib/shoal/identity ${key}; chmod 644 ${key}`])
  saysNo(await second(), 1, /may be read by others[^]*chmod/)
})
