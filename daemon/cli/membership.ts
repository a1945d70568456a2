// `shoal approve`, `invite`, `join`, `open`: who may come into the mesh.

import { Command, Option } from 'commander'
import type { InviteReply, NodeReply, StatusReply, WaitingReply } from '../api/schema/node.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { printJson, printTable } from './output.ts'
import { durationMs, msInWords } from './words.ts'

interface Json {
  readonly json?: true
}

export function approveCommand(cli: Cli): Command {
  return new Command('approve')
    .description('let a waiting node in, or confirm one the join window let in; without a name: list both')
    .argument('[node]', 'its name, or the beginning of its id')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal approve', 'shoal approve vrone'))
    .action(async (who: string | undefined, options: Json, command: Command) => {
      const api = clientFor(cli, command)
      if (who === undefined) {
        const answer = await api.get<{ readonly waiting: readonly WaitingReply[] }>('/api/waiting')
        if (options.json === true) return printJson(cli, answer)
        showWaiting(cli, answer.waiting)
        const { nodes } = await api.get<{ readonly nodes: readonly NodeReply[] }>('/api/nodes')
        return sayUnconfirmed(cli, nodes)
      }
      const node = await api.send<NodeReply>('POST', '/api/members/approve', { who })
      if (options.json === true) return printJson(cli, node)
      cli.out(`${node.name}\n`)
      cli.hint(`${node.name} (${node.id}) is a member`)
    })
}

function showWaiting(cli: Cli, waiting: readonly WaitingReply[]): void {
  printTable(
    cli,
    ['NAME', 'ROLE', 'ADDRESS', 'ID'],
    waiting.map(({ name, role, addresses, id }) => [name, role, addresses[0] ?? '-', id]),
  )
  if (waiting.length === 0) cli.hint('no node waits')
}

/** They are members already; approving one gives it the right to admit others. */
function sayUnconfirmed(cli: Cli, nodes: readonly NodeReply[]): void {
  for (const { name, mayAdmit } of nodes) {
    if (!mayAdmit) cli.hint(`${name} was let in by the join window, not confirmed yet: \`shoal approve ${name}\``)
  }
}

export function inviteCommand(cli: Cli): Command {
  return new Command('invite')
    .description('make a token with which one node may join, also from another network')
    .option('--ttl <time>', 'how long it is good for', '1h')
    .addOption(new Option('--role <role>', 'the role the node gets').choices(['edge', 'cloud', 'client']).default('edge'))
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal invite', 'shoal invite --ttl 10m --role cloud'))
    .action(async (options: Json & { readonly ttl: string; readonly role: string }, command: Command) => {
      const body = { ttlMs: durationMs(options.ttl), role: options.role }
      const invite = await clientFor(cli, command).send<InviteReply>('POST', '/api/invites', body)
      if (options.json === true) return printJson(cli, invite)
      cli.out(`${invite.token}\n`)
      cli.hint(`on the other node, within ${msInWords(invite.ttlMs)}: shoal join ${invite.token}`)
    })
}

export function joinCommand(cli: Cli): Command {
  return new Command('join')
    .description('join the mesh that a token names')
    .argument('<token>', 'what `shoal invite` printed on a member')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal join shoal1…', 'shoal --host http://127.0.0.1:4749 join shoal1…'))
    .action(async (token: string, options: Json, command: Command) => {
      const status = await clientFor(cli, command).send<StatusReply>('POST', '/api/join', { token })
      if (options.json === true) return printJson(cli, status)
      cli.out(`${status.mesh.id ?? '-'}\n`)
      cli.hint(status.mesh.says)
    })
}

export function openCommand(cli: Cli): Command {
  return new Command('open')
    .description('open the join window: nodes of this LAN come in without a click')
    .option('--for <time>', 'how long', '15m')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal open', 'shoal open --for 2m'))
    .action(async (options: Json & { readonly for: string }, command: Command) => {
      const status = await clientFor(cli, command).send<StatusReply>('POST', '/api/window', { forMs: durationMs(options.for) })
      if (options.json === true) return printJson(cli, status)
      cli.hint(`the join window is open for ${msInWords(status.mesh.windowOpenS * 1000)}`)
    })
}
