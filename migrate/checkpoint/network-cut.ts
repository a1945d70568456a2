// How is a container taken off the network without losing its addresses and routes? The *host's* end of each of its veth pairs goes down;
// up heals. (The end inside would lose the default route for good.) Called by runc-criu.ts around the freeze.

import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { MoveError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { RunCommand } from './command.ts'

const Links = Compile(
  Type.Array(
    Type.Object({
      ifindex: Type.Optional(Type.Integer()),
      ifname: Type.Optional(Type.String()),
      link_index: Type.Optional(Type.Integer()),
      linkinfo: Type.Optional(Type.Object({ info_kind: Type.Optional(Type.String()) })),
    }),
  ),
)
type Link = { ifindex?: number; ifname?: string; link_index?: number; linkinfo?: { info_kind?: string } }

const failed = (what: string): MoveError =>
  new MoveError('MOVE_NETWORK_FAILED', {
    what,
    hint: 'see `ip -d link` on this node: a movable service is on a bridge network, or on none',
  })

/** `ip -j -d link` as links. Throws on anything else. */
export function linksOf(json: string): Link[] {
  const value: unknown = JSON.parse(json)
  if (!Links.Check(value)) throw failed('`ip -j link` answered in another form than expected')
  return value
}

/** Names of the host's ends of all veth pairs that lead into the container. Throws for links with no such end. */
export function hostEnds(inside: readonly Link[], host: readonly Link[]): string[] {
  return inside
    .filter(link => link.ifname !== 'lo' && link.link_index !== undefined)
    .map(link => {
      const end = host.find(each => each.ifindex === link.link_index)
      if (link.linkinfo?.info_kind !== 'veth' || end?.ifname === undefined) {
        throw failed(
          `the service's ${link.ifname ?? 'link'} is a ${link.linkinfo?.info_kind ?? 'link'} without an end on this node`,
        )
      }
      return end.ifname
    })
}

export interface NetworkCut {
  /** Finds the host's ends; do it before the freeze. */
  find(pid: number, signal: AbortSignal): Promise<readonly string[]>
  set(ends: readonly string[], how: 'down' | 'up', signal: AbortSignal): Promise<void>
}

export function networkCut(run: RunCommand): NetworkCut {
  async function links(words: readonly string[], signal: AbortSignal): Promise<Link[]> {
    const answer = await run(words, { ms: LIMITS.commandMs, signal })
    if (answer.code !== 0) throw failed(`${words.join(' ')}: ${answer.stderr.trim()}`)
    return linksOf(answer.stdout)
  }
  return {
    find: async (pid, signal) =>
      hostEnds(
        await links(['nsenter', '-t', String(pid), '-n', 'ip', '-j', '-d', 'link'], signal),
        await links(['ip', '-j', 'link'], signal),
      ),
    set: async (ends, how, signal) => {
      for (const end of ends) {
        const answer = await run(['ip', 'link', 'set', 'dev', end, how], { ms: LIMITS.commandMs, signal })
        if (answer.code !== 0) throw failed(`${end} could not be set ${how}: ${answer.stderr.trim()}`)
      }
    },
  }
}
