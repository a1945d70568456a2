import { expect, test } from 'vitest'
import type { LogChunk } from './engine.ts'
import { linesOf, splitStamp } from './service-logs.ts'

async function* chunks(...texts: readonly (readonly ['stdout' | 'stderr', string])[]): AsyncGenerator<LogChunk> {
  for (const [stream, text] of texts) yield { stream, bytes: Buffer.from(text) }
}

test('chunks cut anywhere become whole lines, each stream for itself', async () => {
  const lines = await Array.fromAsync(
    linesOf(chunks(['stdout', 'on'], ['stderr', 'oh\n'], ['stdout', 'e\ntwo\nth'], ['stdout', 'ree'])),
  )
  expect(lines).toEqual([
    { stream: 'stderr', text: 'oh' },
    { stream: 'stdout', text: 'one' },
    { stream: 'stdout', text: 'two' },
    { stream: 'stdout', text: 'three' },
  ])
})

test('a line without end does not fill the memory: it comes in pieces', async () => {
  const lines = await Array.fromAsync(linesOf(chunks(['stdout', 'x'.repeat(150_000)])))
  expect(lines.map(({ text }) => text.length)).toEqual([65_536, 65_536, 18_928])
})

test("the engine's time is told apart from the text", () => {
  expect(splitStamp('2026-01-02T03:04:05.000000006Z hello world', '')).toEqual({
    stamp: '2026-01-02T03:04:05.000000006Z',
    line: 'hello world',
  })
  expect(splitStamp('rest of a long line', 'before')).toEqual({ stamp: 'before', line: 'rest of a long line' })
})
