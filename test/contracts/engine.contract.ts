// What every engine behind Shoal's port must do. Run against the simulated engine as a unit test and against real ones in the lab: a simulation
// that has not passed it is not used. The image given must print at once when started, run on, and end with a code when it is stopped.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ContainerPlan, Engine, EngineEvent } from '../../daemon/engine.ts'

export interface EngineUnderTest {
  readonly engine: Engine
  readonly image: string
  readonly args: readonly string[]
  /** Ends what `open` began. */
  readonly close: () => Promise<void>
}

const MIB = 1024 ** 2
const never = new AbortController().signal

function code(expected: string) {
  return expect.objectContaining({ code: expected })
}

/** Registers the suite. `open` is called once, before its first test. */
export function engineContract(title: string, open: () => Promise<EngineUnderTest>): void {
  describe(title, () => {
    const { promise: opened, resolve, reject } = Promise.withResolvers<EngineUnderTest>()
    const made: string[] = []
    let count = 0

    beforeAll(() => open().then(resolve, reject))
    afterEach(async () => {
      const { engine } = await opened
      for (const id of made.splice(0)) await engine.remove(id, never)
    })
    afterAll(async () => {
      await (await opened).close()
    })

    async function plan(more: Partial<ContainerPlan> = {}): Promise<ContainerPlan> {
      const { image, args } = await opened
      count += 1
      return {
        name: `shoal-contract-${count}`,
        image,
        args,
        env: ['SHOAL_CONTRACT=1'],
        tty: false,
        marks: { service: `service-${count}`, epoch: count, mesh: 'contract' },
        limits: { cores: null, ramBytes: null },
        ...more,
      }
    }

    async function created(more: Partial<ContainerPlan> = {}): Promise<{ engine: Engine; id: string; plan: ContainerPlan }> {
      const { engine } = await opened
      const asked = await plan(more)
      const id = await engine.create(asked, never)
      made.push(id)
      return { engine, id, plan: asked }
    }

    async function running(more: Partial<ContainerPlan> = {}) {
      const all = await created(more)
      await all.engine.start(all.id, never)
      return all
    }

    const state = async (engine: Engine, id: string) => (await engine.inspect(id, never))?.state

    test('it says what it is', async () => {
      const { engine } = await opened
      const info = await engine.info(never)
      expect(info.version).toMatch(/^\d+\.\d+/)
      expect(['x64', 'arm64']).toContain(info.arch)
      expect(info.runtimes.length).toBeGreaterThan(0)
      expect(['1', '2']).toContain(info.cgroupVersion)
    })

    test('an image is known by its layers; one that is not there is undefined, and is never fetched', async () => {
      const { engine, image } = await opened
      const facts = await engine.image(image, never)
      expect(facts?.platform).toMatch(/^linux\//)
      expect(facts?.layers.length).toBeGreaterThan(0)
      const known = await engine.knownLayers(never)
      expect((facts?.layers ?? []).filter(layer => !known.has(layer))).toEqual([])
      expect(await engine.image('shoal-contract/none:1', never)).toBeUndefined()
      await expect(engine.create(await plan({ image: 'shoal-contract/none:1' }), never)).rejects.toEqual(code('NO_SUCH_IMAGE'))
    })

    test('a created container does not run yet, and carries its marks, limits and host name', async () => {
      const limits = { cores: 0.25, ramBytes: 64 * MIB }
      const { engine, id, plan } = await created({
        limits,
        hostname: 'kept-name',
        marks: { service: 's', epoch: 7, mesh: 'm', move: 'v' },
      })
      const detail = await engine.inspect(id, never)
      expect(detail).toMatchObject({
        id,
        name: plan.name,
        state: 'created',
        marks: { service: 's', epoch: 7, mesh: 'm', move: 'v' },
        limits,
        hostname: 'kept-name',
        restart: 'no',
        tty: false,
        exitCode: null,
        startedAt: null,
      })
      expect(id).toMatch(/^[0-9a-f]{64}$/)
    })

    test('start, pause, unpause, kill and remove lead from state to state', async () => {
      const { engine, id } = await running()
      expect(await engine.inspect(id, never)).toMatchObject({ state: 'running', exitCode: null })
      expect((await engine.inspect(id, never))?.pid).toBeGreaterThan(0)
      await engine.pause(id, never)
      expect(await state(engine, id)).toBe('paused')
      await engine.unpause(id, never)
      expect(await state(engine, id)).toBe('running')
      await engine.kill(id, never)
      await gone(engine, id)
      expect(await engine.inspect(id, never)).toMatchObject({ state: 'exited', exitCode: 137 })
      await engine.remove(id, never)
      expect(await engine.inspect(id, never)).toBeUndefined()
    })

    test('a paused container can be killed and removed without running on', async () => {
      const { engine, id } = await running()
      await engine.pause(id, never)
      await engine.kill(id, never)
      await gone(engine, id)
      expect(await engine.inspect(id, never)).toMatchObject({ state: 'exited', exitCode: 137 })
      const second = await running()
      await second.engine.pause(second.id, never)
      await second.engine.remove(second.id, never)
      expect(await state(second.engine, second.id)).toBeUndefined()
    })

    test('asking for what already is, is no error', async () => {
      const { engine, id } = await running()
      await engine.start(id, never)
      await engine.unpause(id, never)
      await engine.pause(id, never)
      await engine.pause(id, never)
      await engine.unpause(id, never)
      await engine.kill(id, never)
      await gone(engine, id)
      await engine.kill(id, never)
      await engine.stop(id, 1000, never)
      await engine.remove(id, never)
      await engine.remove(id, never)
      await engine.kill(id, never)
      await engine.stop(id, 1000, never)
    })

    test('stop asks first: the program ends by its own code', async () => {
      const { engine, id } = await running()
      await engine.stop(id, 5000, never)
      const detail = await engine.inspect(id, never)
      expect(detail?.state).toBe('exited')
      expect(detail?.exitCode).not.toBe(137)
      await engine.start(id, never)
      expect(await state(engine, id)).toBe('running')
    })

    test('what does not exist is named so', async () => {
      const { engine } = await opened
      const none = 'f'.repeat(64)
      expect(await engine.inspect(none, never)).toBeUndefined()
      expect(await engine.use(none, never)).toBeUndefined()
      await expect(engine.start(none, never)).rejects.toEqual(code('NO_SUCH_CONTAINER'))
      await expect(engine.pause(none, never)).rejects.toEqual(code('NO_SUCH_CONTAINER'))
      await expect(engine.unpause(none, never)).rejects.toEqual(code('NO_SUCH_CONTAINER'))
      await expect(engine.setLimits(none, { cores: 1, ramBytes: null }, never)).rejects.toEqual(code('NO_SUCH_CONTAINER'))
      await expect(collect(engine.logs(none, { follow: false }, never), 1)).rejects.toEqual(code('NO_SUCH_CONTAINER'))
    })

    test('a name is given once, and an unknown runtime is refused', async () => {
      const { engine, plan: first } = await created()
      await expect(engine.create({ ...(await plan()), name: first.name }, never)).rejects.toEqual(code('NAME_TAKEN'))
      await expect(engine.create(await plan({ runtime: 'no-such-runtime' }), never)).rejects.toEqual(code('RUNTIME_MISSING'))
    })

    test('all containers are listed, with the marks of our own', async () => {
      const { engine, id, plan } = await running()
      const found = (await engine.list(never)).find(container => container.id === id)
      expect(found).toEqual({ id, name: plan.name, image: plan.image, state: 'running', marks: plan.marks })
    })

    test('limits change in place, are lifted by null, and never fall below what is in use', async () => {
      const { engine, id } = await running({ limits: { cores: 0.25, ramBytes: 64 * MIB } })
      await firstLog(engine, id)
      await engine.setLimits(id, { cores: 0.5, ramBytes: 96 * MIB }, never)
      expect((await engine.inspect(id, never))?.limits).toEqual({ cores: 0.5, ramBytes: 96 * MIB })
      await expect(engine.setLimits(id, { cores: 0.5, ramBytes: 1 }, never)).rejects.toEqual(code('LIMITS_REFUSED'))
      await engine.setLimits(id, { cores: null, ramBytes: null }, never)
      expect((await engine.inspect(id, never))?.limits).toEqual({ cores: null, ramBytes: null })
      expect(await state(engine, id)).toBe('running')
    })

    test('use is told while it runs, and CPU time only grows', async () => {
      const { engine, id } = await running()
      await firstLog(engine, id)
      const first = await engine.use(id, never)
      const second = await engine.use(id, never)
      expect(first?.ramBytes).toBeGreaterThan(0)
      expect(second?.cpuNs).toBeGreaterThanOrEqual(first?.cpuNs ?? Number.POSITIVE_INFINITY)
      await engine.kill(id, never)
      await gone(engine, id)
      expect(await engine.use(id, never)).toBeUndefined()
    })

    test('logs can be followed, and leaving them or aborting ends them', async () => {
      const { engine, id } = await running()
      const [chunk] = await collect(engine.logs(id, { follow: true }, never), 1)
      expect(chunk?.stream).toBe('stdout')
      expect(chunk?.bytes.length).toBeGreaterThan(0)
      const stop = new AbortController()
      const follow = collect(engine.logs(id, { follow: true }, stop.signal), Number.POSITIVE_INFINITY, () => stop.abort())
      await expect(follow).resolves.toBeDefined()
    })

    test('logs that are not followed end, and `tail` bounds them', async () => {
      const { engine, id } = await running()
      await firstLog(engine, id)
      await engine.kill(id, never)
      await gone(engine, id)
      const all = text(await collect(engine.logs(id, { follow: false }, never)))
      expect(all.length).toBeGreaterThan(0)
      const tail = text(await collect(engine.logs(id, { follow: false, tail: 1 }, never)))
      expect(tail.split('\n').filter(line => line !== '')).toHaveLength(1)
      expect(all.endsWith(tail)).toBe(true)
    })

    test('events begin with a gap, then tell of start and end with the code', async () => {
      const { engine, id, plan } = await created()
      const stop = new AbortController()
      const heard: EngineEvent[] = []
      const mine = () => heard.filter(event => event.kind !== 'gap' && event.containerId === id)
      for await (const event of engine.events(stop.signal)) {
        heard.push(event)
        if (heard.length === 1) await engine.start(id, never)
        if (event.kind === 'start' && event.containerId === id) await engine.kill(id, never)
        if (event.kind === 'die' && event.containerId === id) break
      }
      stop.abort()
      expect(heard[0]?.kind).toBe('gap')
      expect(mine()).toMatchObject([
        { kind: 'start', marks: plan.marks, exitCode: null },
        { kind: 'die', marks: plan.marks, exitCode: 137 },
      ])
    })

    test('an image that was saved can be loaded; what is no image is refused', async () => {
      const { engine, image } = await opened
      const saved: Uint8Array[] = []
      for await (const piece of engine.saveImage(image, never)) saved.push(piece)
      await engine.loadImage(from(saved), never)
      expect(await engine.image(image, never)).toBeDefined()
      await expect(engine.loadImage(from([Buffer.from('this is no tar')]), never)).rejects.toEqual(code('IMAGE_LOAD_FAILED'))
      await expect(collect(engine.saveImage('shoal-contract/none:1', never))).rejects.toEqual(code('NO_SUCH_IMAGE'))
    })

    test('a signal that has fired ends every call', async () => {
      const { engine } = await opened
      const reason = new Error('over')
      await expect(engine.list(AbortSignal.abort(reason))).rejects.toBe(reason)
      await expect(engine.inspect('f'.repeat(64), AbortSignal.abort(reason))).rejects.toBe(reason)
      expect(await collect(engine.events(AbortSignal.abort(reason)))).toEqual([])
    })
  })
}

/** Up to `count` values, then leaves the loop; `onFirst` runs after the first. */
async function collect<T>(source: AsyncIterable<T>, count = Number.POSITIVE_INFINITY, onFirst?: () => void): Promise<T[]> {
  const got: T[] = []
  for await (const value of source) {
    got.push(value)
    if (got.length === 1) onFirst?.()
    if (got.length >= count) break
  }
  return got
}

async function firstLog(engine: Engine, id: string): Promise<void> {
  await collect(engine.logs(id, { follow: true }, never), 1)
}

/** Follows the log to its end: it ends when the container does. */
async function gone(engine: Engine, id: string): Promise<void> {
  await collect(engine.logs(id, { follow: true, tail: 0 }, AbortSignal.timeout(10_000)))
}

function text(chunks: readonly { readonly bytes: Uint8Array }[]): string {
  return Buffer.concat(chunks.map(({ bytes }) => bytes)).toString()
}

async function* from(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}
