// Speaks to compose, whichever of its two forms this machine has. Called by lab.ts alone.

import { fileURLToPath } from 'node:url'
import { command, output } from './host-command.ts'
import { composeMs } from './limits.ts'
import { composeVariables, type LabSettings } from './settings.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const file = fileURLToPath(new URL('../../docker-compose.test.yml', import.meta.url))

/** The `docker compose` plugin where it works, else Debian's `docker-compose`. */
async function composeProgram(): Promise<readonly string[]> {
  const plugin = await command(['docker', 'compose', 'version'])
  return plugin.code === 0 ? ['docker', 'compose'] : ['docker-compose']
}

/** Starts what is missing or differs from `settings`; what runs as described is left running. */
export async function composeUp(settings: LabSettings, services: readonly string[], signal?: AbortSignal): Promise<void> {
  const program = await composeProgram()
  await output([...program, '-f', file, '-p', settings.project, 'up', '-d', '--no-build', ...services], {
    cwd: root,
    env: composeVariables(settings),
    deadlineMs: composeMs,
    ...(signal === undefined ? {} : { signal }),
  })
}
