// Whole meshes in one process, over real libp2p on loopback; the link they hear each other on is simulated.

import { expect, test } from 'vitest'
import type { ServiceRecord } from '../placement/view.ts'
import { PeerError, MeshError } from './errors.ts'
import { eventually, reportOf, testLan, testMesh } from './testing/mesh-in-process.ts'
import type { TestMesh } from './testing/mesh-in-process.ts'

const soon = (): AbortSignal => AbortSignal.timeout(5_000)

async function together(...nodes: readonly TestMesh[]): Promise<void> {
  await eventually(() => {
    for (const { mesh } of nodes) {
      expect(mesh.status().phase).toBe('member')
      expect(
        mesh
          .members()
          .map(({ id }) => id)
          .toSorted(),
      ).toEqual(nodes.map(({ mesh }) => mesh.id).toSorted())
    }
  })
}

function serviceOf(owner: TestMesh, id: string): ServiceRecord {
  return {
    id,
    spec: { name: id, type: 'stateful', image: 'ticker', args: [], env: [], restart: 'no', tty: false },
    owner: owner.mesh.id,
    epoch: 1,
    counter: 0,
    state: 'running',
    reason: '',
    deleted: false,
  }
}

test.concurrent('two fresh nodes on one link found one mesh and see each other, without a click', async () => {
  const on = testLan()
  await using a = await testMesh({ name: 'a', on })
  await using b = await testMesh({ name: 'b', on })
  await together(a, b)
  expect(a.mesh.status().meshId).toBe(b.mesh.status().meshId)
  expect([a.mesh.status().via, b.mesh.status().via].toSorted()).toEqual(['founder', 'window'])
  await eventually(() => expect([a, b].map(({ mesh }) => mesh.status().windowOpenS > 800)).toEqual([true, true]))
})

test.concurrent('five nodes that start at once end in one mesh', async () => {
  const on = testLan()
  await using stack = new AsyncDisposableStack()
  const nodes = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => testMesh({ name, on })))
  for (const node of nodes) stack.use(node)
  await together(...nodes)
})

test.concurrent('members see each other’s load with its age and a measured round trip', async () => {
  const on = testLan()
  await using a = await testMesh({ name: 'a', on })
  await using b = await testMesh({ name: 'b', on })
  await together(a, b)
  a.mesh.publishLoad(reportOf('a', 12.5))
  b.mesh.publishLoad(reportOf('b', 70))
  await eventually(() => {
    const { self, peers } = a.mesh.view()
    expect(self).toMatchObject({ name: 'a', load: { cpuPct: 12.5 } })
    expect(peers).toMatchObject([{ name: 'b', state: 'red', load: { cpuPct: 70 } }])
    expect(peers[0]?.ageMs).toBeLessThan(3_000)
    expect(peers[0]?.rttMs).toBeGreaterThan(0)
  })
  a.mesh.noteLoad(b.mesh.id, reportOf('b', 5))
  expect(a.mesh.view().peers[0]?.load.cpuPct).toBe(5)
})

test.concurrent('a request is answered, and a refusal keeps its code and hint', async () => {
  const on = testLan()
  await using a = await testMesh({ name: 'a', on })
  await using b = await testMesh({ name: 'b', on })
  await together(a, b)
  b.mesh.onRequest('double', async (from, body) => ({ from, twice: Number(body) * 2 }))
  b.mesh.onRequest('refuse', async () => {
    throw new MeshError('MESH_RECORD_STALE', { what: 'too late', hint: 'read again' })
  })
  expect(await a.mesh.request(b.mesh.id, 'double', 21, soon())).toEqual({ from: a.mesh.id, twice: 42 })
  const refused = await a.mesh.request(b.mesh.id, 'refuse', null, soon()).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(PeerError)
  expect(refused).toMatchObject({ code: 'MESH_RECORD_STALE', message: 'too late', hint: 'read again' })
  await expect(a.mesh.request(b.mesh.id, 'nonsense', null, soon())).rejects.toMatchObject({ code: 'MESH_UNKNOWN_REQUEST' })
})

test.concurrent('a service and a profile written on one node are known on the other', async () => {
  const on = testLan()
  await using a = await testMesh({ name: 'a', on })
  await using b = await testMesh({ name: 'b', on })
  await together(a, b)
  await a.mesh.services.put(serviceOf(a, 's1'))
  await b.mesh.profiles.set('ticker', { cpu: '0.5', ram: '256Mi' })
  await eventually(() => {
    expect(b.mesh.services.get('s1')).toMatchObject({ owner: a.mesh.id, epoch: 1 })
    expect(a.mesh.profiles.list()).toMatchObject([{ match: 'ticker', profile: { cpu: '0.5', ram: '256Mi' } }])
  }, 3_000)
  // Both have compared their records by now, and do so again after ten seconds only: what comes sooner came by gossip.
  await a.mesh.services.put({ ...serviceOf(a, 's1'), counter: 1, state: 'stopped' })
  await eventually(() => expect(b.mesh.services.get('s1')?.state).toBe('stopped'), 5_000)
  await expect(b.mesh.services.put(serviceOf(a, 's1'))).rejects.toMatchObject({ code: 'MESH_RECORD_FOREIGN' })
  await expect(a.mesh.services.put({ ...serviceOf(a, 's1'), reason: 'x', epoch: 0 })).rejects.toMatchObject({
    code: 'MESH_RECORD_STALE',
  })
})

test.concurrent('a late joiner and a returning node get what they missed', async () => {
  const on = testLan()
  await using a = await testMesh({ name: 'a', on })
  await a.mesh.services.put(serviceOf(a, 'before'))
  const b = await testMesh({ name: 'b', on })
  await together(a, b)
  await eventually(() => expect(b.mesh.services.get('before')).toBeDefined())
  await b.mesh.stop()
  await eventually(() => expect(a.mesh.members().find(({ name }) => name === 'b')?.state).toBe('leaving'))
  await a.mesh.services.put(serviceOf(a, 'meanwhile'))
  await using back = await testMesh({ name: 'b', on: testLan(), store: b.store, key: b.key })
  expect(back.mesh.status()).toMatchObject({ phase: 'member', meshId: a.mesh.status().meshId })
  await eventually(() => {
    expect(back.mesh.services.get('meanwhile')).toBeDefined()
    expect(a.mesh.members().find(({ name }) => name === 'b')?.state).toBe('green')
  })
})

test.concurrent('a stream carries bytes both ways and ends when the sender says so', async () => {
  const on = testLan()
  await using a = await testMesh({ name: 'a', on })
  await using b = await testMesh({ name: 'b', on })
  await together(a, b)
  b.mesh.onStream('/shoal/echo/1', async stream => {
    for await (const chunk of stream.incoming) await stream.write(chunk)
    await stream.closeWrite()
  })
  const stream = await a.mesh.openStream(b.mesh.id, '/shoal/echo/1', soon())
  await stream.write(Buffer.from('hello'))
  await stream.closeWrite()
  const back: Uint8Array[] = []
  for await (const chunk of stream.incoming) back.push(chunk)
  expect(Buffer.concat(back).toString()).toBe('hello')
})

test.concurrent('a port that is taken is named', async () => {
  await using a = await testMesh({ name: 'a' })
  const port = Number(/tcp\/(\d+)/.exec(a.mesh.addresses()[0] ?? '')?.[1])
  await expect(testMesh({ name: 'b', port })).rejects.toMatchObject({ code: 'MESH_PORT_TAKEN' })
})
