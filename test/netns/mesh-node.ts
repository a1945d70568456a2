// One node's mesh in a process of its own, for test/netns: opens it with real mDNS and says every 200 ms on standard output, as one line of
// JSON, where it stands. Started by nodes.ts; ends on SIGTERM (announced) or when its input closes.

import { randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { foundingTiming } from '../../gossip/founding-state.ts'
import { memoryKeyValue } from '../../gossip/key-value.ts'
import type { LoadReport } from '../../gossip/mesh.ts'
import { openMesh } from '../../gossip/open-mesh.ts'

const name = process.argv[2] ?? 'node'
const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`)

const mesh = await openMesh({
  privateKey: await generateKeyPair('Ed25519'),
  name,
  role: 'edge',
  store: memoryKeyValue(),
  port: 4747,
  mdns: true,
  timing: foundingTiming,
  clock: {
    now: () => performance.now(),
    wallNow: () => Date.now(),
    after(ms, act) {
      const timer = setTimeout(act, ms)
      return () => clearTimeout(timer)
    },
  },
  random: Math.random,
  randomBytes,
  log: {
    debug: (what, about) => say({ log: what, about }),
    warn: (what, about) => say({ log: what, about: { error: String(about['error']) } }),
  },
})

const report: LoadReport = {
  name,
  role: 'edge',
  state: 'green',
  network: `gateway-of-${name}`,
  capacity: { cores: 1, ramBytes: 2 ** 30, gpus: 0 },
  load: { cpuPct: 10, ramPct: 10, gpuPct: 0 },
  outside: { cpuPct: 10, ramPct: 10, gpuPct: 0 },
  reserved: { cpuPct: 0, ramPct: 0, gpuPct: 0 },
  committedRamPct: 0,
  capability: { arch: 'x64', kernel: '6', engine: 'none', criu: null, shim: false, cpuDigest: '', modes: [] },
  services: [],
}
mesh.publishLoad(report)
setInterval(() => mesh.publishLoad(report), 2_000)
mesh.onEvent(event => say({ event }))
setInterval(() => {
  const { phase, meshId, via, says } = mesh.status()
  const members = mesh.members().map(member => ({ name: member.name, state: member.state, mdns: member.heardByMdns }))
  const peers = mesh.view().peers.map(peer => ({ name: peer.name, ageMs: Math.round(peer.ageMs), network: peer.network }))
  say({ status: { phase, meshId, via, says, members, peers, waiting: mesh.waiting().length } })
}, 200)

const leave = async (): Promise<void> => {
  await mesh.stop()
  process.exit(0)
}
process.once('SIGTERM', () => void leave())
process.stdin.once('end', () => void leave()).resume()
