import { expect, test } from 'vitest'
import { nearest } from '../nearest.ts'
import { settingFlags } from './setting-flags.ts'
import { bytesInWords, durationMs, memoryAsQuota, msInWords, percentInWords, sinceMs } from './words.ts'

test('sizes, times and shares are said as people say them', () => {
  expect([0, 1023, 1536, 64 * 1024 ** 2, 3 * 1024 ** 4].map(bytesInWords)).toEqual([
    '0 B',
    '1023 B',
    '1.5 KiB',
    '64.0 MiB',
    '3.0 TiB',
  ])
  expect([null, 3.4, 1900, 180_000, 90_000_000].map(msInWords)).toEqual(['-', '3 ms', '1.9 s', '3 min', '25 h'])
  expect([null, 0.44, 38.2].map(percentInWords)).toEqual(['-', '0.4 %', '38 %'])
})

test('times are read as they are written', () => {
  expect(['90s', '15m', '1h30m', '500ms', '1.5h'].map(durationMs)).toEqual([90_000, 900_000, 5_400_000, 500, 5_400_000])
  for (const bad of ['', '15', 'm', '15 m', '1h30', 'soon'])
    expect(() => durationMs(bad)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  expect(sinceMs('10m', 700_000)).toBe(100_000)
  expect(sinceMs('1970-01-01T00:00:05Z', 0)).toBe(5_000)
})

test("Docker's way to write memory becomes ours", () => {
  expect(['256m', '1g', '512kb', '64b', '256Mi', '10%'].map(memoryAsQuota)).toEqual([
    '256Mi',
    '1Gi',
    '512Ki',
    '64',
    '256Mi',
    '10%',
  ])
})

const known = [
  { key: 'dataDir', flag: '--data-dir', isBoolean: false },
  { key: 'mdns', flag: '--mdns', isBoolean: true },
]

test('settings are read from flags in all their forms', () => {
  const read = (line: string) => settingFlags(line.split(' '), known, nearest)
  expect(read('--data-dir /x --mdns')).toEqual({ dataDir: '/x', mdns: true })
  expect(read('--data-dir=/x --no-mdns')).toEqual({ dataDir: '/x', mdns: false })
  expect(read('--mdns false')).toEqual({ mdns: 'false' })
  expect(() => read('--data-dri /x')).toThrow(expect.objectContaining({ code: 'USAGE', hint: 'did you mean --data-dir?' }))
  expect(() => read('--data-dir')).toThrow(expect.objectContaining({ message: '--data-dir needs a value' }))
})
