// What the CLI does on this host itself: the real HostActions. Everything heavy (schemas, libp2p, the store) is imported when a verb needs it, so
// that `shoal ls` stays quick.

import { hostname } from 'node:os'
import type { LoadedConfig } from '../config.ts'
import type { HostActions, NodeFlags } from './host-actions.ts'
import { settingFlags } from './setting-flags.ts'

const DEFAULT_CONFIG = '/etc/shoal/shoal.yaml'

/** Reads variables from `env`. */
export function localHost(env: Readonly<Record<string, string | undefined>>): HostActions {
  const load = (flags: NodeFlags): Promise<LoadedConfig> => loadHere(flags, env)
  return {
    async up(flags, onUp, signal) {
      const loaded = await load(flags)
      const { startNode } = await import('../compose.ts')
      const node = await startNode(loaded, signal)
      const { name, socket } = loaded.config
      onUp(`${name} is up; \`shoal --socket ${socket} status\` says where it stands, Ctrl-C ends it`)
      await node.closed
    },

    async config(flags) {
      const { configReply } = await import('../api/config-reply.ts')
      const { config, origin } = await load(flags)
      return configReply(config, origin)
    },

    async doctor(flags, signal) {
      const { checkHost } = await import('../doctor.ts')
      return { checks: [...(await checkHost(await load(flags), signal))] }
    },

    async setup(flags, wish, signal) {
      const { planSetup } = await import('../setup.ts')
      return planSetup(await load(flags), wish, signal)
    },
  }
}

async function loadHere(
  { configFile, words }: NodeFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadedConfig> {
  const [{ loadConfig }, { readConfigFile }, { flagName, settings }, { nearest }] = await Promise.all([
    import('../config.ts'),
    import('../config-file.ts'),
    import('../config-schema.ts'),
    import('../nearest.ts'),
  ])
  const known = settings().map(({ key, schema }) => ({ key, flag: flagName(key), isBoolean: schema.type === 'boolean' }))
  const named = configFile ?? env['SHOAL_CONFIG']
  const file = await readConfigFile(named ?? DEFAULT_CONFIG)
  return loadConfig({
    ...(file === undefined ? {} : { file }),
    env,
    flags: settingFlags(words, known, nearest),
    hostname: hostname(),
  })
}
