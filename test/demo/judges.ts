// Did the memory move with the service, and was there ever a second copy? Pure: reads what evidence.ts saw outside the nodes.

/** One line a service's container printed. */
export interface LogLine {
  readonly node: string
  readonly service: string
  readonly container: string
  readonly line: string
}

/** One event of an engine. All engines of the lab share this machine's clock, so moments on different nodes compare. */
export interface LifeEvent {
  readonly node: string
  readonly service: string
  readonly container: string
  readonly action: string
  readonly atMs: number
}

export interface Verdict {
  readonly ok: boolean
  readonly detail: string
}

interface Tick {
  readonly number: string
  readonly counter: number
  readonly node: string
}

const tickLine = /^([0-9a-f]{32}) (\d+) \d+$/

/** The ticks of one service, of whatever node, by counter; anything else a ticker says is a complaint. */
function ticksOf(lines: readonly LogLine[]): { ticks: Tick[]; complaints: string[] } {
  const ticks: Tick[] = []
  const complaints: string[] = []
  for (const { node, line } of lines) {
    const match = tickLine.exec(line)
    if (match?.[1] === undefined) complaints.push(`${node}: ${line}`)
    else ticks.push({ number: match[1], counter: Number(match[2]), node })
  }
  return { ticks: ticks.toSorted((a, b) => a.counter - b.counter), complaints }
}

/**
 * A ticker keeps its 128-bit number in memory only and counts. After `moves` moves it must still show one number, every count exactly once,
 * and have been heard on more than one node.
 */
export function memoryWentOn(lines: readonly LogLine[]): Verdict {
  const { ticks, complaints } = ticksOf(lines)
  const numbers = new Set(ticks.map(({ number }) => number))
  const nodes = [...new Set(ticks.map(({ node }) => node))]
  const first = ticks[0]
  const last = ticks.at(-1)
  if (first === undefined || last === undefined) return { ok: false, detail: 'no line was heard' }
  const gap = ticks.find((tick, index) => index > 0 && tick.counter !== (ticks[index - 1]?.counter ?? 0) + 1)
  const ok = numbers.size === 1 && complaints.length === 0 && gap === undefined && nodes.length > 1
  const wrong = [
    ...(numbers.size === 1 ? [] : [`${numbers.size} different numbers`]),
    ...(complaints.length === 0 ? [] : [`it said ${complaints[0]}`]),
    ...(gap === undefined ? [] : [`the count breaks at ${gap.counter} on ${gap.node}`]),
    ...(nodes.length > 1 ? [] : [`it was heard on ${nodes.join(', ')} only`]),
  ]
  const heard = `number ${first.number.slice(0, 8)}…, counted ${first.counter} to ${last.counter} without a gap on ${nodes.join(', ')}`
  return { ok, detail: ok ? heard : wrong.join('; ') }
}

interface Span {
  readonly node: string
  readonly container: string
  readonly fromMs: number
  readonly toMs: number
}

/** When did each container of a service run? From its engine's events: start or unpause to pause or end. */
function spansOf(events: readonly LifeEvent[]): Span[] {
  const spans: Span[] = []
  const open = new Map<string, LifeEvent>()
  for (const event of events.toSorted((a, b) => a.atMs - b.atMs)) {
    const began = open.get(event.container)
    if (event.action === 'start' || event.action === 'unpause') {
      if (began === undefined) open.set(event.container, event)
    } else if (began !== undefined) {
      spans.push({ node: event.node, container: event.container, fromMs: began.atMs, toMs: event.atMs })
      open.delete(event.container)
    }
  }
  for (const event of open.values())
    spans.push({ node: event.node, container: event.container, fromMs: event.atMs, toMs: Infinity })
  return spans.toSorted((a, b) => a.fromMs - b.fromMs)
}

/** No two containers of one service ever ran at the same time, and exactly one runs at the end. */
export function oneCopyRan(events: readonly LifeEvent[]): Verdict {
  const spans = spansOf(events)
  const overlap = spans.find((span, index) => {
    const before = spans[index - 1]
    return before !== undefined && before.container !== span.container && span.fromMs < before.toMs
  })
  const running = spans.filter(({ toMs }) => toMs === Infinity)
  if (overlap !== undefined) return { ok: false, detail: `two copies ran: ${overlap.node} began while the one before still ran` }
  if (running.length !== 1) return { ok: false, detail: `${running.length} copies run at the end` }
  return { ok: true, detail: `ran on ${spans.map(({ node }) => node).join(' → ')}, never on two at once` }
}
