// What can this node checkpoint and restore, and why not? Runs the tools once at start; `shoal doctor`, the load report's capability and the
// admission of moves read the answer.

import { createHash } from 'node:crypto'
import { access, constants, readFile } from 'node:fs/promises'
import { compareVersions } from '../fits.ts'
import { LIMITS } from '../limits.ts'
import type { RunCommand } from './command.ts'
import { CRIU_CONFIG_PATH, criuConfigLines } from './criu-config.ts'

/** Older ones cannot dump sockets on kernels from 6.16 on, or do not start at all. */
export const CRIU_AT_LEAST = '4.2'

export interface NodeProbe {
  /** Versions, or null where the tool is missing or does not work. */
  readonly criu: string | null
  readonly runc: string | null
  /** Whether the runtime shim's file and the options in /etc/criu/runc.conf are there. (The engine says itself whether it is registered.) */
  readonly criuConfigured: boolean
  readonly cpuDigest: string
  /** Each thing that is missing, as a sentence with what to do. Empty: stateful moves work, as far as a probe can tell. */
  readonly complaints: readonly string[]
}

const versionIn = (said: string): string | null => /\b(\d+\.\d+[\w.+~-]*)/.exec(said)?.[1] ?? null

async function ask(run: RunCommand, words: readonly string[], signal: AbortSignal): Promise<{ ok: boolean; said: string }> {
  try {
    const { code, stdout, stderr } = await run(words, { ms: LIMITS.commandMs, signal })
    return { ok: code === 0, said: `${stdout}${stderr}`.trim() }
  } catch (error) {
    signal.throwIfAborted()
    return { ok: false, said: error instanceof Error ? error.message : String(error) }
  }
}

/**
 * What CRIU compares before it restores: the instruction set (the kernel's flags decide its register file too). Equal digests restore on
 * each other; unequal ones may, and are refused all the same.
 */
export function cpuDigest(cpuinfo: string, arch: string): string {
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? ''
  return createHash('sha256')
    .update(`${arch} ${flags.split(/\s+/).toSorted().join(' ')}`)
    .digest('hex')
    .slice(0, 16)
}

async function criuConfigured(): Promise<boolean> {
  const lines = (await readFile(CRIU_CONFIG_PATH, 'utf8').catch(() => '')).split('\n').map(line => line.trim())
  return criuConfigLines.every(line => lines.includes(line))
}

/** Asks the tools. `shim` is the shim's file where `shoal setup` put it, or undefined when the engine does not know it. */
export async function probeNode(run: RunCommand, shim: string | undefined, signal: AbortSignal): Promise<NodeProbe> {
  const complaints: string[] = []
  const version = await ask(run, ['criu', '--version'], signal)
  let criu = version.ok ? versionIn(version.said) : null
  if (criu === null) complaints.push('CRIU is not installed: install criu 4.2 or newer')
  else if (compareVersions(criu, CRIU_AT_LEAST) < 0) {
    complaints.push(`CRIU ${criu} is too old for kernels of today: install ${CRIU_AT_LEAST} or newer`)
    criu = null
  } else {
    const check = await ask(run, ['criu', 'check'], signal)
    if (!check.ok) {
      complaints.push(`CRIU ${criu} does not work here: ${check.said.split('\n').at(-1) ?? 'criu check failed'}`)
      criu = null
    }
  }
  const runcAnswer = await ask(run, ['runc', '--version'], signal)
  const runc = runcAnswer.ok ? versionIn(runcAnswer.said) : null
  if (runc === null) complaints.push('runc is not installed or not in the path: install runc')
  for (const tool of ['ip', 'nsenter', 'tar', 'timeout', 'mkfifo']) {
    const found = await ask(run, [tool, tool === 'ip' ? '-V' : '--version'], signal)
    if (!found.ok) complaints.push(`${tool} is missing: install iproute2, util-linux, tar and coreutils`)
  }
  const configured = await criuConfigured()
  if (!configured) complaints.push(`${CRIU_CONFIG_PATH} lacks Shoal's options: run \`shoal setup\``)
  const shimThere =
    shim !== undefined &&
    (await access(shim, constants.X_OK).then(
      () => true,
      () => false,
    ))
  if (!shimThere) complaints.push('the runtime `shoal` is not registered in the engine: run `shoal setup`')
  const digest = cpuDigest(await readFile('/proc/cpuinfo', 'utf8'), process.arch)
  return { criu, runc, criuConfigured: configured, cpuDigest: digest, complaints }
}
