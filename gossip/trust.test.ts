// Who gets in, who does not, and what strangers are told: whole meshes in one process, real libp2p on loopback, a simulated link.

import { expect, test } from 'vitest'
import { FACTS_TOPIC } from './topics.ts'
import { REQUEST_PROTOCOL } from './member-links.ts'
import { strangerHost } from './testing/stranger.ts'
import { eventually, testLan, testMesh } from './testing/mesh-in-process.ts'
import type { TestMesh } from './testing/mesh-in-process.ts'

const soon = (): AbortSignal => AbortSignal.timeout(5_000)
const memberIds = ({ mesh }: TestMesh): readonly string[] =>
  mesh
    .members()
    .map(({ id }) => id)
    .toSorted()

async function inOneMesh(...nodes: readonly TestMesh[]): Promise<void> {
  const ids = nodes.map(({ mesh }) => mesh.id).toSorted()
  await eventually(() => {
    for (const node of nodes) expect(memberIds(node)).toEqual(ids)
  })
}

/** A node that has a service, so that it stays in its mesh. */
async function founder(name: string, options: Parameters<typeof testMesh>[0]): Promise<TestMesh> {
  const node = await testMesh({ ...options, name })
  await eventually(() => expect(node.mesh.status().phase).toBe('member'))
  await node.mesh.services.put({
    id: `${name}-1`,
    spec: { name: 'x', type: 'stateless', image: 'x', args: [], env: [], restart: 'no', tty: false },
    ...{ owner: node.mesh.id, epoch: 1, counter: 0, state: 'running', reason: '', deleted: false },
  })
  return node
}

test.concurrent('a token lets a node in across networks, once', async () => {
  await using a = await founder('a', { name: 'a' })
  await using b = await testMesh({ name: 'b', role: 'cloud' })
  await using c = await testMesh({ name: 'c' })
  await eventually(() => expect(b.mesh.status().phase).toBe('member')) // alone: a mesh of one
  const token = await a.mesh.invite({ ttlMs: 60_000, role: 'cloud' })
  expect(await b.mesh.join(token)).toMatchObject({ phase: 'member', meshId: a.mesh.status().meshId, via: 'token' })
  await inOneMesh(a, b)
  expect(a.mesh.members().find(({ name }) => name === 'b')).toMatchObject({
    role: 'cloud',
    via: 'token',
    rights: { admit: true },
  })
  await expect(c.mesh.join(token)).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' })
  await expect(c.mesh.join('shoal1-nonsense')).rejects.toMatchObject({ code: 'TOKEN_MALFORMED' })
})

test.concurrent('a node with services of its own does not leave its mesh, neither by itself nor by being heard', async () => {
  const on = testLan()
  await using a = await founder('a', { name: 'a', on })
  const before = a.mesh.status().meshId
  await using b = await founder('b', { name: 'b', on: testLan() })
  expect(b.mesh.status().meshId).not.toBe(before)
  await using c = await testMesh({ name: 'c', on })
  await inOneMesh(a, c)
  expect(a.mesh.status().meshId).toBe(before)
})

test.concurrent('with the window closed a node waits on every member, and one approval lets it in', async () => {
  const on = testLan()
  await using a = await founder('a', { name: 'a', on, trust: 'ask' })
  const token = await a.mesh.invite({ ttlMs: 60_000, role: 'edge' })
  await using b = await testMesh({ name: 'b', trust: 'ask' })
  await b.mesh.join(token)
  await inOneMesh(a, b)
  await using c = await testMesh({ name: 'c', on })
  await eventually(() => {
    expect(a.mesh.waiting()).toMatchObject([{ id: c.mesh.id, name: 'c' }])
    expect(b.mesh.waiting()).toMatchObject([{ id: c.mesh.id, name: 'c' }])
    expect(c.mesh.status().says).toContain('approve')
  })
  await expect(b.mesh.approve('nobody')).rejects.toMatchObject({ code: 'MESH_UNKNOWN_NODE' })
  expect(await b.mesh.approve('c')).toMatchObject({ id: c.mesh.id, via: 'approval', rights: { admit: true } })
  await inOneMesh(a, b, c)
  expect(a.mesh.waiting()).toEqual([])
})

test.concurrent('whoever the window let in may not admit, but passes the ask on to one who may', async () => {
  const near = testLan()
  const far = testLan()
  await using a = await founder('a', { name: 'a', on: near })
  await using b = await testMesh({ name: 'b', on: near })
  await inOneMesh(a, b)
  expect(b.mesh.members().find(({ id }) => id === b.mesh.id)).toMatchObject({ via: 'window', rights: { admit: false } })
  await expect(b.mesh.invite({ ttlMs: 1000, role: 'edge' })).rejects.toMatchObject({ code: 'NOT_ADMITTING' })
  await expect(b.mesh.openWindow(1000)).rejects.toMatchObject({ code: 'NOT_ADMITTING' })
  far.alsoHears(b.mesh.id, near)
  await using c = await testMesh({ name: 'c', on: far })
  await inOneMesh(a, b, c)
  expect(await a.mesh.approve('b')).toMatchObject({ via: 'approval', rights: { admit: true } })
  await eventually(() => expect(b.mesh.members().find(({ id }) => id === b.mesh.id)?.rights.admit).toBe(true))
})

test.concurrent('a removed member is refused everywhere, and its connections end', async () => {
  const on = testLan()
  await using a = await founder('a', { name: 'a', on })
  await using b = await testMesh({ name: 'b', on })
  await using c = await testMesh({ name: 'c', on })
  await inOneMesh(a, b, c)
  await a.mesh.remove('c', 'sold')
  await eventually(() => {
    expect(memberIds(a)).toEqual([a.mesh.id, b.mesh.id].toSorted())
    expect(memberIds(b)).toEqual([a.mesh.id, b.mesh.id].toSorted())
    expect(c.mesh.status().says).toBe('this node was removed from its mesh')
  })
  await expect(b.mesh.request(c.mesh.id, 'x', null, soon())).rejects.toMatchObject({ code: 'MESH_NOT_MEMBER' })
  await expect(c.mesh.request(a.mesh.id, 'x', null, AbortSignal.timeout(1500))).rejects.toThrow()
})

test.concurrent('a stranger may say hello and ask; its other streams are refused and it hears no topic', async () => {
  await using a = await founder('a', { name: 'a', trust: 'ask' })
  await using stranger = await strangerHost([FACTS_TOPIC])
  await stranger.dial(a.mesh.addresses()[0] ?? '')
  await expect(
    stranger.speak(a.mesh.id, REQUEST_PROTOCOL, { t: 'q', id: 1, name: 'mesh/digests', body: {} }, 5_000),
  ).rejects.toThrow()
  await a.mesh.profiles.set('secret', { cpu: '1' })
  expect(
    await stranger.speak(
      a.mesh.id,
      '/shoal/join/1',
      { v: 1, t: 'ask', meshId: a.mesh.status().meshId, name: 's', role: 'edge', addresses: [] },
      3_000,
    ),
  ).toMatchObject({ t: 'refused', code: 'WAITING_FOR_APPROVAL' })
  expect(stranger.heard()).toEqual([])
  const future = stranger.speak(a.mesh.id, '/shoal/join/1', { v: 2, t: 'hello' }, 3_000)
  await expect(future).rejects.toMatchObject({ code: 'MESH_STREAM_BROKEN' })
})

test.concurrent('garbage, an oversized message and a flood on the pairing protocol harm nobody but their sender', async () => {
  const on = testLan()
  await using a = await founder('a', { name: 'a', on })
  await using stranger = await strangerHost([])
  await stranger.dial(a.mesh.addresses()[0] ?? '')
  const say = (frame: unknown): Promise<unknown> => stranger.speak(a.mesh.id, '/shoal/join/1', frame, 3_000)
  await expect(say({ v: 1, t: 'ask', meshId: 7 })).rejects.toThrow()
  await expect(say('x'.repeat(100_000))).rejects.toThrow()
  const hello = {
    v: 1,
    t: 'hello',
    name: 's',
    role: 'edge',
    instance: 'abcdefgh',
    addresses: ['../../etc', '/ip4/10.0.0.1/tcp/1'],
    fresh: true,
  } as const
  const rest = {
    meshId: null,
    meshSize: 0,
    loneAndFresh: false,
    admits: false,
    windowOpenS: 0,
    chain: [{ kind: 'member', bytes: 'bm90aGluZw==' }],
  } as const
  expect(await say({ ...hello, ...rest })).toMatchObject({ t: 'hello', meshId: a.mesh.status().meshId })
  const flood = await Promise.allSettled(Array.from({ length: 60 }, () => say({ ...hello, ...rest })))
  expect(flood.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(20)
  await using b = await testMesh({ name: 'b', on })
  await inOneMesh(a, b)
})

test.concurrent('records of another mesh or without a chain make nobody a member', async () => {
  await using a = await founder('a', { name: 'a', trust: 'ask' })
  await using other = await founder('o', { name: 'o', trust: 'ask' })
  await using stranger = await strangerHost([])
  await stranger.dial(a.mesh.addresses()[0] ?? '')
  const foreign = await stranger.speakTo(other.mesh.addresses()[0] ?? '', '/shoal/join/1', strangerHello(null, []), 3_000)
  const chain = typeof foreign === 'object' && foreign !== null && 'chain' in foreign ? foreign.chain : []
  expect(chain).toHaveLength(1)
  await stranger.speak(a.mesh.id, '/shoal/join/1', strangerHello(a.mesh.status().meshId, chain), 3_000)
  expect(memberIds(a)).toEqual([a.mesh.id])
})

function strangerHello(meshId: string | null, chain: unknown): unknown {
  const said = { v: 1, t: 'hello', name: 's', role: 'edge', instance: 'abcdefgh', addresses: [], fresh: false }
  return { ...said, meshId, meshSize: 1, loneAndFresh: false, admits: true, windowOpenS: 0, chain }
}
