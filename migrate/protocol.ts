// The messages of a move, both directions, as they stand on the wire: schema, version, size. Spec: docs/protocols/move.md.
// Strict in what counts, ignoring unknown fields; an unknown version is refused with a code.

import Type from 'typebox'
import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { MoveError } from './errors.ts'
import { LIMITS } from './limits.ts'
import type { ServiceRecord } from '../placement/view.ts'

/** libp2p protocol id of a move's stream, and of the question for its outcome. */
export const MOVE_PROTOCOL = '/shoal/move/1'
/** Version named in the first message of a stream. */
export const MOVE_VERSION = 1

const Text = Type.String({ maxLength: LIMITS.textChars })
const Name = Type.String({ minLength: 1, maxLength: 256 })
const MoveId = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$' })
const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })
const DiffId = Type.String({ pattern: '^sha256:[0-9a-f]{64}$' })
const Failure = { code: Type.String({ minLength: 1, maxLength: 64 }), what: Text, hint: Text }
const oneOf = <const T extends string[]>(words: readonly [...T]) => Type.Enum<T>(words)

const Service = Type.Object({
  id: Name,
  spec: Type.Object({
    name: Name,
    type: oneOf(['stateful', 'stateless']),
    image: Type.String({ minLength: 1, maxLength: 512 }),
    args: Type.Array(Type.String(), { maxItems: 1024 }),
    env: Type.Array(Type.String(), { maxItems: 1024 }),
    restart: oneOf(['no', 'on-failure', 'always', 'unless-stopped']),
    tty: Type.Boolean(),
    profile: Type.Optional(Type.Object({ cpu: Type.Optional(Name), ram: Type.Optional(Name), gpu: Type.Optional(Name) })),
  }),
  owner: Name,
  epoch: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER - 1 }),
  counter: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER - 1 }),
  state: oneOf(['starting', 'running', 'moving', 'stopped', 'exited', 'failed', 'parked']),
  reason: Text,
  deleted: Type.Boolean(),
})

/** The bulk sections: an image of the missing layers, the writable layer, CRIU's images. */
export const sectionNames = ['image', 'layer', 'checkpoint'] as const
export type SectionName = (typeof sectionNames)[number]
const Section = oneOf(sectionNames)

/** Schema of each message by its kind. Kinds are append-only. */
export const messageSchemas = {
  // source → target
  offer: Type.Object({
    kind: Type.Literal('offer'),
    v: Type.Literal(MOVE_VERSION),
    move: MoveId,
    service: Service,
    mode: oneOf(['stateless', 'stop-copy', 'pre-copy', 'post-copy', 'hybrid']),
    strategy: Name,
    reason: Text,
    hostname: Type.String({ maxLength: 253 }),
    memoryBytes: Bytes,
    cpuCores: Type.Number({ minimum: 0 }),
    image: Type.Object({ platform: Name, layers: Type.Array(DiffId, { maxItems: LIMITS.layers }) }),
    criu: Type.Union([Name, Type.Null()]),
    cpuDigest: Type.String({ maxLength: 128 }),
  }),
  ping: Type.Object({ kind: Type.Literal('ping'), n: Bytes }),
  prepare: Type.Object({ kind: Type.Literal('prepare'), memoryBytes: Bytes }),
  section: Type.Object({ kind: Type.Literal('section'), name: Section, atMostBytes: Bytes }),
  'section-end': Type.Object({ kind: Type.Literal('section-end'), name: Section, bytes: Bytes, sha256: Digest }),
  'hand-over': Type.Object({ kind: Type.Literal('hand-over') }),
  cancel: Type.Object({ kind: Type.Literal('cancel'), ...Failure }),
  ask: Type.Object({ kind: Type.Literal('ask'), v: Type.Literal(MOVE_VERSION), move: MoveId }),
  // target → source
  accepted: Type.Object({
    kind: Type.Literal('accepted'),
    load: Type.Unknown(),
    /** Layers the source must send; null: the target has the image under its name. */
    missing: Type.Union([Type.Array(DiffId, { maxItems: LIMITS.layers }), Type.Null()]),
  }),
  refused: Type.Object({ kind: Type.Literal('refused'), ...Failure, load: Type.Unknown() }),
  pong: Type.Object({ kind: Type.Literal('pong'), n: Bytes, atMs: Type.Number() }),
  prepared: Type.Object({ kind: Type.Literal('prepared') }),
  received: Type.Object({ kind: Type.Literal('received'), name: Section, bytes: Bytes, sha256: Digest }),
  committed: Type.Object({
    kind: Type.Literal('committed'),
    epoch: Bytes,
    /** The target's monotonic clock when the program ran again; null when it cannot say (it was restarted since). */
    ranAtMs: Type.Union([Type.Number(), Type.Null()]),
    /** The copy's last stretch, as the target measured it: from the hand-over to the answer of the engine. */
    restoreMs: Type.Union([Type.Number(), Type.Null()]),
  }),
  aborted: Type.Object({ kind: Type.Literal('aborted'), ...Failure }),
  undecided: Type.Object({ kind: Type.Literal('undecided') }),
} as const

export type MessageKind = keyof typeof messageSchemas
export type Message = { [K in MessageKind]: Static<(typeof messageSchemas)[K]> }[MessageKind]
export type MessageOf<K extends MessageKind> = Extract<Message, { kind: K }>

/** The service of a record as it stands in an offer. */
export const serviceToWire = (record: ServiceRecord): MessageOf<'offer'>['service'] => ({
  ...record,
  spec: { ...record.spec, args: [...record.spec.args], env: [...record.spec.env] },
})

const checks: ReadonlyMap<string, { Check(value: unknown): boolean }> = new Map(
  Object.entries(messageSchemas).map(([kind, schema]) => [kind, Compile(schema as TSchema)]),
)

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/** A message as bytes. Throws `MOVE_TOO_LARGE` when it is over its cap: the peer would refuse it. */
export function toWire(message: Message): Uint8Array {
  const bytes = encoder.encode(JSON.stringify(message))
  if (bytes.length > LIMITS.messageBytes) {
    throw new MoveError('MOVE_TOO_LARGE', {
      what: `the ${message.kind} message has ${bytes.length} bytes, ${LIMITS.messageBytes} may be`,
      hint: 'shorten the arguments and environment of the service',
    })
  }
  return bytes
}

const bad = (what: string, cause?: unknown): MoveError =>
  new MoveError('MOVE_BAD_MESSAGE', { what, hint: 'update Shoal on both nodes to the same version', cause })

const isMessage = (value: unknown, kind: string): value is Message => checks.get(kind)?.Check(value) === true

/** Bytes of the peer as a message. Throws `MOVE_BAD_MESSAGE` or `MOVE_VERSION_UNKNOWN`; never trusts what it reads. */
export function fromWire(bytes: Uint8Array): Message {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw bad('the peer sent a message that is not JSON', cause)
  }
  if (typeof value !== 'object' || value === null || !('kind' in value) || typeof value.kind !== 'string') {
    throw bad('the peer sent a message without a kind')
  }
  const kind = value.kind.slice(0, 32)
  if (!checks.has(value.kind)) throw bad(`the peer sent a message of the unknown kind ${JSON.stringify(kind)}`)
  if ('v' in value && typeof value.v === 'number' && value.v !== MOVE_VERSION) {
    throw new MoveError('MOVE_VERSION_UNKNOWN', {
      what: `the peer speaks version ${value.v} of the move protocol, this node version ${MOVE_VERSION}`,
      hint: 'update Shoal on both nodes to the same version',
    })
  }
  if (!isMessage(value, value.kind)) throw bad(`the peer sent a ${kind} message that does not have the form of one`)
  return value
}
