// What the CLI does on this host itself, without asking a daemon: start one, read its configuration, check and set up the host. A port, so that
// the verbs run in tests; local-host.ts is the real one and is loaded only when a verb needs it.

import type { ConfigReply, DoctorReply } from '../api/schema/upkeep.ts'

/** What was said on the command line about the node: `--config FILE` and `--any-setting value`, still as text. */
export interface NodeFlags {
  readonly configFile: string | undefined
  readonly words: readonly string[]
}

export interface SetupWish {
  readonly undo: boolean
}

/** What setup would change, before it does. */
export interface SetupPlan {
  /** For people: file by file, `+` and `-` lines. Empty when there is nothing to do. */
  readonly diff: string
  /** Does it; answers what was done, a line each. */
  apply(signal: AbortSignal): Promise<readonly string[]>
}

export interface HostActions {
  /** Runs a node in the foreground until `signal`; resolves when all is put away. `onUp` hears, once, how to reach it. */
  up(flags: NodeFlags, onUp: (says: string) => void, signal: AbortSignal): Promise<void>
  /** What `up` would be configured with. */
  config(flags: NodeFlags): Promise<ConfigReply>
  /** The checks that need no running daemon. */
  doctor(flags: NodeFlags, signal: AbortSignal): Promise<DoctorReply>
  setup(flags: NodeFlags, wish: SetupWish, signal: AbortSignal): Promise<SetupPlan>
}
