// The simulated engine passes the contract of all engines.

import { engineContract } from '../contracts/engine.contract.ts'
import { SimEngine } from './engine.ts'

engineContract('the simulated engine', async () => ({
  engine: new SimEngine({ images: [{ reference: 'sim/ticker:1', layers: ['sha256:base', 'sha256:ticker'] }] }),
  image: 'sim/ticker:1',
  args: ['8'],
  close: async () => undefined,
}))
