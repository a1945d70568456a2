import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { simActions } from '../../test/sim/node-actions.ts'
import { simWorld } from '../../test/sim/service-node.ts'
import { apiClient } from '../cli/client.ts'
import { type Api, buildApi, openApi } from './server.ts'

const open: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function api(guarded = true) {
  const world = simWorld()
  const lab3 = await world.node('lab3')
  await world.node('vrone')
  const { actions, feed, outcome } = simActions(world, lab3)
  const troubles: unknown[] = []
  const parts = { actions, onInternalError: (error: unknown) => troubles.push(error) }
  const server: Api = buildApi({ ...parts, guard: guarded ? { names: [] } : undefined })
  open.push(server)
  return { world, lab3, server, parts, feed, outcome, troubles }
}

/** One server for the tests that change nothing in it. */
let quiet: Api
beforeAll(async () => {
  quiet = (await api()).server
  open.splice(0)
})

const run = (server: Api, payload: object) => server.inject({ method: 'POST', url: '/api/services', payload })

test('a service is run, listed, inspected, stopped, started and removed', async () => {
  const { server } = await api()
  const created = await run(server, { image: 'web', name: 'shop', profile: { cpu: '0.5' }, env: ['A=b'] })
  expect(created.statusCode).toBe(201)
  expect(created.json()).toMatchObject({
    name: 'shop',
    node: 'lab3',
    state: 'running',
    env: ['A=b'],
    profile: { cpu: '0.5', ram: null, from: 'service' },
  })
  const listed = (await server.inject('/api/services')).json()
  expect(listed.services).toMatchObject([{ name: 'shop', nodeId: 'id-of-lab3', epoch: 1, use: null }])
  expect(listed.services[0]).not.toHaveProperty('env')
  expect((await server.inject('/api/services/sho')).json()).toMatchObject({ name: 'shop', restart: 'no', tty: false, args: [] })
  const stopped = await server.inject({ method: 'POST', url: '/api/services/shop/stop', payload: { timeoutS: 1 } })
  expect(stopped.json()).toMatchObject({ state: 'stopped', reason: 'stopped by hand' })
  expect((await server.inject({ method: 'POST', url: '/api/services/shop/start' })).json()).toMatchObject({ state: 'running' })
  expect((await server.inject({ method: 'DELETE', url: '/api/services/shop' })).statusCode).toBe(409)
  expect((await server.inject({ method: 'DELETE', url: '/api/services/shop?force=true' })).statusCode).toBe(204)
  expect((await server.inject('/api/services')).json()).toEqual({ services: [] })
})

test.each([
  {
    says: 'an unknown field',
    payload: { image: 'web', privileged: true },
    message: /^the body has the unknown key "privileged"$/,
  },
  { says: 'no image', payload: { name: 'web' }, message: /image/ },
  { says: 'a name with a space', payload: { image: 'web', name: 'a b' }, message: /name/ },
  { says: 'a variable without a value', payload: { image: 'web', env: ['A'] }, message: /env\.0/ },
  { says: 'a number where text belongs', payload: { image: 'web', args: [5] }, message: /args\.0/ },
])('a run with $says is refused, naming the field', async ({ payload, message }) => {
  const server = quiet
  const answer = await run(server, payload)
  expect(answer.statusCode).toBe(400)
  expect(answer.json()).toMatchObject({
    code: 'API_REQUEST_INVALID',
    message: expect.stringMatching(message),
    hint: expect.any(String),
  })
})

test('an unknown key is named with the one that was meant, also inside and in a query', async () => {
  const hint = async (payload: object) => {
    const { message, hint: says } = (await run(quiet, payload)).json()
    return [message, says]
  }
  expect(await hint({ image: 'web', nam: 'shop' })).toEqual(['the body has the unknown key "nam"', 'did you mean name?'])
  expect(await hint({ image: 'web', profile: { cpus: '1' } })).toEqual([
    `the body's profile has the unknown key "cpus"`,
    'did you mean cpu?',
  ])
  expect((await quiet.inject('/api/services/x/explain?too=lab4')).json()).toMatchObject({ hint: 'did you mean to?' })
})

test('this node is removed from its own mesh only when forced', async () => {
  const { server } = await api()
  const gone = await server.inject({ method: 'DELETE', url: '/api/members/lab3' })
  expect([gone.statusCode, gone.json().code]).toEqual([422, 'SELF_REMOVAL_REFUSED'])
  expect(gone.json().hint).toContain('shoal node rm --force lab3')
  expect((await server.inject({ method: 'DELETE', url: '/api/members/lab3?force=true' })).statusCode).toBe(204)
  expect((await server.inject({ method: 'DELETE', url: '/api/members/vrone' })).statusCode).toBe(204)
})

test.each([
  { url: '/api/services/nobody', status: 404, code: 'SERVICE_NOT_FOUND' },
  { url: '/api/nodes/nobody', status: 404, code: 'NODE_NOT_FOUND' },
  { url: '/api/moves/nobody', status: 404, code: 'MOVE_NOT_FOUND' },
  { url: '/api/nothing', status: 404, code: 'API_NO_SUCH_ROUTE' },
  { url: '/api/services/x/logs?tail=many', status: 400, code: 'API_REQUEST_INVALID' },
])('GET $url answers $status $code', async ({ url, status, code }) => {
  const server = quiet
  const answer = await server.inject(url)
  expect(answer.statusCode).toBe(status)
  expect(answer.json()).toMatchObject({ code })
})

test('a body over the cap, one that is no JSON, and one that is text are refused', async () => {
  const server = quiet
  expect((await run(server, { image: 'web', env: [`A=${'x'.repeat(70_000)}`] })).json()).toMatchObject({
    code: 'API_BODY_TOO_LARGE',
  })
  const send = (payload: string, type: string) =>
    server.inject({ method: 'POST', url: '/api/services', payload, headers: { 'content-type': type } })
  expect((await send('{"image":', 'application/json')).json()).toMatchObject({
    code: 'API_REQUEST_INVALID',
    message: expect.stringMatching(/^the body is no JSON/),
    hint: expect.not.stringContaining('content-type'),
  })
  expect((await send('{"image":"web"}', 'text/plain')).statusCode).toBe(400)
})

test.each([
  { says: 'another host (DNS rebinding)', headers: { host: 'evil.example:4748' }, code: 'API_HOST_REFUSED' },
  { says: "another site's page", headers: { host: 'localhost:4748', origin: 'http://evil.example' }, code: 'API_ORIGIN_REFUSED' },
  {
    says: 'a page without an origin of its own',
    headers: { host: 'localhost:4748', origin: 'null' },
    code: 'API_ORIGIN_REFUSED',
  },
  {
    says: 'what a browser calls cross-site',
    headers: { host: 'localhost', 'sec-fetch-site': 'cross-site' },
    code: 'API_ORIGIN_REFUSED',
  },
])('a request of $says is refused on TCP', async ({ headers, code }) => {
  const server = quiet
  const answer = await server.inject({ url: '/api/status', headers })
  expect(answer.statusCode).toBe(403)
  expect(answer.json()).toMatchObject({ code })
})

test.each(['127.0.0.1:4748', '[::1]:4748', 'localhost', '10.0.0.5:14748'])('asked as %s it answers', async host => {
  const server = quiet
  expect((await server.inject({ url: '/api/status', headers: { host, origin: `http://${host}` } })).statusCode).toBe(200)
})

test('where a token is set nothing is answered without it', async () => {
  const { parts } = await api()
  const server = buildApi({ ...parts, guard: { names: [], token: 'secret' } })
  open.push(server)
  expect((await server.inject('/api/status')).json()).toMatchObject({ code: 'API_TOKEN_REQUIRED' })
  expect((await server.inject({ url: '/api/status', headers: { authorization: 'Bearer secret' } })).statusCode).toBe(200)
  expect((await server.inject({ url: '/api/status', headers: { authorization: 'Bearer secres' } })).statusCode).toBe(401)
})

test('status, nodes and who waits are answered from the local view', async () => {
  const server = quiet
  expect((await server.inject('/api/status')).json()).toMatchObject({
    version: '0.1.0',
    node: { name: 'lab3', role: 'edge', state: 'green' },
    mesh: { phase: 'member', id: 'mesh-1' },
    peers: 1,
    warnings: ['no shim here'],
  })
  expect((await server.inject('/api/nodes')).json().nodes).toMatchObject([
    { name: 'lab3', self: true, load: null },
    { name: 'vrone', self: false, rttMs: 1 },
  ])
  expect((await server.inject('/api/waiting')).json().waiting).toMatchObject([{ name: 'new', sinceMs: 1 }])
  expect((await server.inject('/healthz')).json()).toEqual({ ok: true })
})

test('a move answers with its record when it is over, and at once when detached', async () => {
  const { server } = await api()
  await run(server, { image: 'web', name: 'shop' })
  const move = (payload: object) => server.inject({ method: 'POST', url: '/api/services/shop/move', payload })
  expect((await move({ to: 'vrone' })).json()).toMatchObject({
    service: 'shop',
    from: 'lab3',
    to: 'vrone',
    outcome: 'done',
    downtimeMs: 312,
    bytes: { total: 1024 + 64 * 1024 ** 2 },
  })
  const detached = await move({ detach: true })
  expect(detached.statusCode).toBe(202)
  expect(detached.json()).toMatchObject({ id: 'move-2', outcome: 'running' })
  expect((await server.inject('/api/moves')).json().moves).toHaveLength(2)
  expect((await server.inject('/api/moves/move-1')).json()).toMatchObject({
    phases: [
      { name: 'offer', ms: 12 },
      { name: 'transfer', ms: 300 },
    ],
  })
})

test('a dry run moves nothing and says where, why, and why not elsewhere', async () => {
  const { server } = await api()
  await run(server, { image: 'web', name: 'shop' })
  const plan = await server.inject({ method: 'POST', url: '/api/services/shop/move', payload: { dryRun: true } })
  expect(plan.json()).toMatchObject({ verdict: { kind: 'move' }, candidates: [{ node: 'vrone' }], rejected: [{ node: 'lab4' }] })
  expect((await server.inject('/api/services/shop/explain')).json()).toEqual(plan.json())
  expect((await server.inject('/api/moves')).json().moves).toEqual([])
})

test('a profile is set, counted, shown in force, and removed', async () => {
  const { server } = await api()
  await run(server, { image: 'web', name: 'shop' })
  const put = (payload: object) => server.inject({ method: 'PUT', url: '/api/profiles', payload })
  expect((await put({ match: 'web', profile: { cpu: '10%' } })).json()).toEqual({
    match: 'web',
    cpu: '10%',
    ram: null,
    gpu: null,
    usedBy: 1,
  })
  expect((await put({ match: 'web', profile: { cpu: 'lots' } })).json()).toMatchObject({ code: 'PROFILE_REFUSED' })
  expect((await server.inject('/api/services/shop')).json().profile).toMatchObject({ cpu: '10%', from: 'image' })
  expect((await server.inject({ method: 'DELETE', url: '/api/profiles?match=web' })).statusCode).toBe(204)
  expect((await server.inject({ method: 'DELETE', url: '/api/profiles?match=web' })).json()).toMatchObject({
    code: 'PROFILE_NOT_FOUND',
  })
})

test('strategy, configuration and doctor are answered', async () => {
  const server = quiet
  const set = await server.inject({ method: 'PUT', url: '/api/strategy', payload: { name: 'algorithm-2', exact: true } })
  expect(set.json()).toMatchObject({ name: 'algorithm-2', exact: true })
  expect((await server.inject('/api/config')).json()).toEqual({ settings: [{ key: 'port', value: 4747, origin: 'default' }] })
  expect((await server.inject('/api/doctor')).json().checks).toHaveLength(2)
})

test('invitations, joining, approving and the window', async () => {
  const server = quiet
  const post = (url: string, payload: object) => server.inject({ method: 'POST', url, payload })
  expect((await post('/api/invites', { role: 'cloud' })).json()).toEqual({
    token: 'shoal1-token',
    ttlMs: 3_600_000,
    role: 'cloud',
  })
  expect((await post('/api/join', { token: 'shoal1-token' })).json()).toMatchObject({ mesh: { phase: 'member' } })
  expect((await post('/api/members/approve', { who: 'vrone' })).json()).toMatchObject({ name: 'vrone' })
  expect((await post('/api/members/approve', { who: 'mars' })).statusCode).toBe(404)
  expect((await post('/api/window', {})).statusCode).toBe(200)
})

test('an error without a code is ours: its text goes to the log, not to the caller', async () => {
  const { parts, troubles } = await api()
  const broken = {
    ...parts.actions.node,
    status: () => {
      throw new TypeError('secret path /root/x')
    },
  }
  const server = buildApi({ ...parts, actions: { ...parts.actions, node: broken }, guard: undefined })
  open.push(server)
  const answer = await server.inject('/api/status')
  expect(answer.statusCode).toBe(500)
  expect(answer.body).not.toContain('secret')
  expect(troubles).toHaveLength(1)
})

async function listening() {
  const { parts, feed, lab3 } = await api()
  const folder = await mkdtemp(join(tmpdir(), 'shoal-api-'))
  const socket = join(folder, 'run', 'shoal.sock')
  const opened = await openApi(parts, { names: [] }, { host: '127.0.0.1', port: 0, socket })
  open.push(opened, { close: () => rm(folder, { recursive: true }) })
  return { opened, socket, parts, feed, lab3, folder }
}

test('both listeners answer; the socket is for its owner and group', async () => {
  const { opened, socket } = await listening()
  const patience = new AbortController().signal
  const overTcp = apiClient({ kind: 'url', url: new URL(opened.url), token: undefined }, patience)
  const overSocket = apiClient({ kind: 'socket', path: socket }, patience)
  expect(await overTcp.get('/api/status')).toMatchObject({ node: { name: 'lab3' } })
  expect(await overSocket.get('/api/status')).toMatchObject({ node: { name: 'lab3' } })
  expect((await stat(socket)).mode & 0o777).toBe(0o660)
})

test('a socket left behind by a fallen daemon is replaced, one that answers is not', async () => {
  const { socket, parts } = await listening()
  await expect(openApi(parts, { names: [] }, { host: '127.0.0.1', port: 0, socket })).rejects.toMatchObject({
    code: 'API_SOCKET_TAKEN',
  })
  expect((await stat(socket)).isSocket()).toBe(true)
})

test('a file that is no socket is not removed', async () => {
  const { parts, folder } = await listening()
  const path = join(folder, 'precious')
  await writeFile(path, 'mine')
  await expect(openApi(parts, { names: [] }, { host: '127.0.0.1', port: 0, socket: path })).rejects.toMatchObject({
    code: 'API_SOCKET_TAKEN',
  })
  expect((await stat(path)).size).toBe(4)
})

test('a taken port is said with its number', async () => {
  const { parts } = await api()
  const squatter = createServer()
  await new Promise<void>(resolve => squatter.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => new Promise<void>(resolve => squatter.close(() => resolve())) })
  const address = squatter.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await expect(openApi(parts, { names: [] }, { host: '127.0.0.1', port, socket: undefined })).rejects.toMatchObject({
    code: 'API_PORT_TAKEN',
    message: expect.stringContaining(String(port)),
  })
})

test('events are followed from where a listener stopped', async () => {
  const { socket, feed } = await listening()
  for (const says of ['one', 'two', 'three']) feed.tell({ kind: 'test', says })
  const reader = new AbortController()
  const seen: string[] = []
  for await (const event of apiClient({ kind: 'socket', path: socket }, reader.signal).events<{ says: string }>(
    '/api/events?after=1',
  )) {
    seen.push(event.says)
    if (seen.length === 2) break
  }
  reader.abort()
  expect(seen).toEqual(['two', 'three'])
})

test('logs come line by line', async () => {
  const { socket, lab3 } = await listening()
  const patience = new AbortController().signal
  const client = apiClient({ kind: 'socket', path: socket }, patience)
  const { id } = await client.send<{ id: string }>('POST', '/api/services', { image: 'web', name: 'shop' })
  lab3.engine.print(lab3.services.containerOf(id) ?? '', 'hello\n')
  expect(await Array.fromAsync(client.lines('/api/services/shop/logs?tail=1'))).toMatchObject([
    { line: 'hello', node: 'lab3', stream: 'stdout' },
  ])
})
