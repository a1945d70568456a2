// Where is the runtime shim that came with this Shoal? Asked by setup.ts and doctor.ts.

import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Name of the shim in the engine's configuration. */
export const RUNTIME_NAME = 'shoal'

/** Beside the bundle; in a checkout, where it is kept. */
export async function shimPath(): Promise<string> {
  const here = dirname(fileURLToPath(import.meta.url))
  const beside = join(here, 'shoal-runtime')
  return access(beside).then(
    () => beside,
    () => join(here, '../migrate/shim/shoal-runtime.sh'),
  )
}
