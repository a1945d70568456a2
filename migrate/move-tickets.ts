// How many moves at once, and none twice: places for a bounded number, given in the order they were asked for. Used by mover.ts.

export interface Tickets {
  /** Waits for a place; the returned function gives it back. Rejects when `signal` fires first. */
  take(signal: AbortSignal): Promise<() => void>
  readonly taken: number
}

export function tickets(places: number): Tickets {
  let taken = 0
  const waiting: (() => void)[] = []
  const give = (): (() => void) => {
    taken += 1
    let back = false
    return () => {
      if (back) return
      back = true
      taken -= 1
      waiting.shift()?.()
    }
  }
  return {
    get taken() {
      return taken
    },
    take: signal =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted()
        if (taken < places) return resolve(give())
        const enter = (): void => {
          signal.removeEventListener('abort', leave)
          resolve(give())
        }
        const leave = (): void => {
          const at = waiting.indexOf(enter)
          if (at >= 0) waiting.splice(at, 1)
          reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
        }
        waiting.push(enter)
        signal.addEventListener('abort', leave, { once: true })
      }),
  }
}
