// The lab's wires on this machine: what lets its bridges carry routed packets, and what cuts and heals them.

import { readdirSync, readFileSync } from 'node:fs'
import { LabError } from './errors.ts'
import { command, output } from './host-command.ts'
import { bridgeSuffix, networkByte, type LabSettings, type NetworkName } from './settings.ts'

const ruleComment = (project: string) => `shoal.lab=${project}`

/**
 * An `internal` network's engine drops whatever crosses its bridge from or to a foreign address, also between two containers on it:
 * here that is every packet through the router. One rule per bridge of ours in DOCKER-USER, the chain meant for this, lets them pass.
 */
export async function allowRouting(settings: LabSettings): Promise<void> {
  const chain = await command(['iptables', '-w', '-S', 'DOCKER-USER'])
  // An engine run without iptables has no such chain and drops nothing.
  if (chain.code !== 0) return
  for (const suffix of Object.values(bridgeSuffix)) {
    const bridge = `${settings.bridge}-${suffix}`
    const rule = ['-i', bridge, '-o', bridge, '-m', 'comment', '--comment', ruleComment(settings.project), '-j', 'ACCEPT']
    const there = await command(['iptables', '-w', '-C', 'DOCKER-USER', ...rule])
    if (there.code !== 0) await output(['iptables', '-w', '-I', 'DOCKER-USER', ...rule])
  }
}

/** The rules of {@link allowRouting} of `project`, or of every lab, as arguments for `iptables -D`. */
export async function labRules(project: string | undefined): Promise<readonly (readonly string[])[]> {
  const { stdout } = await command(['iptables', '-w', '-S', 'DOCKER-USER'])
  const wanted = (comment: string) =>
    project === undefined ? comment.startsWith(ruleComment('')) : comment === ruleComment(project)
  return stdout
    .split('\n')
    .map(line => line.replaceAll('"', '').split(' '))
    .filter(words => words[0] === '-A' && wanted(words[words.indexOf('--comment') + 1] ?? ''))
    .map(words => words.slice(1))
}

/** Takes away the rules of `project`, or of every lab. */
export async function forbidRouting(project: string | undefined): Promise<void> {
  for (const rule of await labRules(project)) await output(['iptables', '-w', '-D', ...rule])
}

/** Name of the host's end of a container's interface. `rootPath` is the container's root as seen from here. */
function hostEnd(rootPath: string, inside = 'eth0'): string {
  const index = readFileSync(`${rootPath}/sys/class/net/${inside}/iflink`, 'utf8').trim()
  const name = readdirSync('/sys/class/net').find(
    candidate => readFileSync(`/sys/class/net/${candidate}/ifindex`, 'utf8').trim() === index,
  )
  if (name === undefined) {
    throw new LabError('LAB_UNAVAILABLE', { what: `no interface ${index} on this machine`, hint: 'is the node still running?' })
  }
  return name
}

/** Has the packets for a container cut to the link's size before they reach it: its delay relay takes no larger ones. */
export async function segmentTowards(rootPath: string): Promise<void> {
  for (const inside of readdirSync(`${rootPath}/sys/class/net`).filter(name => name.startsWith('eth'))) {
    await output(['ip', 'link', 'set', hostEnd(rootPath, inside), 'gso_max_segs', '1'])
  }
}

/** Unplugs a node's cable: its address and routes stay, nothing passes, either way. */
export async function unplug(rootPath: string): Promise<void> {
  await output(['ip', 'link', 'set', hostEnd(rootPath), 'down'])
}

/** Plugs it in again. Harmless when it was in. */
export async function plug(rootPath: string): Promise<void> {
  await output(['ip', 'link', 'set', hostEnd(rootPath), 'up'])
}

/** Commands for the router that stop (or let) IPv4 from one network to another; each stays whole in itself. */
export function routeRules(
  net: string,
  from: NetworkName,
  to: NetworkName,
  verb: 'block' | 'allow',
): readonly (readonly string[])[] {
  const subnet = (name: NetworkName) => `${net}.${networkByte[name]}.0/24`
  const match = ['-s', subnet(from), '-d', subnet(to), '-j', 'DROP']
  // FORWARD: what the kernel passes on; OUTPUT: what the delay relay passes on.
  return ['FORWARD', 'OUTPUT'].map(chain => ['iptables', '-w', verb === 'block' ? '-I' : '-D', chain, ...match])
}
