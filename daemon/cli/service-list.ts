// `shoal ls` and `shoal ps`: the services of the whole mesh. `ls` shows what there is and where; `ps` what runs now and what it uses.

import { Command } from 'commander'
import type { ServiceReply } from '../api/schema/service.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { printJson, printTable } from './output.ts'
import { bytesInWords, shortId } from './words.ts'

interface ListOptions {
  readonly json?: true
  readonly quiet?: true
  readonly all?: true
}

interface Services {
  readonly services: readonly ServiceReply[]
}

export function lsCommand(cli: Cli): Command {
  return new Command('ls')
    .description('list the services of the whole mesh')
    .option('--json', 'print the answer of the API')
    .option('-q, --quiet', 'ids only')
    .addHelpText('after', examples('shoal ls', 'shoal ls --json | jq -r .services[].node'))
    .action(async (options: ListOptions, command: Command) => {
      const answer = await clientFor(cli, command).get<Services>('/api/services')
      show(cli, answer, options, ['NAME', 'TYPE', 'NODE', 'STATE', 'EPOCH', 'PROFILE', 'IMAGE', 'ID'], service => [
        service.name,
        service.type,
        service.node,
        stateInWords(service),
        String(service.epoch),
        profileInWords(service),
        service.image,
        shortId(service.id),
      ])
    })
}

export function psCommand(cli: Cli): Command {
  return new Command('ps')
    .description('list running services and what they use')
    .option('-a, --all', 'also those that do not run')
    .option('--json', 'print the answer of the API')
    .option('-q, --quiet', 'ids only')
    .addHelpText('after', examples('shoal ps', 'shoal ps -a'))
    .action(async (options: ListOptions, command: Command) => {
      const { services } = await clientFor(cli, command).get<Services>('/api/services')
      const shown = services.filter(({ state }) => options.all === true || ['starting', 'running', 'moving'].includes(state))
      show(cli, { services: shown }, options, ['ID', 'IMAGE', 'NODE', 'STATE', 'CPU', 'RAM', 'NAME'], service => [
        shortId(service.id),
        service.image,
        service.node,
        stateInWords(service),
        service.use === null ? '-' : `${service.use.cpuCores.toFixed(2)} cores`,
        service.use === null ? '-' : bytesInWords(service.use.ramBytes),
        service.name,
      ])
    })
}

function show(
  cli: Cli,
  answer: Services,
  options: ListOptions,
  heads: readonly string[],
  row: (service: ServiceReply) => readonly string[],
): void {
  if (options.json === true) printJson(cli, answer)
  else if (options.quiet === true) cli.out(answer.services.map(({ id }) => `${id}\n`).join(''))
  else {
    printTable(cli, heads, answer.services.map(row))
    if (answer.services.length === 0) cli.hint('no services: start one with `shoal run IMAGE`')
  }
}

/** `exited (exit code 1)`: a state with its reason. */
export function stateInWords({ state, reason }: Pick<ServiceReply, 'state' | 'reason'>): string {
  return reason === '' ? state : `${state} (${reason})`
}

/** `0.5 cores, 256Mi (by name)`. */
export function profileInWords({ profile }: Pick<ServiceReply, 'profile'>): string {
  if (profile === null) return '-'
  const { cpu, ram, gpu, from } = profile
  const quotas = [
    cpu === null ? [] : [cpu.endsWith('%') ? `cpu ${cpu}` : `${cpu} cores`],
    ram === null ? [] : [ram.endsWith('%') ? `ram ${ram}` : ram],
    gpu === null ? [] : [`gpu ${gpu}`],
  ].flat()
  return quotas.length === 0 ? '-' : `${quotas.join(', ')}${from === 'service' ? '' : ` (by ${from})`}`
}
