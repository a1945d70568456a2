// Any setting of the configuration as a flag: `--data-dir DIR`, `--thresholds-cpu-pct=60`, `--mdns false`. The names come from the configuration's
// schema, which is only read when such a verb runs. Used by `up`, `config`, `doctor` and `setup`.

import type { Command } from 'commander'
import { ApiError } from '../api/api-errors.ts'

/** Lets a command take `--config` and any setting. */
export function takesSettings(command: Command): Command {
  return command
    .argument(
      '[settings...]',
      'any setting as a flag: --name, --role, --preset, --data-dir, --port, --api … (docs/configuration.md)',
    )
    .option('--config <file>', 'the configuration file (SHOAL_CONFIG; default: /etc/shoal/shoal.yaml)')
    .allowUnknownOption()
}

/** What of a setting is needed to read its flag. */
export interface FlagSetting {
  readonly key: string
  /** `--thresholds-cpu-pct` */
  readonly flag: string
  readonly isBoolean: boolean
}

/**
 * Words of the command line as settings by dotted key, still as text. A boolean may stand without a value, and as `--no-…`.
 * @throws ApiError USAGE naming the nearest flag
 */
export function settingFlags(
  words: readonly string[],
  known: readonly FlagSetting[],
  nearest: (word: string, known: readonly string[]) => string | undefined,
): Readonly<Record<string, string | boolean>> {
  const byFlag = new Map(known.map(setting => [setting.flag, setting]))
  const flags: Record<string, string | boolean> = {}
  for (let at = 0; at < words.length; at += 1) {
    const [name, inline] = cutAtEquals(words[at] ?? '')
    const negated = name.startsWith('--no-') ? byFlag.get(`--${name.slice('--no-'.length)}`) : undefined
    const setting = byFlag.get(name) ?? negated
    if (setting === undefined) throw unknownFlag(name, nearest(name, [...byFlag.keys()]))
    if (negated !== undefined && setting.isBoolean) {
      flags[setting.key] = false
      continue
    }
    const next = words[at + 1]
    const hasNext = next !== undefined && !next.startsWith('--')
    if (inline !== undefined) flags[setting.key] = inline
    else if (setting.isBoolean && !(hasNext && /^(true|false|yes|no|on|off|0|1)$/i.test(next))) flags[setting.key] = true
    else if (hasNext) {
      flags[setting.key] = next
      at += 1
    } else throw new ApiError('USAGE', { what: `${name} needs a value`, hint: `write ${name} VALUE` })
  }
  return flags
}

function cutAtEquals(word: string): readonly [string, string?] {
  const cut = word.indexOf('=')
  return cut === -1 ? [word] : [word.slice(0, cut), word.slice(cut + 1)]
}

function unknownFlag(name: string, meant: string | undefined): ApiError {
  return new ApiError('USAGE', {
    what: name.startsWith('-') ? `${name} is no setting` : `${name} is too much`,
    hint: meant === undefined ? 'docs/configuration.md lists all settings' : `did you mean ${meant}?`,
  })
}
