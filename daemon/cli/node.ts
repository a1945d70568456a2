// `shoal node ls`, `inspect NODE`, `rm NODE`: the nodes of the mesh as the asked node sees them.

import { Command } from 'commander'
import type { NodeReply } from '../api/schema/node.ts'
import { type Cli, clientFor, examples, part } from './cli.ts'
import { printFacts, printJson, printTable } from './output.ts'
import { bytesInWords, msInWords, percentInWords } from './words.ts'

export function nodeCommand(cli: Cli): Command {
  const node = new Command('node').description('look at the nodes of the mesh')
  node
    .command('ls')
    .description('list them')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal node ls', 'shoal node ls --json'))
    .action(async (options: { readonly json?: true }, command: Command) => {
      const answer = await clientFor(cli, command).get<{ readonly nodes: readonly NodeReply[] }>('/api/nodes')
      if (options.json === true) return printJson(cli, answer)
      printTable(
        cli,
        ['NAME', 'ROLE', 'STATE', 'CPU', 'RAM', 'GPU', 'SERVICES', 'NETWORK', 'RTT', 'AGE', 'ID'],
        answer.nodes.map(rowOf),
      )
    })
  node
    .command('inspect')
    .description('show one in full')
    .argument('<node>', 'name, id, or the beginning of one')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal node inspect vrone', 'shoal node inspect --json 12D3'))
    .action(async (ref: string, options: { readonly json?: true }, command: Command) => {
      const found = await clientFor(cli, command).get<NodeReply>(`/api/nodes/${part(ref)}`)
      if (options.json === true) return printJson(cli, found)
      printFacts(cli, factsOf(found))
    })
  node
    .command('rm')
    .description('remove one from the mesh for good; its services are not touched')
    .argument('<node>', 'name, id, or the beginning of one')
    .option('-f, --force', 'also the node that is asked itself')
    .addHelpText('after', examples('shoal node rm lab4', 'shoal node rm 12D3KooW'))
    .action(async (ref: string, options: { readonly force?: true }, command: Command) => {
      const query = options.force === true ? '?force=true' : ''
      await clientFor(cli, command).send<undefined>('DELETE', `/api/members/${part(ref)}${query}`)
      cli.out(`${ref}\n`)
    })
  return node
}

function rowOf(node: NodeReply): readonly string[] {
  return [
    node.self ? `${node.name} *` : node.name,
    node.role,
    node.state,
    percentInWords(node.load?.cpuPct),
    percentInWords(node.load?.ramPct),
    gpuInWords(node),
    String(node.services),
    node.network ?? '-',
    msInWords(node.rttMs),
    node.self ? '-' : msInWords(node.ageMs),
    node.id,
  ]
}

const gpuInWords = ({ capacity, load }: NodeReply): string =>
  capacity === null ? '-' : capacity.gpus === 0 ? 'none' : percentInWords(load?.gpuPct)

function factsOf(node: NodeReply): readonly (readonly [string, string])[] {
  const { capacity, capability, load, outside, reserved } = node
  const loadInWords = (of: NodeReply['load']): string =>
    of === null
      ? 'not reported yet'
      : `cpu ${percentInWords(of.cpuPct)}, ram ${percentInWords(of.ramPct)}, gpu ${percentInWords(of.gpuPct)}`
  return [
    ['name', node.name],
    ['id', node.id],
    ['role', node.role],
    ['state', node.state],
    [
      'came in by',
      node.mayAdmit
        ? node.via
        : `${node.via}; it may not admit others until a person confirms it (\`shoal approve ${node.name}\`)`,
    ],
    ['network', node.network ?? 'not reported yet'],
    ['addresses', node.addresses.length === 0 ? '-' : node.addresses.join(' ')],
    ['heard', node.heardByMdns ? 'by mDNS' : 'not by mDNS'],
    ['round trip', msInWords(node.rttMs)],
    ['age', msInWords(node.ageMs)],
    [
      'capacity',
      capacity === null
        ? 'not reported yet'
        : `${capacity.cores} cores, ${bytesInWords(capacity.ramBytes)}, ${capacity.gpus} GPUs`,
    ],
    ['load', loadInWords(load)],
    ['of it outside', loadInWords(outside)],
    ['reserved', loadInWords(reserved)],
    ['services', String(node.services)],
    ['can', capability === null ? 'not reported yet' : capability.modes.join(', ')],
    [
      'with',
      capability === null
        ? 'not reported yet'
        : `engine ${capability.engine}, ${capability.criu === null ? 'no CRIU' : `CRIU ${capability.criu}`}, ${capability.shim ? 'shim' : 'no shim'}, ${capability.arch}, kernel ${capability.kernel}`,
    ],
  ]
}
