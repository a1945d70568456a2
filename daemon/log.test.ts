// What a node's log tells, and what it never tells.

import { expect, test } from 'vitest'
import { EngineError } from './errors.ts'
import { openLog } from './log.ts'

function lines(
  act: (log: ReturnType<typeof openLog>) => void,
  level: 'debug' | 'info' | 'warn' | 'error' = 'info',
): Record<string, unknown>[] {
  const written: string[] = []
  act(openLog({ level, node: 'edge-3', to: { write: text => void written.push(text) } }))
  return written.map((text): Record<string, unknown> => JSON.parse(text))
}

test('a line is JSON with level, time and node', () => {
  expect(lines(log => log.info({ move: 'm1' }, 'said'))).toMatchObject([
    { level: 'info', node: 'edge-3', move: 'm1', msg: 'said', time: expect.stringMatching(/^\d{4}-.*Z$/) },
  ])
  expect(lines(log => log.info('said'), 'warn')).toEqual([])
})

test('an error is told with its code, its hint and its causes', () => {
  const cause = new Error('connect ENOENT')
  const error = new EngineError('ENGINE_UNREACHABLE', { what: 'no engine', hint: 'start it', cause })
  expect(lines(log => log.error({ err: error }, 'failed'))[0]).toMatchObject({
    err: { code: 'ENGINE_UNREACHABLE', what: 'no engine', hint: 'start it', cause: { what: 'connect ENOENT' } },
  })
})

test('tokens and keys are cut out', () => {
  const text = JSON.stringify(lines(log => log.info({ token: 'secret-1', peer: { privateKey: 'secret-2' } }, 'joined')))
  expect(text).not.toContain('secret')
  expect(text).toContain('[cut]')
})
