import { expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { command, output } from './host-command.ts'

const wait = { deadlineMs: 40, everyMs: 1, says: 'three is reached' }

test('eventually resolves with the first good value', async () => {
  let asked = 0
  expect(await eventually(() => ++asked, { ...wait, until: value => value === 3 })).toBe(3)
  expect(asked).toBe(3)
})

test('an empty list and an error are not yet an answer', async () => {
  const answers = [() => [], () => Promise.reject(new Error('refused')), () => ['x']]
  expect(await eventually<readonly string[]>(() => (answers.shift() ?? (() => []))(), wait)).toEqual(['x'])
})

test('after the deadline the error shows what was expected and the last thing seen', async () => {
  const never = eventually(() => ({ at: 2 }), { ...wait, until: () => false })
  await expect(never).rejects.toThrow('not within 40 ms: three is reached; last seen: { at: 2 }')
  const failing = eventually(() => Promise.reject(new Error('refused')), wait)
  await expect(failing).rejects.toThrow('last error: refused')
})

test('a command gives its output and its code, and an unwanted code is an error with its words', async () => {
  expect(await command(['sh', '-c', 'cat; echo oops >&2; exit 3'], { input: 'in' })).toEqual({
    stdout: 'in',
    stderr: 'oops\n',
    code: 3,
  })
  await expect(output(['sh', '-c', 'echo oops >&2; exit 3'])).rejects.toThrow(/exit code 3; it said: oops/)
  await expect(command(['/nowhere/at-all'])).rejects.toMatchObject({ code: 'LAB_COMMAND_FAILED' })
})

test('a command past its deadline is ended, and what it started with it', async () => {
  const { stdout } = await command(['sh', '-c', 'echo $$'])
  expect(Number(stdout)).toBeGreaterThan(1)
  const slow = command(['sh', '-c', 'sleep 60 & echo $! >&2; wait'], { deadlineMs: 100 })
  const error = await slow.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  expect(String(error)).toContain('still running after 100 ms')
  const pid = Number(/it said: (\d+)/.exec(String(error))?.[1])
  // Dead, even if nobody has collected it yet.
  const runs = () => command(['grep', '-q', '^State:.[^ZX]', `/proc/${pid}/status`])
  await eventually(runs, { deadlineMs: 2000, everyMs: 5, says: 'the child is gone', until: ({ code }) => code !== 0 })
})
