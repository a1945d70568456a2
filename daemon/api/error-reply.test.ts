import { expect, test } from 'vitest'
import { meshErrorCodes } from '../../gossip/errors.ts'
import { trustErrorCodes } from '../../gossip/trust-errors.ts'
import { moveErrorCodes } from '../../migrate/errors.ts'
import { placementErrors } from '../../placement/errors.ts'
import { ShoalError } from '../../placement/shoal-error.ts'
import { ApiReplyError } from '../cli/client.ts'
import { EXIT, exitCodeFor } from '../cli/exit-code.ts'
import { DAEMON_ERRORS } from '../errors.ts'
import { errorReply, knownCodes } from './error-reply.ts'

const exitOf = (code: string): number => {
  const { status, body } = errorReply(new ShoalError(code, { what: 'it', hint: '' }))
  return exitCodeFor(new ApiReplyError(status, body))
}

test.each([
  { code: 'SERVICE_NOT_FOUND', exit: EXIT.notFound },
  { code: 'NO_NODE_FITS', exit: EXIT.refused },
  { code: 'OBSTACLE_TERMINAL', exit: EXIT.refused },
  { code: 'NOT_ADMITTING', exit: EXIT.notAuthorised },
  { code: 'MOVE_BUSY', exit: EXIT.conflict },
  { code: 'TIMED_OUT', exit: EXIT.timedOut },
  { code: 'PROFILE_REFUSED', exit: EXIT.usage },
  { code: 'MOVE_DAMAGED', exit: EXIT.failed },
  { code: 'DAEMON_UNREACHABLE', exit: EXIT.failed },
])('$code ends the CLI with $exit when the daemon answers it', ({ code, exit }) => expect(exitOf(code)).toBe(exit))

test('every code that has a status of its own is a code of some room', () => {
  const rooms = [meshErrorCodes, trustErrorCodes, moveErrorCodes, placementErrors, DAEMON_ERRORS]
  const codes = new Set(rooms.flatMap(table => Object.keys(table)))
  expect(knownCodes().filter(code => !codes.has(code))).toEqual([])
})

test('an error that is no ShoalError says nothing of its inside', () => {
  expect(errorReply(new Error('/root/secret')).body.message).not.toContain('secret')
})
