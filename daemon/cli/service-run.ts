// `shoal run [flags] IMAGE [ARGS…]`: Docker's flags where Docker has them. The service runs on after the command has ended.

import { Command, Option } from 'commander'
import { ApiError } from '../api/api-errors.ts'
import type { RunBody, ServiceDetail } from '../api/schema/service.ts'
import { type Cli, clientFor, examples } from './cli.ts'
import { printJson } from './output.ts'
import { memoryAsQuota } from './words.ts'

interface RunOptions {
  readonly name?: string
  readonly type?: RunBody['type']
  readonly env: readonly string[]
  readonly envFile: readonly string[]
  readonly restart?: RunBody['restart']
  readonly cpus?: string
  readonly memory?: string
  readonly cpu?: string
  readonly ram?: string
  readonly gpu?: string
  readonly node?: string
  readonly tty?: true
  readonly json?: true
}

const gather = (value: string, before: readonly string[]): readonly string[] => [...before, value]

export function runCommand(cli: Cli): Command {
  return new Command('run')
    .description('run a service: a container the mesh looks after')
    .argument('<image>', 'an image the node has')
    .argument('[args...]', "replace the image's command")
    .passThroughOptions()
    .option('--name <name>', 'its name, unique in the mesh (default: made from the image)')
    .addOption(
      new Option('--type <type>', 'stateful: its memory moves with it').choices(['stateful', 'stateless']).default('stateful'),
    )
    .addOption(
      new Option('-e, --env <KEY=value>', 'set a variable; KEY alone takes it from here').argParser(gather).default([], 'none'),
    )
    .addOption(new Option('--env-file <file>', 'variables from a file').argParser(gather).default([], 'none'))
    .addOption(
      new Option('--restart <policy>', 'what follows when it ends')
        .choices(['no', 'on-failure', 'always', 'unless-stopped'])
        .default('no'),
    )
    .option('--cpu <amount>', 'profile: cores (0.5) or share of the host (10%)')
    .option('--ram <amount>', 'profile: bytes (256Mi) or share of the host (10%)')
    .option('--gpu <amount>', 'profile: GPUs (1) or share of the host (10%)')
    .option('--cpus <cores>', "Docker's word for --cpu")
    .option('-m, --memory <bytes>', "Docker's word for --ram (256m, 1g)")
    .option('-t, --tty', 'with a terminal; it cannot be moved with its memory then')
    .option('-d, --detach', 'taken for the sake of habit: every service runs on by itself')
    .option('--node <node>', 'where it starts (default: the node asked)')
    .option('--json', 'print the answer of the API')
    .addHelpText(
      'after',
      examples(
        'shoal run --name web --cpu 0.5 --ram 256Mi nginx',
        'shoal run --type stateless --restart always -e LEVEL=debug --node vrone api:1.2',
      ),
    )
    .action(async (image: string, args: string[], options: RunOptions, command: Command) => {
      const body = await requestOf(cli, image, args, options)
      const service = await clientFor(cli, command).send<ServiceDetail>('POST', '/api/services', body)
      if (options.json === true) return printJson(cli, service)
      cli.out(`${service.id}\n`)
      cli.hint(`${service.name} runs on ${service.node}`)
    })
}

async function requestOf(cli: Cli, image: string, args: readonly string[], options: RunOptions): Promise<RunBody> {
  const { name, type, restart, node, tty } = options
  const profile = profileOf(options)
  const files = await Promise.all(options.envFile.map(async path => linesOf(await cli.readFile(path))))
  const env = [...files.flat(), ...options.env].flatMap(entry => variable(entry, cli.env))
  return {
    image,
    args: [...args],
    env,
    ...(name === undefined ? {} : { name }),
    ...(type === undefined ? {} : { type }),
    ...(restart === undefined ? {} : { restart }),
    ...(node === undefined ? {} : { node }),
    ...(tty === undefined ? {} : { tty }),
    ...(profile === undefined ? {} : { profile }),
  }
}

function profileOf({ cpu, cpus, ram, memory, gpu }: RunOptions): RunBody['profile'] {
  if ((cpu !== undefined && cpus !== undefined) || (ram !== undefined && memory !== undefined)) {
    throw new ApiError('USAGE', { what: 'the same quota is given twice', hint: 'use --cpu or --cpus, --ram or --memory' })
  }
  const cores = cpu ?? cpus
  const bytes = ram ?? (memory === undefined ? undefined : memoryAsQuota(memory))
  if (cores === undefined && bytes === undefined && gpu === undefined) return undefined
  return {
    ...(cores === undefined ? {} : { cpu: cores }),
    ...(bytes === undefined ? {} : { ram: bytes }),
    ...(gpu === undefined ? {} : { gpu }),
  }
}

/** A file of variables as Docker reads it: a line each, `#` begins a comment line. */
function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map(line => line.replace(/\r$/, '').trimStart())
    .filter(line => line !== '' && !line.startsWith('#'))
}

/** `KEY` alone takes its value from here, or nothing where it is not set: as Docker does. */
function variable(entry: string, env: Cli['env']): readonly string[] {
  if (entry.startsWith('=')) throw new ApiError('USAGE', { what: `${entry} has no name`, hint: 'write KEY=value' })
  if (entry.includes('=')) return [entry]
  const value = env[entry]
  return value === undefined ? [] : [`${entry}=${value}`]
}
