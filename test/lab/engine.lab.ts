// Real engines pass the contract of all engines: a node's own, and the one the lab runs on, which is another version of Docker.

import { expect, test } from 'vitest'
import { DockerEngine } from '../../daemon/docker-engine.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { engineContract } from '../contracts/engine.contract.ts'
import { imageReference, importTestImage } from './images.ts'
import { useLab } from './use-lab.ts'

const lab = useLab({ project: `${process.env['SHOAL_LAB'] ?? 'shoal-test'}-engine`, nodes: ['lab3'], keep: false })
const outerSocket = '/run/docker.sock'
const signal = () => AbortSignal.timeout(30_000)

engineContract("the engine of a lab's node", async () => {
  const node = lab().node('lab3')
  const image = await node.loadImage('ticker')
  return {
    engine: new DockerEngine({ socketPath: node.path('/run/docker.sock'), clock: systemClock }),
    image,
    args: ['8'],
    close: async () => undefined,
  }
})

engineContract('the engine the lab runs on', async () => {
  const engine = new DockerEngine({ socketPath: outerSocket, clock: systemClock })
  const had = await engine.image(imageReference('ticker'), signal())
  const image = await importTestImage('ticker', outerSocket)
  return {
    engine,
    image,
    args: ['8'],
    close: async () => {
      if (had === undefined) await engine.removeImage(image, signal())
    },
  }
})

test('no engine on a socket is said in one line, with what to do', async () => {
  const engine = new DockerEngine({ socketPath: '/run/shoal-no-such.sock', clock: systemClock })
  await expect(engine.info(signal())).rejects.toMatchObject({
    code: 'ENGINE_UNREACHABLE',
    message: 'the engine does not answer on /run/shoal-no-such.sock: there is no such socket',
  })
})
