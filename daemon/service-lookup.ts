// Which service, which node does a user mean by a name, an id, or the beginning of one? Pure; the same answer on every node.

import type { NodeId, ServiceRecord } from '../placement/view.ts'
import { ServiceError } from './service-errors.ts'

/** How many of several matches an error names. */
const NAMED_MAX = 5

function inWords(matches: readonly string[]): string {
  const rest = matches.length - NAMED_MAX
  return matches.slice(0, NAMED_MAX).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}

/** Exact id, else exact name, else the beginning of either. All that match at the first of these that matches any. */
function matching<T>(all: readonly T[], ref: string, idOf: (one: T) => string, nameOf: (one: T) => string): readonly T[] {
  const byId = all.filter(one => idOf(one) === ref)
  if (byId.length > 0) return byId
  const byName = all.filter(one => nameOf(one) === ref)
  if (byName.length > 0) return byName
  return ref === '' ? [] : all.filter(one => idOf(one).startsWith(ref) || nameOf(one).startsWith(ref))
}

/**
 * The one service meant by `ref`. Two services of one name can exist for a while after a partition: then only an id tells them apart.
 * @throws ServiceError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS
 */
export function findService(records: readonly ServiceRecord[], ref: string): ServiceRecord {
  const found = matching(
    records.filter(record => !record.deleted),
    ref,
    record => record.id,
    record => record.spec.name,
  )
  const [first] = found
  if (first === undefined) {
    throw new ServiceError('SERVICE_NOT_FOUND', {
      what: `no service of this mesh is called ${ref}`,
      hint: '`shoal ls` lists the services of all nodes',
    })
  }
  if (found.length > 1) {
    throw new ServiceError('SERVICE_AMBIGUOUS', {
      what: `${ref} may be ${inWords(found.map(record => `${record.spec.name} (${record.id.slice(0, 12)})`))}`,
      hint: 'give more of the name, or the id',
    })
  }
  return first
}

/**
 * The one node meant by `ref`.
 * @throws ServiceError NODE_NOT_FOUND, NODE_AMBIGUOUS
 */
export function findNode<N extends { readonly id: NodeId; readonly name: string }>(nodes: readonly N[], ref: string): N {
  const found = matching(
    nodes,
    ref,
    node => node.id,
    node => node.name,
  )
  const [first] = found
  if (first === undefined) {
    throw new ServiceError('NODE_NOT_FOUND', {
      what: `no node of this mesh is called ${ref}`,
      hint: '`shoal node ls` lists the nodes this one sees',
    })
  }
  if (found.length > 1) {
    throw new ServiceError('NODE_AMBIGUOUS', {
      what: `${ref} may be ${inWords(found.map(node => `${node.name} (${node.id})`))}`,
      hint: 'give more of the name, or the id',
    })
  }
  return first
}
