// Waits until something is so, with a deadline, and shows the last thing seen when it never was. The only way lab tests wait.

import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { LabError } from './errors.ts'
import { pollMs } from './limits.ts'

export interface Wait<Value> {
  readonly deadlineMs: number
  /** The sentence that was expected to come true; opens the error's text. */
  readonly says: string
  /** When is a value good? By default: when it is neither undefined, null, false nor an empty array. */
  readonly until?: (value: Value) => boolean
  readonly everyMs?: number
  readonly signal?: AbortSignal
}

const isSomething = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== false && !(Array.isArray(value) && value.length === 0)

/**
 * Asks `check` again and again until its value is good, and resolves with that value. A check that throws has no value yet.
 * @throws LabError LAB_NOT_IN_TIME with the last value or the last error after `deadlineMs`.
 */
export async function eventually<Value>(check: () => Value | Promise<Value>, wait: Wait<Value>): Promise<NonNullable<Value>> {
  const until = wait.until ?? isSomething
  const started = performance.now()
  let last: string
  let cause: unknown
  for (;;) {
    try {
      const value = await check()
      if (value !== undefined && value !== null && until(value)) return value
      last = `last seen: ${inspect(value, { depth: 6, breakLength: 130, maxStringLength: 2000 })}`
      cause = undefined
    } catch (error) {
      last = `last error: ${error instanceof Error ? error.message : String(error)}`
      cause = error
    }
    if (performance.now() - started > wait.deadlineMs) break
    await sleep(wait.everyMs ?? pollMs, undefined, wait.signal === undefined ? {} : { signal: wait.signal })
  }
  throw new LabError('LAB_NOT_IN_TIME', {
    what: `not within ${wait.deadlineMs} ms: ${wait.says}; ${last}`,
    hint: 'the logs of the nodes say what happened instead',
    ...(cause === undefined ? {} : { cause }),
  })
}
