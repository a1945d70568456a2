// How does a node tell what it does? One JSON line per event on standard error, by pino; passed down as a value, never imported as a singleton.
// Keys that may hold a secret are cut out. Built by compose.ts.

import { type DestinationStream, type Logger, pino } from 'pino'
import { ShoalError } from '../placement/shoal-error.ts'

export type { Logger } from 'pino'

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Name of the node, on every line. */
  readonly node: string
  /** Where lines go; standard error if absent. */
  readonly to?: DestinationStream
}

/** A logger whose errors carry code and hint, and whose lines carry no token or key. */
export function openLog({ level, node, to }: LogOptions): Logger {
  return pino(
    {
      level,
      base: { node },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: errorLine, error: errorLine },
      redact: {
        paths: ['token', '*.token', 'privateKey', '*.privateKey', 'key', '*.key', 'authorization', '*.authorization'],
        censor: '[cut]',
      },
    },
    to ?? pino.destination({ dest: 2, sync: true }),
  )
}

/** An error as a value of a log line: code and hint where it has them, causes down to the third. */
export function errorLine(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error
  return {
    name: error.name,
    what: error.message,
    ...(error instanceof ShoalError ? { code: error.code, hint: error.hint } : { stack: error.stack }),
    ...(error.cause === undefined || depth >= 2 ? {} : { cause: errorLine(error.cause, depth + 1) }),
  }
}
