import { expect, test } from 'vitest'
import { memoryKeyValue } from './key-value.ts'
import { LIMITS } from './limits.ts'
import { PeerBook, medianMs, redialPauseMs } from './peer-book.ts'

test('a member that does not answer is dialled after 1, 2, 4 … 30 seconds, for ever', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 100].map(failures => redialPauseMs(failures, 0.5))).toEqual([
    1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000,
  ])
  expect(redialPauseMs(1, 0)).toBe(750)
  expect(redialPauseMs(1, 1)).toBe(1250)
})

test('where members are is remembered across a restart; strangers are not', async () => {
  const store = memoryKeyValue()
  const book = new PeerBook(store, id => id === 'member')
  await book.addAddresses(
    'member',
    ['/ip4/10.0.0.1/tcp/1', 'nonsense', '/ip4/10.0.0.2/tcp/1/p2p/12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p'],
    0,
  )
  await book.addAddresses('stranger', ['/ip4/10.0.0.3/tcp/1'], 0)
  const again = new PeerBook(store, () => true)
  await again.recall(0)
  expect(again.get('member')?.addresses).toEqual(['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.2/tcp/1'])
  expect(again.get('stranger')).toBeUndefined()
})

test('strangers and addresses are bounded; the longest silent make room, members never', async () => {
  const book = new PeerBook(memoryKeyValue(), id => id === 'member')
  book.note('member', 0)
  for (let at = 0; at < LIMITS.strangersMax + 10; at++) book.note(`s${at}`, at + 1)
  expect(book.get('member')).toBeDefined()
  expect(book.get('s0')).toBeUndefined()
  expect(book.get(`s${LIMITS.strangersMax + 9}`)).toBeDefined()
  expect(book.all()).toHaveLength(LIMITS.strangersMax + 1)
  await book.addAddresses(
    'member',
    Array.from({ length: 50 }, (_, at) => `/ip4/10.0.0.${at}/tcp/1`),
    0,
  )
  expect(book.get('member')?.addresses).toHaveLength(LIMITS.addressesPerPeerMax)
})

test('the median of the round trips is taken, none of none', () => {
  expect(medianMs([])).toBeNull()
  expect(medianMs([90, 1, 2])).toBe(2)
})
