// What must stand in /etc/criu/runc.conf, because runc has no flags for it? `shoal setup` writes it, `shoal doctor` compares it.

import { LIMITS } from '../limits.ts'

export const CRIU_CONFIG_PATH = '/etc/criu/runc.conf'

/** One option a line, as CRIU reads them. */
export const criuConfigLines: readonly string[] = [
  // We have cut the network ourselves; CRIU's own lock forks iptables inside the freeze.
  'network-lock skip',
  // Established connections cannot follow to another address: they close, and the peer connects again.
  'tcp-close',
  // Half-accepted connections: the client tries again.
  'skip-in-flight',
  // Open files whose name is gone while another hard link lives, and small ones whose every name is gone.
  'link-remap',
  `ghost-limit ${LIMITS.ghostFileBytes}`,
]
