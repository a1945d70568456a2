// What would change in a file? The lines as `diff -u` shows them, for people who are asked before. Used by setup.ts.

const CONTEXT = 3

interface Line {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/** Empty when nothing changes. `undefined`: there is no file. Made for files of some hundred lines. */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  if (before === after) return ''
  const lines = compare(linesOf(before), linesOf(after))
  const head = [`--- ${before === undefined ? '/dev/null' : path}`, `+++ ${after === undefined ? '/dev/null' : path}`]
  return `${[...head, ...hunks(lines)].join('\n')}\n`
}

function linesOf(text: string | undefined): readonly string[] {
  if (text === undefined || text === '') return []
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
}

/** Longest common subsequence, from the end, so that the walk goes from the start. */
function compare(before: readonly string[], after: readonly string[]): readonly Line[] {
  const width = after.length + 1
  const longest = new Uint32Array((before.length + 1) * width)
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const both = (longest[(i + 1) * width + j + 1] ?? 0) + 1
      const one = Math.max(longest[(i + 1) * width + j] ?? 0, longest[i * width + j + 1] ?? 0)
      longest[i * width + j] = before[i] === after[j] ? both : one
    }
  }
  const lines: Line[] = []
  let i = 0
  let j = 0
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ sign: ' ', text: before[i] ?? '' })
      i += 1
      j += 1
    } else if (
      j >= after.length ||
      (i < before.length && (longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0))
    ) {
      lines.push({ sign: '-', text: before[i] ?? '' })
      i += 1
    } else {
      lines.push({ sign: '+', text: after[j] ?? '' })
      j += 1
    }
  }
  return lines
}

function hunks(lines: readonly Line[]): readonly string[] {
  const near = lines.map((_, at) => lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ sign }) => sign !== ' '))
  const out: string[] = []
  for (let at = 0; at < lines.length; at++) {
    if (near[at] !== true) continue
    const gap = near.indexOf(false, at)
    const end = gap === -1 ? lines.length : gap
    const before = lines.slice(0, at)
    const hunk = lines.slice(at, end)
    out.push(`@@ -${range(before, hunk, '-')} +${range(before, hunk, '+')} @@`, ...hunk.map(({ sign, text }) => `${sign}${text}`))
    at = end
  }
  return out
}

/** First line and count of one side of a hunk; an empty side names the line before it. */
function range(before: readonly Line[], hunk: readonly Line[], side: '-' | '+'): string {
  const counts = ({ sign }: Line): boolean => sign === ' ' || sign === side
  const count = hunk.filter(counts).length
  return `${before.filter(counts).length + (count === 0 ? 0 : 1)},${count}`
}
