// `shoal status` and `shoal version`: where this node stands, in a few lines.

import { Command } from 'commander'
import type { StatusReply } from '../api/schema/node.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { ApiError } from '../api/api-errors.ts'
import { printFacts, printJson } from './output.ts'
import { msInWords, percentInWords } from './words.ts'

export function statusCommand(cli: Cli): Command {
  return new Command('status')
    .description('show where this node stands')
    .option('--json', 'print the answer of the API')
    .addHelpText('after', examples('shoal status', 'shoal --host http://127.0.0.1:4748 status --json'))
    .action(async (options: { readonly json?: true }, command: Command) => {
      const status = await clientFor(cli, command).get<StatusReply>('/api/status')
      if (options.json === true) return printJson(cli, status)
      show(cli, status)
    })
}

function show(cli: Cli, status: StatusReply): void {
  const { mesh, node } = status
  const age = status.viewAgeMs === null ? 'no other node seen' : `view ${msInWords(status.viewAgeMs)} old`
  cli.out(`mesh ${mesh.id?.slice(0, 12) ?? '-'} · ${node.name} · ${status.peers} peers · ${age}\n`)
  const load = node.load === null ? '' : `, cpu ${percentInWords(node.load.cpuPct)}, ram ${percentInWords(node.load.ramPct)}`
  printFacts(cli, [
    ['node', `${node.id} (${node.role}, ${node.state ?? 'not sampled yet'}${load})`],
    ['mesh', mesh.says === '' ? mesh.phase : mesh.says],
    ['join window', mesh.windowOpenS > 0 ? `open for ${msInWords(mesh.windowOpenS * 1000)}` : 'closed'],
    ['waiting', status.waiting === 0 ? 'none' : `${status.waiting}: \`shoal approve\` lists them`],
    ['services', `${status.services.here} here, ${status.services.mesh} in the mesh`],
    ['version', status.version],
  ])
  for (const warning of status.warnings) cli.hint(`warning: ${warning}`)
}

export function versionCommand(cli: Cli, version: string): Command {
  return new Command('version')
    .description('show the version of the CLI and of the daemon')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('shoal version', 'shoal version --json'))
    .action(async (options: { readonly json?: true }, command: Command) => {
      const daemon = await daemonVersion(cli, command)
      if (options.json === true) return printJson(cli, { cli: version, daemon })
      printFacts(cli, [
        ['cli', version],
        ['daemon', daemon ?? 'not running'],
      ])
    })
}

async function daemonVersion(cli: Cli, command: Command): Promise<string | null> {
  try {
    return (await clientFor(cli, command).get<StatusReply>('/api/status')).version
  } catch (error) {
    // The CLI has a version also where no daemon runs.
    if (error instanceof ApiError && error.code === 'DAEMON_UNREACHABLE') return null
    throw error
  }
}
