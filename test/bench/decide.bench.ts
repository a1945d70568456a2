// How long does one decision take in a mesh of ten thousand? Plain: `node test/bench/decide.bench.ts`. The goal is under 5 ms; no test asserts it.

import { decide } from '../../placement/decision.ts'
import { lan } from '../../placement/presets.ts'
import { planRound } from '../../placement/round.ts'
import { seeded } from '../../placement/seeded.ts'
import { node, roundOf, service } from '../../placement/test-mesh.ts'

const random = seeded(1)
const peers = Array.from({ length: 10_000 }, (_, index) =>
  node(`peer-${index}`, random() * 70, { network: `lan-${index % 200}`, rttMs: random() * 40, ageMs: random() * 20_000 }),
)
const self = node('self', 60, { network: 'lan-7' })

function median(run: () => void): string {
  for (let warm = 0; warm < 20; warm += 1) run()
  const times = Array.from({ length: 50 }, () => {
    const start = performance.now()
    run()
    return performance.now() - start
  }).toSorted((a, b) => a - b)
  return `median ${times[25]?.toFixed(2)} ms, worst of 50 ${times[49]?.toFixed(2)} ms`
}

for (const strategy of ['algorithm-1', 'algorithm-2']) {
  for (const exact of [true, false]) {
    const settings = { ...lan, strategy, exact }
    const situation = {
      now: 0,
      random,
      reason: 'red' as const,
      self,
      peers,
      booked: new Map(),
      leftRecently: new Set<string>(),
      settings,
    }
    process.stdout.write(
      `${strategy} exact ${exact}: one decision, 10,000 peers: ${median(() => decide(service('app'), situation))}\n`,
    )
  }
}
const ten = Array.from({ length: 10 }, (_, index) => service(`app-${index}`))
process.stdout.write(
  `a round of ten services: ${median(() => planRound(roundOf({ self, services: ten, peers }, { exact: false })))}\n`,
)
