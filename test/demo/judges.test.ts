import { expect, test } from 'vitest'
import { type LifeEvent, type LogLine, memoryWentOn, oneCopyRan } from './judges.ts'

const number = '0123456789abcdef0123456789abcdef'
const heard = (node: string, ...lines: readonly string[]): LogLine[] =>
  lines.map(line => ({ node, service: 's', container: node, line }))
const happened = (node: string, action: string, atMs: number): LifeEvent => ({
  node,
  service: 's',
  container: node,
  action,
  atMs,
})

test('a service whose number and count go on elsewhere kept its memory', () => {
  expect(memoryWentOn([...heard('a', `${number} 1 5`, `${number} 2 15`), ...heard('b', `${number} 3 400`)])).toMatchObject({
    ok: true,
  })
})

test.each([
  { says: 'a fresh start shows another number', lines: [...heard('a', `${number} 1 5`), ...heard('b', `${'f'.repeat(32)} 2 9`)] },
  { says: 'a count that is missing is lost work', lines: [...heard('a', `${number} 1 5`), ...heard('b', `${number} 3 9`)] },
  { says: 'a count twice is work done twice', lines: [...heard('a', `${number} 1 5`), ...heard('b', `${number} 1 9`)] },
  { says: 'a wrong page is a wrong memory', lines: [...heard('a', `${number} 1 5`), ...heard('b', 'BAD page 3')] },
  { says: 'a service that never moved proves nothing', lines: heard('a', `${number} 1 5`, `${number} 2 9`) },
  { says: 'silence proves nothing', lines: [] },
])('$says', ({ lines }) => {
  expect(memoryWentOn(lines)).toMatchObject({ ok: false })
})

test('a copy that stops before the next one starts is one copy', () => {
  const events = [happened('a', 'start', 1), happened('a', 'pause', 10), happened('b', 'start', 12), happened('a', 'die', 20)]
  expect(oneCopyRan(events)).toMatchObject({ ok: true, detail: 'ran on a → b, never on two at once' })
})

test.each([
  {
    says: 'two that run at once are two copies',
    events: [happened('a', 'start', 1), happened('b', 'start', 5), happened('a', 'die', 9)],
  },
  { says: 'none that runs at the end is a loss', events: [happened('a', 'start', 1), happened('a', 'die', 9)] },
  {
    says: 'a source that is thawed beside its copy is two',
    events: [happened('a', 'start', 1), happened('a', 'pause', 2), happened('b', 'start', 3), happened('a', 'unpause', 4)],
  },
])('$says', ({ events }) => {
  expect(oneCopyRan(events)).toMatchObject({ ok: false })
})
