// JSON, one value a line (NDJSON): how logs and events travel, between nodes and to the CLI. Reading is bounded by the longest line.

import { ShoalError } from '../placement/shoal-error.ts'

/** A line that is too long, or no JSON. */
export class JsonLineError extends ShoalError<'JSON_LINE_INVALID'> {
  constructor(what: string, cause?: unknown) {
    super('JSON_LINE_INVALID', { what, hint: 'run the same release of Shoal on both ends', cause })
  }
}

const NEWLINE = 10

/** One value as a line of bytes. */
export function jsonLine(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`, 'utf8')
}

/** Values as their lines arrive. Ends with the stream; an unfinished last line counts as one. @throws JsonLineError */
export async function* readJsonLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<unknown, void, void> {
  let parts: Uint8Array[] = []
  let have = 0
  const take = (last: Uint8Array): unknown => {
    const text = Buffer.concat([...parts, last]).toString('utf8')
    parts = []
    have = 0
    return parse(text)
  }
  for await (const chunk of chunks) {
    let rest = chunk
    for (let cut = rest.indexOf(NEWLINE); cut !== -1; cut = rest.indexOf(NEWLINE)) {
      if (have + cut > lineBytesMax) throw tooLong(lineBytesMax)
      if (have + cut > 0) yield take(rest.subarray(0, cut))
      rest = rest.subarray(cut + 1)
    }
    have += rest.length
    if (have > lineBytesMax) throw tooLong(lineBytesMax)
    if (rest.length > 0) parts.push(rest)
  }
  if (have > 0) yield take(new Uint8Array())
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new JsonLineError(`a line of ${text.length} characters is no JSON`, error)
  }
}

const tooLong = (lineBytesMax: number): JsonLineError => new JsonLineError(`a line is longer than ${lineBytesMax} bytes`)
