// Where is the configuration file, and what does it say? Called by main.ts before loadConfig.

import { lstat, readFile } from 'node:fs/promises'
import { ConfigError } from './errors.ts'
import { CONFIG_FILE_BYTES } from './limits.ts'

/** Read when no other is named; need not exist. */
export const DEFAULT_CONFIG_PATH = '/etc/shoal/shoal.yaml'

/** The file for {@link loadConfig}. Undefined when the default one is not there; any other must be. Throws CONFIG_UNREADABLE. */
export async function readConfigFile(named?: string): Promise<{ readonly path: string; readonly text: string } | undefined> {
  const path = named ?? DEFAULT_CONFIG_PATH
  try {
    const { size } = await lstat(path)
    if (size > CONFIG_FILE_BYTES) throw new Error(`it has ${size} bytes, over the ${CONFIG_FILE_BYTES} allowed`)
    return { path, text: await readFile(path, 'utf8') }
  } catch (cause) {
    if (path === DEFAULT_CONFIG_PATH && cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw new ConfigError('CONFIG_UNREADABLE', {
      what: `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: 'correct the path or the rights of the file; without a file the defaults count',
      cause,
    })
  }
}
