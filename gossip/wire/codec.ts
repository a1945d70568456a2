// How every wire message is checked before anything of it is believed: size first, then JSON, version, schema.
// Unknown fields are ignored, an unknown version is refused with a code. Called by the files beside this one.

import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { MeshError, reasonOf } from '../errors.ts'

/** One kind of message: its name, the versions understood, its largest size in bytes of UTF-8, and its form. */
export interface WireKind<S extends TSchema> {
  readonly name: string
  readonly version: number
  readonly bytesMax: number
  readonly schema: S
}

export interface Codec<T> {
  /** The text to send. @throws MESH_MESSAGE_TOO_LARGE, MESH_BAD_MESSAGE when we would send what we refuse ourselves. */
  encode(value: T): string
  /** @throws MESH_MESSAGE_TOO_LARGE, MESH_BAD_MESSAGE, MESH_VERSION_UNKNOWN */
  decode(text: string): T
  /** The same for a value already parsed, as part of a larger message. */
  check(value: unknown): T
}

/** Makes the codec of one kind. Every message carries its version in the field `v`. */
export function codec<S extends TSchema>(kind: WireKind<S>): Codec<Static<S>> {
  const validator = Compile(kind.schema)
  const tooLarge = (bytes: number): MeshError =>
    new MeshError('MESH_MESSAGE_TOO_LARGE', {
      what: `a ${kind.name} of ${bytes} bytes, at most ${kind.bytesMax} are taken`,
      hint: 'shorten what it carries (arguments, environment), or spread it over several',
    })
  const bad = (why: string, cause?: unknown): MeshError =>
    new MeshError('MESH_BAD_MESSAGE', {
      what: `a ${kind.name} is malformed: ${why}`,
      hint: 'the sender runs another version of Shoal, or is no Shoal node: see its log and `shoal doctor`',
      cause,
    })
  const check = (value: unknown): Static<S> => {
    const version = versionOf(value)
    if (version === undefined) throw bad('it has no version')
    if (version !== kind.version) {
      throw new MeshError('MESH_VERSION_UNKNOWN', {
        what: `a ${kind.name} of version ${version}; this node knows version ${kind.version}`,
        hint: 'run the same release of Shoal on all nodes',
      })
    }
    if (validator.Check(value)) return value
    const first = validator.Errors(value)[0]
    throw bad(first === undefined ? 'it does not fit its schema' : `${first.instancePath || '/'} ${first.message}`)
  }
  return {
    check,
    encode(value) {
      const text = JSON.stringify(check(value))
      const bytes = Buffer.byteLength(text)
      if (bytes > kind.bytesMax) throw tooLarge(bytes)
      return text
    },
    decode(text) {
      const bytes = Buffer.byteLength(text)
      if (bytes > kind.bytesMax) throw tooLarge(bytes)
      return check(parse(text, bad))
    },
  }
}

function parse(text: string, bad: (why: string, cause: unknown) => MeshError): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw bad(reasonOf(error), error)
  }
}

function versionOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('v' in value)) return undefined
  return typeof value.v === 'number' ? value.v : undefined
}
