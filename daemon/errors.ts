// Which errors of the daemon may a user see? One table of codes for the room, and the classes that carry them. Listed in docs/errors.md.

import { ShoalError } from '../placement/shoal-error.ts'
import { API_ERRORS } from './api/api-errors.ts'
import { SERVICE_ERRORS } from './service-errors.ts'

/** Code → what it means in general; the error itself says what happened this time. */
export const DAEMON_ERRORS = {
  // the engine
  ENGINE_UNREACHABLE: 'the container engine does not answer on its socket',
  ENGINE_TOO_OLD: 'the container engine is older than what Shoal can work with',
  ENGINE_REFUSED: 'the container engine refused what it was asked',
  ENGINE_FAILED: 'the container engine failed inside',
  NO_SUCH_IMAGE: 'this node has no image of that name',
  NO_SUCH_CONTAINER: 'the engine knows no such container',
  NAME_TAKEN: 'another container has that name',
  RUNTIME_MISSING: 'the runtime shim is not registered in the engine',
  START_FAILED: 'the engine could not start the container',
  LIMITS_REFUSED: 'the engine could not apply the limits',
  IMAGE_LOAD_FAILED: 'the engine could not load the image',
  DISK_FULL: 'no space is left where the engine or Shoal keeps its data',
  // configuration
  CONFIG_UNREADABLE: 'the configuration file cannot be read',
  CONFIG_INVALID: 'the configuration says something that cannot be',
  CONFIG_UNKNOWN_KEY: 'the configuration has a key that Shoal does not know',
  CONFIG_VERSION: 'the configuration is of a version this Shoal does not know',
  // identity and store
  IDENTITY_UNREADABLE: 'the file with the key of this node cannot be read',
  IDENTITY_CORRUPT: 'the file with the key of this node is damaged',
  IDENTITY_EXPOSED: 'others on this host may read the key of this node',
  STORE_LOCKED: 'another Shoal has the store open',
  STORE_CORRUPT: 'the store on disk is damaged',
  STORE_UNREADABLE: 'the store cannot be opened',
  STORE_ENTRY_INVALID: 'an entry of the store is not what its schema says',
  STORE_WRITE_FAILED: 'the store could not be written',
  // setup
  SETUP_UNREADABLE: 'a file that setup would change cannot be read',
  SETUP_FAILED: 'setup could not change the host',
  BUILD_FAILED: 'the build could not finish',
  // services, nodes and profiles; the HTTP API and the CLI
  ...SERVICE_ERRORS,
  ...API_ERRORS,
} as const satisfies Readonly<Record<string, string>>

export type DaemonErrorCode = keyof typeof DAEMON_ERRORS

/** An error of the daemon itself; the subclasses below are for those who must tell them apart. */
export class DaemonError<Code extends DaemonErrorCode = DaemonErrorCode> extends ShoalError<Code> {}

export type EngineErrorCode = Extract<
  DaemonErrorCode,
  | `ENGINE_${string}`
  | 'NO_SUCH_IMAGE'
  | 'NO_SUCH_CONTAINER'
  | 'NAME_TAKEN'
  | 'RUNTIME_MISSING'
  | 'START_FAILED'
  | 'LIMITS_REFUSED'
  | 'IMAGE_LOAD_FAILED'
  | 'DISK_FULL'
>

/** Thrown by every implementation of the engine port. */
export class EngineError extends DaemonError<EngineErrorCode> {}

export class ConfigError extends DaemonError<Extract<DaemonErrorCode, `CONFIG_${string}`>> {}
export class IdentityError extends DaemonError<Extract<DaemonErrorCode, `IDENTITY_${string}`>> {}
export class StoreError extends DaemonError<Extract<DaemonErrorCode, `STORE_${string}`>> {}
export class SetupError extends DaemonError<Extract<DaemonErrorCode, `SETUP_${string}`>> {}
