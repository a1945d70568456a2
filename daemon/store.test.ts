// What the store promises: what was written is there after a restart, and what is wrong with it is said in one line.

import { mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { JournalEntry } from '../migrate/journal.ts'
import type { MoveRecord } from '../migrate/move-record.ts'
import type { StoreError } from './errors.ts'
import { moveRecords, openJournal } from './move-store.ts'
import { openStore } from './store.ts'
import { damageIn } from './store-damage.ts'

async function folder() {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-store-'))
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) }
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const got: T[] = []
  for await (const value of source) got.push(value)
  return got
}

test('what was put is there after a restart, tables do not see each other, and a prefix selects', async () => {
  await using at = await folder()
  {
    await using store = await openStore(at.dir)
    await store.texts('members').put('a/1', 'one')
    await store.texts('members').put('a/2', 'two')
    await store.texts('members').put('b/1', 'three')
    await store.texts('services').put('a/1', 'other')
    await store.texts('members').delete('a/2')
  }
  await using store = await openStore(at.dir)
  expect(await store.texts('members').get('a/1')).toBe('one')
  expect(await store.texts('members').get('a/2')).toBeUndefined()
  expect(await all(store.texts('members').entries('a/'))).toEqual([['a/1', 'one']])
  expect(await all(store.texts('members').entries(''))).toEqual([
    ['a/1', 'one'],
    ['b/1', 'three'],
  ])
  expect(await store.texts('services').get('a/1')).toBe('other')
})

test('a store that is open elsewhere is called so, with what to do', async () => {
  await using at = await folder()
  await using store = await openStore(at.dir)
  await store.texts('x').put('a', 'b')
  await expect(openStore(at.dir)).rejects.toMatchObject({ code: 'STORE_LOCKED', hint: expect.stringContaining('--data-dir') })
})

test('a damaged store is called so', async () => {
  await using at = await folder()
  await using store = await openStore(at.dir)
  await store.texts('x').put('a', 'b')
  await store.close()
  const path = join(at.dir, 'store')
  for (const name of await readdir(path))
    if (name.startsWith('MANIFEST')) await writeFile(join(path, name), 'this is no manifest')
  await expect(openStore(at.dir)).rejects.toMatchObject({ code: 'STORE_CORRUPT', hint: expect.stringContaining('backup') })
})

/** A closed store with five entries; its newest log, with where that lies. */
async function written(dir: string) {
  {
    await using store = await openStore(dir)
    for (const key of ['a', 'b', 'c', 'd', 'e']) await store.texts('x').put(key, `value of ${key}`)
  }
  const name = (await readdir(join(dir, 'store'))).find(one => one.endsWith('.log')) ?? ''
  const path = join(dir, 'store', name)
  return { path, bytes: await readFile(path) }
}

test('one flipped byte of the log is damage, wherever it is: the store is never emptied without a word', async () => {
  for (const at of [0, 10, 60, 150]) {
    await using folderAt = await folder()
    const log = await written(folderAt.dir)
    log.bytes[at] = (log.bytes[at] ?? 0) ^ 0x40
    await writeFile(log.path, log.bytes)
    await expect(openStore(folderAt.dir)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      hint: expect.stringContaining('backup'),
    })
    await expect(openStore(folderAt.dir)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  }
})

test('a log that was emptied is damage; a last record that was cut off was never promised and is none', async () => {
  await using at = await folder()
  const log = await written(at.dir)
  await truncate(log.path, log.bytes.length - 3)
  {
    await using store = await openStore(at.dir)
    expect(await store.texts('x').get('d')).toBe('value of d')
  }
  for (const name of await readdir(join(at.dir, 'store'))) if (name.endsWith('.log')) await truncate(join(at.dir, 'store', name))
  await expect(openStore(at.dir)).rejects.toMatchObject({ code: 'STORE_CORRUPT', message: expect.stringContaining('is lost') })
})

test('one flipped byte of a table is damage too', async () => {
  await using at = await folder()
  await written(at.dir)
  await using again = await openStore(at.dir)
  await again.close()
  const name = (await readdir(join(at.dir, 'store'))).find(one => one.endsWith('.ldb')) ?? ''
  const path = join(at.dir, 'store', name)
  const bytes = await readFile(path)
  for (const place of [0, 40, 120, bytes.length - 47, bytes.length - 1]) {
    const flipped = Buffer.from(bytes)
    flipped[place] = (flipped[place] ?? 0) ^ 0x40
    await writeFile(path, flipped)
    await expect(openStore(at.dir)).rejects.toMatchObject({ code: 'STORE_CORRUPT', message: expect.stringContaining(name) })
  }
  await writeFile(path, bytes)
  await using store = await openStore(at.dir)
  expect(await store.texts('x').get('e')).toBe('value of e')
})

test('tables of many blocks, of large values too, are whole', async () => {
  await using at = await folder()
  for (let round = 0; round < 3; round++) {
    await using store = await openStore(at.dir)
    for (let index = 0; index < 40; index++) {
      await store.texts('x').put(`k${index}`, `${round} ${String(index * 7919).repeat(20 * index)}`)
    }
    await store.texts('x').put('large', 'z'.repeat(3_000_000))
    await store
      .texts('x')
      .put('noise', Array.from({ length: 60_000 }, (_, n) => ((n * 2_654_435_761) % 4_294_967_296).toString(36)).join())
  }
  await using store = await openStore(at.dir)
  expect((await store.texts('x').get('k39'))?.startsWith('2 ')).toBe(true)
})

test('a store that a person moved away is begun anew', async () => {
  await using at = await folder()
  await written(at.dir)
  await rename(join(at.dir, 'store'), join(at.dir, 'damaged'))
  await using store = await openStore(at.dir)
  expect(await store.texts('x').get('a')).toBeUndefined()
})

test('a log of many blocks with records over several of them is whole', async () => {
  await using at = await folder()
  {
    await using store = await openStore(at.dir)
    for (const bytes of [1, 32_000, 700, 100_000, 32_768, 9]) await store.texts('x').put(`k${bytes}`, 'y'.repeat(bytes))
  }
  const name = (await readdir(join(at.dir, 'store'))).find(one => one.endsWith('.log')) ?? ''
  const bytes = await readFile(join(at.dir, 'store', name))
  expect(bytes.length).toBeGreaterThan(160_000)
  expect(damageIn(bytes)).toBeUndefined()
  await using store = await openStore(at.dir)
  expect((await store.texts('x').get('k100000'))?.length).toBe(100_000)
})

test('a place where no store can be is named', async () => {
  await expect(openStore('/etc/hostname/shoal')).rejects.toMatchObject({ code: 'STORE_UNREADABLE' })
})

test('an entry that is not what it should be is named, or told and left out', async () => {
  await using at = await folder()
  await using store = await openStore(at.dir)
  const numbers = store.table('numbers', {
    encode: String,
    decode: text => {
      if (!/^\d+$/.test(text)) throw new Error(`"${text}" is no number`)
      return Number(text)
    },
  })
  await numbers.put('a', 1)
  await store.texts('numbers').put('b', 'two')
  await expect(numbers.get('b')).rejects.toMatchObject({
    code: 'STORE_ENTRY_INVALID',
    message: expect.stringContaining('"two" is no number'),
  })
  const told: StoreError[] = []
  expect(await all(numbers.entries(error => told.push(error)))).toEqual([['a', 1]])
  expect(told).toHaveLength(1)
  await expect(all(numbers.entries())).rejects.toMatchObject({ code: 'STORE_ENTRY_INVALID' })
})

test('a value over the bound is refused before it is written', async () => {
  await using at = await folder()
  await using store = await openStore(at.dir)
  await expect(store.texts('x').put('a', 'y'.repeat(5 * 1024 ** 2))).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
  expect(await store.texts('x').get('a')).toBeUndefined()
})

const entry = (move: string, step: 'offered' | 'freezing' | 'handed-over'): JournalEntry => ({
  side: 'source',
  move,
  step,
  wallMs: 5,
  facts: {
    service: {
      id: 's1',
      spec: {
        name: 'web',
        type: 'stateful',
        image: 'i',
        args: ['a'],
        env: ['K=v'],
        restart: 'always',
        tty: false,
        profile: { cpu: '0.5' },
      },
      owner: 'A',
      epoch: 3,
      counter: 2,
      state: 'running',
      reason: '',
      deleted: false,
    },
    mode: 'stop-copy',
    from: 'A',
    to: 'B',
    containerId: 'c1',
  },
})

test('the journal keeps the order of its entries over restarts, and drops one move whole', async () => {
  await using at = await folder()
  {
    await using store = await openStore(at.dir)
    const journal = await openJournal(store)
    await journal.append(entry('m2', 'offered'))
    await journal.append(entry('m1', 'offered'))
    await journal.append(entry('m2', 'freezing'))
  }
  await using store = await openStore(at.dir)
  const journal = await openJournal(store)
  await journal.append(entry('m2', 'handed-over'))
  const entries = await journal.all()
  expect(entries.map(({ move, step }) => `${move} ${step}`)).toEqual([
    'm2 offered',
    'm1 offered',
    'm2 freezing',
    'm2 handed-over',
  ])
  expect(entries[1]).toEqual(entry('m1', 'offered'))
  await journal.drop('m2')
  expect((await journal.all()).map(({ move }) => move)).toEqual(['m1'])
})

test('a journal that does not read stops the start: guessing could let two copies run', async () => {
  await using at = await folder()
  await using store = await openStore(at.dir)
  await store.texts('journal').put('000000000000001.m1', '{"v":1,"side":"source","step":"dancing"}')
  await expect(openJournal(store)).rejects.toMatchObject({ code: 'STORE_ENTRY_INVALID' })
})

test('a record of a move that does not read is told and left out', async () => {
  await using at = await folder()
  await using store = await openStore(at.dir)
  const told: StoreError[] = []
  const records = moveRecords(store, error => told.push(error))
  const record: MoveRecord = {
    id: 'm1',
    side: 'source',
    service: 's1',
    name: 'web',
    type: 'stateful',
    mode: 'stop-copy',
    strategy: 'algorithm-1',
    reason: 'red',
    from: 'A',
    to: null,
    startedAtMs: 1,
    phases: [{ name: 'freeze', ms: 2 }],
    bytes: { image: 1, layer: 2, checkpoint: 3 },
    downtimeMs: null,
    errorMs: null,
    totalMs: 5,
    outcome: 'refused',
    refusals: [{ node: 'B', code: 'MOVE_REFUSED', what: 'full', hint: 'wait' }],
    error: null,
  }
  await records.save(record)
  await store.texts('moves').put('m0', '{}')
  expect(await records.all()).toEqual([record])
  expect(told).toHaveLength(1)
  await records.remove('m1')
  expect(await records.all()).toEqual([])
})
