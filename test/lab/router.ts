// What lies between the lab's networks: it can block two from each other and hold back what it passes on.

import { cpSync } from 'node:fs'
import type Docker from 'dockerode'
import { eventually } from './eventually.ts'
import { command, output } from './host-command.ts'
import { testProgram } from './images.ts'
import { commandMs } from './limits.ts'
import { routeRules, segmentTowards } from './network.ts'
import type { NetworkName } from './settings.ts'

export interface RouterParts {
  /** First two bytes of the lab's addresses. */
  readonly net: string
  readonly outer: Docker
  readonly containerId: string
  readonly pid: number
}

const relay = '/usr/local/bin/delay'

export class Router {
  readonly #parts: RouterParts

  constructor(parts: RouterParts) {
    this.#parts = parts
  }

  #enter(argv: readonly string[]): readonly string[] {
    return ['nsenter', '-t', String(this.#parts.pid), '-m', '-n', '-p', '--', ...argv]
  }

  async #route(one: NetworkName, other: NetworkName, verb: 'block' | 'allow'): Promise<void> {
    const { net } = this.#parts
    for (const rule of [...routeRules(net, one, other, verb), ...routeRules(net, other, one, verb)])
      await output(this.#enter(rule))
  }

  /** Stops IPv4 between two networks, both ways; each network stays whole. */
  block(one: NetworkName, other: NetworkName): Promise<void> {
    return this.#route(one, other, 'block')
  }

  /** Undoes {@link block}. */
  allow(one: NetworkName, other: NetworkName): Promise<void> {
    return this.#route(one, other, 'allow')
  }

  /** Holds every packet between networks for `ms` (each way, so a round trip takes twice that longer); 0: no longer. */
  async delay(ms: number): Promise<void> {
    await command(this.#enter(['pkill', '-x', 'delay']))
    await eventually(() => command(this.#enter(['pgrep', '-x', 'delay'])), {
      deadlineMs: commandMs,
      says: 'the earlier delay relay ends',
      until: ({ code }) => code === 1,
      everyMs: 20,
    })
    await output(this.#enter(['sysctl', '-qw', 'net.ipv4.ip_forward=1']))
    if (ms === 0) return
    const root = `/proc/${this.#parts.pid}/root`
    cpSync(await testProgram('delay'), `${root}${relay}`)
    await segmentTowards(root)
    const exec = await this.#parts.outer.getContainer(this.#parts.containerId).exec({ Cmd: [relay, String(ms)] })
    await exec.start({ Detach: true })
    // It turns the kernel's forwarding off when it is ready to do that itself.
    await eventually(() => output(this.#enter(['sysctl', '-n', 'net.ipv4.ip_forward'])), {
      deadlineMs: commandMs,
      says: 'the delay relay runs',
      until: value => value === '0',
      everyMs: 20,
    })
  }

  /** As it was at first: passes everything at once. */
  async reset(): Promise<void> {
    await this.delay(0)
    await output(this.#enter(['iptables', '-w', '-F', 'FORWARD']))
    await output(this.#enter(['iptables', '-w', '-F', 'OUTPUT']))
  }
}
