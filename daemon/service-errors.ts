// Which errors may a user see when acting on services, nodes and profiles? One table of codes, part of the daemon's (errors.ts).
// Thrown by the service keeper, the lookups and the forwarding; the API's status for each stands in api/error-reply.ts.

import { ShoalError } from '../placement/shoal-error.ts'

/** Code → what it means in general; the error itself says what happened this time. */
export const SERVICE_ERRORS = {
  SERVICE_NOT_FOUND: 'no service of the mesh has that name, id or prefix',
  SERVICE_AMBIGUOUS: 'several services begin with that prefix',
  SERVICE_NAME_TAKEN: 'a service of the mesh has that name already',
  SERVICE_INVALID: 'the service asked for cannot be',
  SERVICE_MOVING: 'the service is held by a move',
  SERVICE_NOT_RUNNING: 'the service does not run, or its load was not measured yet',
  NO_NODE_FITS: 'no node of the mesh can take the service',
  SERVICE_RUNNING: 'the service is running and was to be removed',
  SERVICE_NOT_HERE: 'the node asked does not own the service any more',
  SERVICE_BUSY: 'too many actions wait for that service',
  SERVICES_FULL: 'the node looks after as many services as it may',
  IMAGE_MISSING: 'the node that was to run the service has not got its image',
  NODE_NOT_FOUND: 'no node of the mesh has that name, id or prefix',
  NODE_AMBIGUOUS: 'several nodes begin with that prefix',
  NODE_IN_NO_MESH: 'the node belongs to no mesh yet',
  NODE_HOSTS_NOTHING: 'the node does not host services',
  NODE_LOST: 'the node has sent no sign of life',
  NODE_ANSWER_INVALID: 'the other node answered what this one does not understand',
  MOVE_NOT_FOUND: 'this node took part in no such move',
  PROFILE_NOT_FOUND: 'there is no profile for that name or image',
  LOGS_BROKEN: 'the log of a service on another node broke off',
  JSON_LINE_INVALID: 'a line of a stream of values is too long or no JSON',
} as const satisfies Readonly<Record<string, string>>

export type ServiceErrorCode = keyof typeof SERVICE_ERRORS

/** An action on a service, node or profile that cannot be done. */
export class ServiceError extends ShoalError<ServiceErrorCode> {}
