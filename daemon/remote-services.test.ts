import { expect, test } from 'vitest'
import { idle } from '../test/sim/manual-clock.ts'
import { simWorld, webSpec } from '../test/sim/service-node.ts'

const patience = new AbortController().signal

async function three() {
  const world = simWorld()
  return { world, lab3: await world.node('lab3'), vrone: await world.node('vrone'), phone: await world.node('phone', 'client') }
}

test('any node runs a service on any node, and every node shows where it is', async () => {
  const { lab3, vrone, phone } = await three()
  const service = await phone.actions.run({ image: 'web', name: 'shop', node: 'vrone' }, patience)
  expect(service).toMatchObject({ name: 'shop', node: 'vrone', state: 'running', type: 'stateful', epoch: 1 })
  expect(await vrone.engine.list(patience)).toHaveLength(1)
  expect(lab3.actions.list().map(({ name, node }) => ({ name, node }))).toEqual([{ name: 'shop', node: 'vrone' }])
})

test('without a name one is made from the image', async () => {
  const { lab3 } = await three()
  expect((await lab3.actions.run({ image: 'web' }, patience)).name).toBe('web-abcd')
})

test('stop, start and remove reach the owner by name or the beginning of the id', async () => {
  const { lab3, vrone } = await three()
  const { id } = await vrone.actions.run({ image: 'web', name: 'shop' }, patience)
  expect((await lab3.actions.stop('shop', 5, patience)).state).toBe('stopped')
  expect((await lab3.actions.start(id.slice(0, 6), patience)).state).toBe('running')
  await expect(lab3.actions.remove('shop', { force: false }, patience)).rejects.toMatchObject({ code: 'SERVICE_RUNNING' })
  await lab3.actions.remove('shop', { force: true }, patience)
  expect(lab3.actions.list()).toEqual([])
  expect(await vrone.engine.list(patience)).toEqual([])
})

test("a refusal of the owner's comes back with its code and hint", async () => {
  const { lab3 } = await three()
  await expect(lab3.actions.run({ image: 'nginx', node: 'vrone' }, patience)).rejects.toMatchObject({
    code: 'IMAGE_MISSING',
    hint: expect.stringContaining('docker pull'),
  })
  await expect(lab3.actions.run({ image: 'web', node: 'phone' }, patience)).rejects.toMatchObject({ code: 'NODE_HOSTS_NOTHING' })
  await expect(lab3.actions.run({ image: 'web', node: 'mars' }, patience)).rejects.toMatchObject({ code: 'NODE_NOT_FOUND' })
})

test('an action on a service of a lost node is refused at once, with the age of its last sign', async () => {
  const { world, lab3, vrone } = await three()
  await vrone.actions.run({ image: 'web', name: 'shop' }, patience)
  world.net.cut.add(vrone.mesh.id)
  await expect(lab3.actions.stop('shop', undefined, patience)).rejects.toMatchObject({ code: 'NODE_LOST' })
})

test('a service that moved while it was asked for is found at its new node', async () => {
  const { world, lab3, vrone } = await three()
  const record = await lab3.services.run(webSpec(), patience)
  const lab4 = await world.node('lab4')
  lab4.mesh.hear(record)
  // vrone does not hear of the move until the old owner has refused.
  world.net.cut.add(vrone.mesh.id)
  const newer = { ...record, owner: lab4.mesh.id, epoch: 2, counter: 0 }
  await lab4.mesh.services.put(newer)
  world.net.cut.clear()
  const ask = vrone.mesh.request.bind(vrone.mesh)
  const asked: string[] = []
  vrone.mesh.request = (peer, ...rest) => {
    asked.push(peer)
    return ask(peer, ...rest).finally(() => vrone.mesh.hear(newer))
  }
  expect(await vrone.actions.stop('web', undefined, patience)).toMatchObject({ node: 'lab4', state: 'stopped' })
  expect(asked).toEqual([lab3.mesh.id, lab4.mesh.id])
})

test('a malformed request of another node is refused by name of the field', async () => {
  const { lab3, vrone } = await three()
  await expect(lab3.mesh.request(vrone.mesh.id, 'service/stop', { v: 1, id: 7 }, patience)).rejects.toMatchObject({
    code: 'NODE_ANSWER_INVALID',
    message: expect.stringContaining('/id'),
  })
  await expect(lab3.mesh.request(vrone.mesh.id, 'service/run', { v: 9 }, patience)).rejects.toMatchObject({
    code: 'NODE_ANSWER_INVALID',
  })
})

test("a service's log is read on any node", async () => {
  const { lab3, vrone } = await three()
  const { id } = await vrone.actions.run({ image: 'web', name: 'shop' }, patience)
  vrone.engine.print(vrone.services.containerOf(id) ?? '', '2026-01-01T00:00:00.5Z hello\n')
  const lines = await Array.fromAsync(await lab3.actions.logs('shop', { tail: 1 }, patience))
  expect(lines).toEqual([{ atMs: Date.UTC(2026, 0, 1) + 500, stream: 'stdout', line: 'hello', node: 'vrone' }])
})

test('a followed log goes on as the program prints, and ends when the reader leaves', async () => {
  const { lab3, vrone } = await three()
  const { id } = await vrone.actions.run({ image: 'web', name: 'shop' }, patience)
  const reader = new AbortController()
  const seen: string[] = []
  const reading = (async () => {
    for await (const { line } of await lab3.actions.logs('shop', { follow: true, tail: 0 }, reader.signal)) seen.push(line)
  })()
  await idle()
  for (const word of ['one', 'two']) vrone.engine.print(vrone.services.containerOf(id) ?? '', `${word}\n`)
  await idle()
  expect(seen).toEqual(['one', 'two'])
  reader.abort()
  await reading
})

test('a followed log goes on over a restart, and ends when the service is stopped', async () => {
  const { world, lab3, vrone } = await three()
  const { id } = await vrone.actions.run({ image: 'web', name: 'shop', restart: 'always' }, patience)
  const seen: string[] = []
  const reading = (async () => {
    for await (const { line } of await lab3.actions.logs('shop', { follow: true, tail: 0 }, patience)) seen.push(line)
  })()
  await idle()
  vrone.engine.exit(vrone.services.containerOf(id) ?? '', 1)
  await idle()
  await world.clock.advance(400)
  vrone.engine.print(vrone.services.containerOf(id) ?? '', '2030-01-01T00:00:00Z again\n')
  await idle()
  expect(seen).toContain('again')
  await lab3.actions.stop('shop', undefined, patience)
  await world.clock.advance(3_000)
  await reading
})
