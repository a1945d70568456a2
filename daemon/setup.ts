// What must change on this host so that memory can be restored here, and how is it taken back? `shoal setup`: the runtime shim in the engine's
// daemon.json, CRIU's options in /etc/criu/runc.conf. The plan is a pure function of the files' texts; applying it is small. Called by the CLI.

import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { CRIU_CONFIG_PATH, criuConfigLines } from '../migrate/checkpoint/criu-config.ts'
import type { LoadedConfig } from './config.ts'
import { DockerEngine } from './docker-engine.ts'
import { type EngineProcess, engineProcess } from './engine-process.ts'
import { EngineError, SetupError } from './errors.ts'
import { hostFiles } from './host-files.ts'
import { ENGINE_RELOAD_MS, SETUP_FILE_BYTES } from './limits.ts'
import { RUNTIME_NAME, shimPath } from './shim-path.ts'
import { systemClock } from './system-clock.ts'
import { unifiedDiff } from './unified-diff.ts'

export interface SetupPaths {
  readonly daemonJson: string
  readonly criuConf: string
  /** Where setup notes what it changed, for `--undo`. */
  readonly note: string
}

/** One file before and after; `undefined` where there is none. */
export interface FileChange {
  readonly path: string
  readonly before: string | undefined
  readonly after: string | undefined
}

const Note = Type.Object({
  v: Type.Literal(1),
  files: Type.Array(Type.Object({ path: Type.String(), before: Type.Union([Type.String(), Type.Null()]), after: Type.String() })),
})

/** The texts a plan is made from. `note` is what an earlier setup wrote. */
export interface SetupTexts {
  readonly daemonJson: string | undefined
  readonly criuConf: string | undefined
  readonly note: string | undefined
}

/** Pure. Only files that change are in it; the note comes first, so that what was done can be undone whenever it stops. */
export function planChanges(texts: SetupTexts, paths: SetupPaths, shim: string, undo: boolean): readonly FileChange[] {
  const known = noteOf(texts.note, paths.note)
  const change = (path: string, before: string | undefined, after: string | undefined): FileChange[] =>
    before === after ? [] : [{ path, before, after }]
  if (undo) {
    return [
      ...change(
        paths.daemonJson,
        texts.daemonJson,
        undone(texts.daemonJson, known.get(paths.daemonJson), text => withoutRuntime(text, paths.daemonJson)),
      ),
      ...change(paths.criuConf, texts.criuConf, undone(texts.criuConf, known.get(paths.criuConf), withoutBlock)),
      ...change(paths.note, texts.note, undefined),
    ]
  }
  const changes = [
    ...change(paths.daemonJson, texts.daemonJson, withRuntime(texts.daemonJson, paths.daemonJson, shim)),
    ...change(paths.criuConf, texts.criuConf, withBlock(texts.criuConf)),
  ]
  if (changes.length === 0) return []
  const noted = new Map(known)
  for (const { path, before, after } of changes) {
    // What was there before the first setup is what undo gives back, also when setup ran again.
    const first = known.get(path)
    noted.set(path, {
      before: first !== undefined && first.after === before ? first.before : (before ?? null),
      after: after ?? '',
    })
  }
  const note = `${JSON.stringify({ v: 1, files: [...noted].map(([path, texts]) => ({ path, ...texts })) }, null, 2)}\n`
  return [{ path: paths.note, before: texts.note, after: note }, ...changes]
}

type Noted = ReadonlyMap<string, { readonly before: string | null; readonly after: string }>

function noteOf(text: string | undefined, path: string): Noted {
  if (text === undefined) return new Map()
  const value = json(text, path)
  if (!Value.Check(Note, value))
    throw unreadable(path, 'it is no note of setup', 'move it away; then undo takes out only what is marked as ours')
  return new Map(value.files.map(({ path, before, after }) => [path, { before, after }]))
}

/** The text from before where nobody has touched the file since; else ours taken out of what it is now. */
function undone(
  now: string | undefined,
  noted: { readonly before: string | null; readonly after: string } | undefined,
  takeOut: (text: string) => string | undefined,
) {
  if (now === undefined) return undefined
  return noted?.after === now ? (noted.before ?? undefined) : takeOut(now)
}

function withRuntime(text: string | undefined, path: string, shim: string): string {
  const { document, runtimes } = daemonJson(text, path)
  const ours = runtimes[RUNTIME_NAME]
  if (isRecord(ours) && ours['path'] === shim && text !== undefined) return text
  return written({ ...document, runtimes: { ...runtimes, [RUNTIME_NAME]: { path: shim } } }, text)
}

function withoutRuntime(text: string, path: string): string | undefined {
  const { document, runtimes } = daemonJson(text, path)
  if (!(RUNTIME_NAME in runtimes)) return text
  const { [RUNTIME_NAME]: _ours, ...others } = runtimes
  const { runtimes: _all, ...rest } = document
  const left = Object.keys(others).length === 0 ? rest : { ...document, runtimes: others }
  return Object.keys(left).length === 0 ? undefined : written(left, text)
}

function daemonJson(text: string | undefined, path: string) {
  const document = text === undefined || text.trim() === '' ? {} : json(text, path)
  if (!isRecord(document)) throw unreadable(path, 'it is no JSON object', 'correct it; the engine cannot read it either')
  const runtimes = document['runtimes'] ?? {}
  if (!isRecord(runtimes)) throw unreadable(path, '"runtimes" is no object', 'correct it; the engine cannot read it either')
  return { document, runtimes }
}

/** In the file's own indentation. */
function written(document: unknown, like: string | undefined): string {
  const indent = /^\{\r?\n([ \t]+)/.exec(like ?? '')?.[1] ?? '  '
  return `${JSON.stringify(document, null, indent)}\n`
}

const BLOCK_BEGIN = '# shoal setup: begin (CRIU takes the last of two lines with one option)'
const BLOCK_END = '# shoal setup: end'

function withBlock(text: string | undefined): string {
  const rest = text === undefined ? '' : (withoutBlock(text) ?? '')
  const block = [BLOCK_BEGIN, ...criuConfigLines, BLOCK_END, ''].join('\n')
  const next = `${rest}${rest === '' || rest.endsWith('\n') ? '' : '\n'}${block}`
  // A block that is there and right stays where it stands.
  return text?.includes(block) === true ? text : next
}

function withoutBlock(text: string): string | undefined {
  const lines = text.split('\n')
  const begin = lines.indexOf(BLOCK_BEGIN)
  const end = lines.indexOf(BLOCK_END, begin)
  if (begin === -1 || end === -1) return text
  const rest = [...lines.slice(0, begin), ...lines.slice(end + 1)].join('\n')
  return rest.trim() === '' ? undefined : rest
}

/** The plan as the CLI shows and applies it. */
export async function planSetup({ config }: LoadedConfig, { undo }: { readonly undo: boolean }, signal: AbortSignal) {
  const paths: SetupPaths = {
    daemonJson: '/etc/docker/daemon.json',
    criuConf: CRIU_CONFIG_PATH,
    note: join(config.dataDir, 'setup.json'),
  }
  const [daemonJsonText, criuConf, note] = await Promise.all([
    readText(paths.daemonJson),
    readText(paths.criuConf),
    readText(paths.note),
  ])
  const changes = planChanges({ daemonJson: daemonJsonText, criuConf, note }, paths, await shimPath(), undo)
  const engine = new DockerEngine({ socketPath: config.engineSocket, clock: systemClock })
  const registered = await runtimeRegistered(engine, signal)
  // A file that is right, and an engine that has not read it.
  const stale = !undo && registered === false
  const diff = changes
    .filter(({ path }) => path !== paths.note)
    .map(({ path, before, after }) => unifiedDiff(path, before, after))
  if (diff.length > 0 || stale) diff.push(`! the engine is told to read its configuration again (SIGHUP); containers run on\n`)
  return {
    diff: diff.join(''),
    async apply(applySignal: AbortSignal): Promise<readonly string[]> {
      const lines = await applyChanges(changes)
      return [...lines, await reload(engine, await engineProcess(hostFiles), !undo, applySignal)]
    },
  }
}

/** Undefined when the engine does not answer. */
async function runtimeRegistered(engine: DockerEngine, signal: AbortSignal): Promise<boolean | undefined> {
  try {
    return (await engine.info(signal)).runtimes.includes(RUNTIME_NAME)
  } catch (error) {
    if (error instanceof EngineError) return undefined
    throw error
  }
}

/** Writes each file beside itself and renames it: never half a file. Answers a line per file. Throws SETUP_FAILED. */
export async function applyChanges(changes: readonly FileChange[]): Promise<readonly string[]> {
  const lines: string[] = []
  for (const { path, after } of changes) {
    try {
      if (after === undefined) await rm(path, { force: true })
      else await replace(path, after)
    } catch (cause) {
      throw new SetupError('SETUP_FAILED', {
        what: `${path} could not be changed: ${cause instanceof Error ? cause.message : String(cause)}`,
        hint: 'run as root; what was changed before is noted, `shoal setup --undo` takes it back',
        cause,
      })
    }
    lines.push(after === undefined ? `removed ${path}` : `wrote ${path}`)
  }
  return lines
}

async function replace(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const mode = await lstat(path).then(
    stat => stat.mode & 0o777,
    () => 0o644,
  )
  const beside = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    const file = await open(beside, 'wx', mode)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
}

/** Sends SIGHUP and waits until the engine says what it should. Answers a line for people. */
async function reload(
  engine: DockerEngine,
  process_: EngineProcess | undefined,
  wanted: boolean,
  signal: AbortSignal,
): Promise<string> {
  if (process_ === undefined) return 'the engine does not run here: it reads its configuration when it starts'
  process.kill(process_.pid, 'SIGHUP')
  // Docker forgets a runtime only when it starts: told to reload, it takes new ones and keeps old ones.
  if (!wanted) return `the engine (process ${process_.pid}) was told; it keeps the runtime ${RUNTIME_NAME} until it is restarted`
  const end = systemClock.now() + ENGINE_RELOAD_MS
  while (systemClock.now() < end) {
    if ((await runtimeRegistered(engine, signal)) === wanted)
      return `the engine (process ${process_.pid}) has read its configuration`
    await new Promise<void>(resolve => void systemClock.after(100, resolve))
  }
  throw new SetupError('SETUP_FAILED', {
    what: `the engine does not show the runtime ${RUNTIME_NAME} ${ENGINE_RELOAD_MS / 1000} s after it was told`,
    hint: 'look into its log; it may have been started with other options: restart it when its containers may stop',
  })
}

async function readText(path: string): Promise<string | undefined> {
  try {
    const { size } = await lstat(path)
    if (size > SETUP_FILE_BYTES) throw new Error(`it has ${size} bytes`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), 'run as root')
  }
}

function json(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), 'correct it; nothing was changed')
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function unreadable(path: string, why: string, hint: string): SetupError {
  return new SetupError('SETUP_UNREADABLE', { what: `${path} cannot be read: ${why}`, hint })
}
