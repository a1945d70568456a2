// The profiles of applications, by service name or image, the same on every node. The highest counter wins, then the larger writer id:
// two people who set one profile at the same moment get one answer, not two.

import type { Profile } from '../placement/view.ts'
import type { ProfileBook, ProfileRecord } from './mesh.ts'
import type { RecordSet, Replica } from './replica.ts'
import type { Signer } from './signing.ts'
import { profileFromWire, profileToWire } from './wire/profile-record.ts'

/** Above 0 when `a` wins over `b`, records of one `match`; 0 when they are the same. */
export function compareProfileRecords(a: ProfileRecord, b: ProfileRecord): number {
  return a.counter - b.counter || ordered(a.writer, b.writer) || ordered(profileToWire(a), profileToWire(b))
}

function ordered(a: string, b: string): number {
  if (a === b) return 0
  return a > b ? 1 : -1
}

export const profileRecords: RecordSet<ProfileRecord> = {
  kind: 'profile-record',
  prefix: 'profile/',
  keyOf: record => record.match,
  toWire: profileToWire,
  fromWire: profileFromWire,
  compare: compareProfileRecords,
  writerOf: record => record.writer,
  isDeleted: record => record.deleted,
}

/** The book as the daemon sees it, over `replica`; `signer` is this node. */
export function profileBook(replica: Replica<ProfileRecord>, signer: Signer): ProfileBook {
  const write = async (match: string, profile: Profile, deleted: boolean): Promise<void> => {
    const counter = (replica.get(match)?.counter ?? 0) + 1
    await replica.put({ match, profile, deleted, counter, writer: signer.id }, signer)
  }
  return {
    list: () => replica.all().filter(({ deleted }) => !deleted),
    set: (match, profile) => write(match, profile, false),
    remove: async match => {
      if (replica.get(match)?.deleted === false) await write(match, {}, true)
    },
  }
}
