// Meshes in one process for tests: real libp2p over loopback, a simulated link instead of multicast, short timings, a store in memory.

import { randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import type { Clock } from '../../placement/clock.ts'
import type { Heard, LanFactory } from '../discovery.ts'
import { foundingTiming } from '../founding-state.ts'
import type { FoundingTiming } from '../founding-state.ts'
import { memoryKeyValue } from '../key-value.ts'
import type { KeyValue } from '../key-value.ts'
import type { LoadReport, Mesh, MeshEvent } from '../mesh.ts'
import type { MeshOptions } from '../mesh-options.ts'
import { openMesh } from '../open-mesh.ts'

/** The clock of this machine. */
export const realClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

/** Everything of founding within a fraction of a second. */
export const quickTiming: FoundingTiming = {
  ...foundingTiming,
  listenMs: 100,
  founderWaitMs: 2_000,
  settleMs: 150,
  settleMaxMs: 600,
  retryMinMs: 50,
  retryMaxMs: 300,
}

/** A link on which whoever listens is heard by all others, at once and again on every `say`. */
export interface TestLan {
  readonly factory: LanFactory
  /** Node `id`, which listens on `from`, is heard on this link too, and hears it: it has two interfaces. */
  alsoHears(id: string, from: TestLan): void
  readonly listeners: Map<string, Listener>
}

interface Listener {
  readonly heard: () => Heard
  readonly onHeard: (heard: Heard) => void
}

export function testLan(): TestLan {
  const on = new Map<string, Listener>()
  return {
    listeners: on,
    alsoHears(id, from) {
      const listener = from.listeners.get(id)
      if (listener !== undefined) on.set(id, listener)
    },
    factory: ({ addressManager }) => {
      let self = ''
      return {
        async listen(listener) {
          self = listener.self
          const heard = (): Heard => ({
            id: self,
            addresses: addressManager.getAddresses().map(address => address.toString().replace(/\/p2p\/.*$/, '')),
          })
          for (const other of on.values()) {
            other.onHeard(heard())
            listener.onHeard(other.heard())
          }
          on.set(self, { heard, onHeard: listener.onHeard })
        },
        async hush() {
          on.delete(self)
        },
      }
    },
  }
}

export interface TestMesh extends AsyncDisposable {
  readonly mesh: Mesh
  readonly events: readonly MeshEvent[]
  readonly store: KeyValue
  readonly key: PrivateKey
}

export async function testMesh(
  given: Partial<MeshOptions> & { readonly name: string; readonly key?: PrivateKey; readonly on?: TestLan },
): Promise<TestMesh> {
  const { key: givenKey, on, ...options } = given
  const key = givenKey ?? (await generateKeyPair('Ed25519'))
  const store = options.store ?? memoryKeyValue()
  const mesh = await openMesh({
    privateKey: key,
    role: 'edge',
    port: 0,
    listenOn: '127.0.0.1',
    announceLoopback: true,
    mdns: false,
    timing: quickTiming,
    gateHoldMs: 1_000,
    clock: realClock,
    random: Math.random,
    randomBytes,
    log: silentLog,
    ...(on && { lan: on.factory }),
    ...options,
    store,
  })
  const events: MeshEvent[] = []
  mesh.onEvent(event => events.push(event))
  return { mesh, events, store, key, [Symbol.asyncDispose]: () => mesh.stop() }
}

const verbose = process.env['SHOAL_TEST_LOG'] === '1'
const silentLog = {
  debug: (what: string, about: unknown) => void (verbose && process.stderr.write(`${what} ${JSON.stringify(about)}\n`)),
  warn: (what: string, about: unknown) => void process.stderr.write(`${what} ${JSON.stringify(about)}\n`),
}

/** Polls until `check` stops throwing; at `deadlineMs` what it threw last is thrown. */
export async function eventually(check: () => void | Promise<void>, deadlineMs = 20_000): Promise<void> {
  const until = performance.now() + deadlineMs
  for (;;) {
    try {
      await check()
      return
    } catch (error) {
      if (performance.now() > until) throw error
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

/** A load report with nothing remarkable in it but `cpuPct`. */
export function reportOf(name: string, cpuPct: number): LoadReport {
  return {
    name,
    role: 'edge',
    state: cpuPct >= 50 ? 'red' : 'green',
    network: 'net-1',
    capacity: { cores: 2, ramBytes: 2 ** 31, gpus: 0 },
    load: { cpuPct, ramPct: 10, gpuPct: 0 },
    outside: { cpuPct: 0, ramPct: 0, gpuPct: 0 },
    reserved: { cpuPct: 0, ramPct: 0, gpuPct: 0 },
    committedRamPct: 0,
    capability: { arch: 'x64', kernel: '6.1', engine: 'docker 28', criu: null, shim: false, cpuDigest: '', modes: ['stateless'] },
    services: [],
  }
}
