// The command `shoal`: arguments, signals, exit status, and nothing else. Verbs are in cli/, the daemon's composition root in compose.ts.

import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { CommanderError } from 'commander'
import type { Cli } from './cli/cli.ts'
import { EXIT, exitCodeFor } from './cli/exit-code.ts'
import { failureInWords } from './cli/failure.ts'
import { localHost } from './cli/local-host.ts'
import { buildProgram } from './cli/program.ts'
import { VERSION } from './version.ts'

const interrupted = new AbortController()
const exit = { code: EXIT.done as number }

const cli: Cli = {
  out: text => process.stdout.write(text),
  hint: text => process.stderr.write(`${text}\n`),
  env: process.env,
  terminal: process.stdout.isTTY && process.stdin.isTTY,
  signal: interrupted.signal,
  exit,
  readFile: path => readFile(path, 'utf8'),
  async ask(question) {
    const line = createInterface({ input: process.stdin, output: process.stderr })
    try {
      return await line.question(question, { signal: interrupted.signal })
    } finally {
      line.close()
    }
  },
  host: localHost(process.env),
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Asked twice: whoever asks does not want to wait for an orderly end.
    if (interrupted.signal.aborted) process.exit(EXIT.interrupted)
    interrupted.abort(new DOMException(`ended by ${signal}`, 'AbortError'))
  })
}
// `shoal ls | head` closes our output: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.failed))

try {
  await buildProgram({ cli, version: VERSION }).parseAsync(process.argv)
  process.exitCode = exit.code
  // All of ours is put away by now; libraries leave timers behind that would hold the process for seconds after a signal.
  if (interrupted.signal.aborted) process.exit()
} catch (error) {
  if (interrupted.signal.aborted) process.exit(EXIT.interrupted)
  // Commander has said its own already.
  if (!(error instanceof CommanderError)) cli.hint(failureInWords(error))
  // Not when nothing is left to do: what a start that failed leaves behind (timers, idle connections) would hold the shell for seconds. What was
  // written is out: standard error is written synchronously to files, terminals and, on Linux, pipes.
  process.exit(exitCodeFor(error))
}
