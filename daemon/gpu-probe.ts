// Is there a GPU here, and how busy is it? NVIDIA by a tool kept open, AMD and Jetson by files; none is an answer. No process is started per
// reading. A GPU may show up late after boot, and a tool may die: looked for again every minute. Built by compose.ts; read by load-sampler.ts.

import { spawn } from 'node:child_process'
import type { Clock } from '../placement/clock.ts'
import type { Millis } from '../placement/view.ts'
import type { HostFiles } from './host-files.ts'
import { GPU_LINE_CHARS, GPU_PROBE_AGAIN_MS, GPU_STALE_MS } from './limits.ts'

/** All GPUs of the node together. */
export interface GpuReading {
  readonly count: number
  /** Mean use in percent; null where there is no GPU or it does not tell. */
  readonly usePct: number | null
  /** Where it comes from, for `doctor`. */
  readonly says: string
}

/** A way to read GPUs. `read` is called once per interval; `close` ends what it started. */
export interface GpuSource {
  read(): Promise<GpuReading>
  close(): void
}

/** A program whose lines are heard until it ends. */
export type Listen = (words: readonly string[], onLine: (line: string) => void, onEnd: (why: string) => void) => () => void

export interface GpuParts {
  readonly files: HostFiles
  readonly clock: Clock
  readonly listen: Listen
  readonly intervalMs: Millis
}

const NONE: GpuReading = { count: 0, usePct: null, says: 'no GPU found' }

/** The first source that answers, in this order: NVIDIA, AMD, Jetson. Undefined: none. */
export async function findGpu(parts: GpuParts): Promise<GpuSource | undefined> {
  const nvidia = (await parts.files.list('/proc/driver/nvidia/gpus')).length
  if (nvidia > 0) return nvidiaSource(parts, nvidia)
  const amd = await busyFiles(parts.files)
  if (amd.length > 0) return fileSource(parts.files, amd, 1, 'AMD, gpu_busy_percent')
  for (const path of ['/sys/devices/platform/gpu.0/load', '/sys/devices/gpu.0/load']) {
    if ((await parts.files.read(path)) !== undefined) return fileSource(parts.files, [path], 10, 'Jetson, load in per mille')
  }
  return undefined
}

async function busyFiles(files: HostFiles): Promise<readonly string[]> {
  const cards = (await files.list('/sys/class/drm')).filter(name => /^card\d+$/.test(name))
  const paths = cards.map(card => `/sys/class/drm/${card}/device/gpu_busy_percent`)
  const there = await Promise.all(paths.map(async path => ((await files.read(path)) === undefined ? [] : [path])))
  return there.flat()
}

/** Files with one number each; `divisor` makes percent of it. A file that stops answering leaves the reading unknown. */
function fileSource(files: HostFiles, paths: readonly string[], divisor: number, says: string): GpuSource {
  return {
    async read() {
      const texts = await Promise.all(paths.map(path => files.read(path)))
      const values = texts.map(text => (text === undefined || text.trim() === '' ? Number.NaN : Number(text) / divisor))
      return { count: paths.length, usePct: mean(values), says }
    },
    close: () => undefined,
  }
}

/** `nvidia-smi` loops by itself and prints `INDEX, USE` for each GPU. */
function nvidiaSource({ clock, listen, intervalMs }: GpuParts, count: number): GpuSource {
  const uses = new Map<string, { readonly pct: number; readonly at: Millis }>()
  let ended: string | undefined
  const words = ['nvidia-smi', '--query-gpu=index,utilization.gpu', '--format=csv,noheader,nounits', '-lms', String(intervalMs)]
  const close = listen(
    words,
    line => {
      const [, index, pct] = /^\s*(\d+)\s*,\s*(\d+|\[?N\/A\]?|\[Not Supported\])\s*$/.exec(line) ?? []
      if (index !== undefined && pct !== undefined && uses.size <= count) uses.set(index, { pct: Number(pct), at: clock.now() })
    },
    why => {
      ended = why
    },
  )
  return {
    async read() {
      if (ended !== undefined) return { count, usePct: null, says: `NVIDIA, but nvidia-smi ended: ${ended}` }
      const fresh = [...uses.values()].filter(({ at }) => clock.now() - at <= GPU_STALE_MS)
      return { count, usePct: mean(fresh.map(({ pct }) => pct)), says: 'NVIDIA, nvidia-smi' }
    },
    close,
  }
}

function mean(values: readonly number[]): number | null {
  const known = values.filter(value => Number.isFinite(value))
  return known.length === 0 ? null : Math.min(100, Math.max(0, known.reduce((all, value) => all + value, 0) / known.length))
}

/** Keeps a reading up to date until it is closed. */
export class GpuProbe implements Disposable {
  readonly #parts: GpuParts
  #source: GpuSource | undefined
  #reading: GpuReading = NONE
  #lookedAt: Millis = Number.NEGATIVE_INFINITY
  #cancel: () => void = () => undefined
  #closed = false

  constructor(parts: GpuParts) {
    this.#parts = parts
  }

  current(): GpuReading {
    return this.#reading
  }

  /** First reading; then one per interval by itself. */
  async start(): Promise<void> {
    await this.refresh()
    if (this.#closed) return
    this.#cancel = this.#parts.clock.after(this.#parts.intervalMs, () => void this.start())
  }

  async refresh(): Promise<void> {
    const now = this.#parts.clock.now()
    const silent = this.#source === undefined || this.#reading.usePct === null
    if (silent && now - this.#lookedAt >= GPU_PROBE_AGAIN_MS) {
      this.#lookedAt = now
      this.#source?.close()
      this.#source = await findGpu(this.#parts)
    }
    this.#reading = (await this.#source?.read()) ?? NONE
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#cancel()
    this.#source?.close()
  }
}

/** Starts a program and hears its lines; the returned function ends it. */
export const listenToProgram: Listen = ([program = '', ...words], onLine, onEnd) => {
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'ignore'] })
  let held = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    const lines = (held + text).split('\n')
    held = (lines.pop() ?? '').slice(0, GPU_LINE_CHARS)
    for (const line of lines) onLine(line)
  })
  child.once('error', error => onEnd(error.message))
  child.once('close', code => onEnd(`exit status ${code}`))
  return () => child.kill()
}
