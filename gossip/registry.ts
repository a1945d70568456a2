// The replicated registry of services: which record of a service wins, and the surface the daemon writes and reads. Clock-free and
// total: higher epoch, then deleted, then a fixed hash of the owner within that epoch, then that owner's counter; so every node picks
// the same winner. (Owner before counter: counters of two owners cannot be compared, and an order that does is no order.)

import { createHash } from 'node:crypto'
import type { ServiceRecord } from '../placement/view.ts'
import type { ServiceRegistry } from './mesh.ts'
import type { RecordSet, Replica } from './replica.ts'
import type { Signer } from './signing.ts'
import { serviceFromWire, serviceToWire } from './wire/service-record.ts'

/** Above 0 when `a` wins over `b`, records of one service; 0 when they are the same. */
export function compareServiceRecords(a: ServiceRecord, b: ServiceRecord): number {
  return (
    a.epoch - b.epoch ||
    Number(a.deleted) - Number(b.deleted) ||
    ordered(ownerRank(a), ownerRank(b)) ||
    a.counter - b.counter ||
    ordered(serviceToWire(a), serviceToWire(b)) // one owner wrote two records with one counter: any fixed choice will do
  )
}

function ownerRank({ id, epoch, owner }: ServiceRecord): string {
  return createHash('sha256')
    .update(JSON.stringify([id, epoch, owner]))
    .digest('hex')
}

function ordered(a: string, b: string): number {
  if (a === b) return 0
  return a > b ? 1 : -1
}

export const serviceRecords: RecordSet<ServiceRecord> = {
  kind: 'service-record',
  prefix: 'service/',
  keyOf: record => record.id,
  toWire: serviceToWire,
  fromWire: serviceFromWire,
  compare: compareServiceRecords,
  writerOf: record => record.owner,
  isDeleted: record => record.deleted,
}

/** The registry as the daemon sees it, over `replica`; `signer` is this node. */
export function serviceRegistry(replica: Replica<ServiceRecord>, signer: Signer): ServiceRegistry {
  return {
    get: id => replica.get(id),
    list: () => replica.all().filter(({ deleted }) => !deleted),
    put: record => replica.put(record, signer),
    onChange: listener => replica.onChange(listener),
  }
}
