// Removes a lab by its label: containers, networks, volumes, iptables rules. Never the cache, never an image.
// Run before and after a lab, so that a crash leaves nothing for the next one to stumble over.

import { eventually } from './eventually.ts'
import { command, output } from './host-command.ts'
import { composeMs } from './limits.ts'
import { forbidRouting, labRules } from './network.ts'

/** What is left of a lab on this machine, by name. */
export interface Leftovers {
  readonly containers: readonly string[]
  readonly networks: readonly string[]
  readonly volumes: readonly string[]
  readonly rules: readonly string[]
}

const labelOf = (project: string | undefined) => (project === undefined ? 'shoal.lab' : `shoal.lab=${project}`)
const lines = (text: string) => text.split('\n').filter(line => line !== '')

/** Everything on this machine with the label of `project`, or of any lab. */
export async function leftovers(project?: string): Promise<Leftovers> {
  const filter = ['--filter', `label=${labelOf(project)}`]
  const [containers, networks, volumes, rules] = await Promise.all([
    output(['docker', 'ps', '-a', ...filter, '--format', '{{.Names}}']),
    output(['docker', 'network', 'ls', ...filter, '--format', '{{.Name}}']),
    output(['docker', 'volume', 'ls', ...filter, '--format', '{{.Name}}']),
    labRules(project),
  ])
  return {
    containers: lines(containers),
    networks: lines(networks),
    volumes: lines(volumes),
    rules: rules.map(rule => rule.join(' ')),
  }
}

/** Is anything left? */
export const isClean = (left: Leftovers): boolean =>
  left.containers.length + left.networks.length + left.volumes.length + left.rules.length === 0

/**
 * A service that a move holds is frozen, and with cgroups of version 1 a frozen process cannot die: the engine would answer that it could not kill
 * the node around it.
 */
async function thaw(containers: readonly string[]): Promise<void> {
  if (containers.length === 0) return
  const ids = lines(await output(['docker', 'inspect', '--format', '{{.Id}}', ...containers]))
  for (const id of ids) {
    const found = await command(['find', `/sys/fs/cgroup/freezer/docker/${id}`, '-name', 'freezer.state'])
    for (const path of lines(found.stdout)) await command(['sh', '-c', 'grep -q FROZEN "$1" && echo THAWED > "$1"', 'thaw', path])
  }
}

/** Removes everything with the label of `project`, or of every lab when none is named. */
export async function cleanUp(project?: string): Promise<void> {
  const { containers, networks, volumes } = await leftovers(project)
  const deadline = { deadlineMs: composeMs }
  if (containers.length > 0) {
    const remove = async (): Promise<boolean> => {
      const now = (await leftovers(project)).containers
      await thaw(now)
      if (now.length > 0) await output(['docker', 'rm', '-f', '-v', ...now], deadline)
      return true
    }
    await eventually(remove, { deadlineMs: composeMs, says: `${containers.join(', ')} are removed` })
  }
  if (networks.length > 0) await output(['docker', 'network', 'rm', ...networks], deadline)
  if (volumes.length > 0) await output(['docker', 'volume', 'rm', '-f', ...volumes], deadline)
  await forbidRouting(project)
}
