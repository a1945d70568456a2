// What can this node host and restore? Capacity, GPUs, CRIU, the shim: probed at start, read by the load report, by admission and by `status`.
// Built by compose.ts.

import { dirname, join } from 'node:path'
import { runCommand } from '../migrate/checkpoint/command.ts'
import type { CheckpointDriver } from '../migrate/checkpoint/driver.ts'
import { type NodeProbe, probeNode } from '../migrate/checkpoint/probe.ts'
import { runcCriuDriver } from '../migrate/checkpoint/runc-criu.ts'
import type { Capability, Capacity } from '../placement/view.ts'
import { type GroupUse, type NodeCgroup, openCgroup } from './cgroup.ts'
import { bytesOf } from './config.ts'
import type { Config } from './config-schema.ts'
import type { Engine, EngineInfo } from './engine.ts'
import { hostFiles } from './host-files.ts'
import { nodeCapacity, type SamplerParts } from './load-sampler.ts'
import type { Logger } from './log.ts'
import { systemClock } from './system-clock.ts'

/** Name of the runtime shim in the engine's configuration. */
const SHIM_RUNTIME = 'shoal'

export interface NodeAbility {
  readonly cgroup: NodeCgroup | undefined
  readonly gpu: SamplerParts['gpu']
  readonly override: NonNullable<SamplerParts['override']>
  readonly checkpointer: CheckpointDriver
  readonly capacity: () => Capacity
  readonly capability: () => Capability
  readonly useOf: (containerId: string) => Promise<GroupUse | undefined>
  /** Why memory cannot move here; empty when it can. One line each. */
  readonly warnings: () => readonly string[]
}

export interface NodeAbilityParts {
  readonly config: Config
  readonly engine: Engine
  readonly info: EngineInfo
  readonly gpu: SamplerParts['gpu']
  readonly log: Logger
  /** Ends with the node. */
  readonly life: AbortSignal
}

/** Probes once. A node that cannot restore memory still runs, stateless only, and says so. */
export async function openNodeAbility({ config, engine, info, gpu, log, life }: NodeAbilityParts): Promise<NodeAbility> {
  const cgroup = await openCgroup(hostFiles)
  const { cores, ram } = config.capacity
  const override = {
    ...(cores === undefined ? {} : { cores }),
    ...(ram === undefined ? {} : { ramBytes: bytesOf(ram) }),
  }
  const capacity = await nodeCapacity(hostFiles, cgroup, gpu().count, override)
  const shim = info.runtimes.includes(SHIM_RUNTIME) ? join(dirname(process.argv[1] ?? ''), 'shoal-runtime') : undefined
  const probe = await probeNode(runCommand, shim, life)
  const complaints = config.statelessOnly ? ['memory does not move here: statelessOnly is set'] : probe.complaints
  for (const complaint of complaints) log.warn(`stateless only: ${complaint}`)
  const restores = complaints.length === 0
  return {
    cgroup,
    gpu,
    override,
    checkpointer: runcCriuDriver({
      runDir: config.runDir,
      run: runCommand,
      clock: systemClock,
      ability: { criu: restores ? probe.criu : null, cpuDigest: probe.cpuDigest },
    }),
    capacity: () => capacity,
    capability: () => capabilityOf(info, probe, restores),
    useOf: id => engine.use(id, life),
    warnings: () => complaints.map(complaint => `stateless only: ${complaint}`),
  }
}

function capabilityOf(info: EngineInfo, probe: NodeProbe, restores: boolean): Capability {
  return {
    arch: info.arch,
    kernel: info.kernel,
    engine: info.version,
    criu: restores ? probe.criu : null,
    shim: restores,
    cpuDigest: probe.cpuDigest,
    modes: restores ? ['stop-copy'] : [],
  }
}
