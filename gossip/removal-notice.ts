// How does a removed node learn of it? From the moment its removal is in the roster every member refuses it, so it is told before: one request on
// the standing stream, carrying the signed removal. Sent by mesh-surface.ts, heard by mesh-life.ts. Best effort: the removal does not wait for it.

import Type from 'typebox'
import type { NodeId } from '../placement/view.ts'
import { reasonOf } from './errors.ts'
import { LIMITS } from './limits.ts'
import type { MemberLinks } from './member-links.ts'
import type { MeshLog } from './mesh-options.ts'
import { codec } from './wire/codec.ts'
import { SignedRecordWire } from './wire/join.ts'

const NAME = 'mesh/removed'

const notice = codec({
  name: 'removal notice',
  version: 1,
  bytesMax: LIMITS.frameBytesMax,
  schema: Type.Object({ v: Type.Literal(1), record: SignedRecordWire }),
})

/** Tells `id`; a node that does not answer in {@link LIMITS.removalNoticeMs} is removed all the same. */
export async function tellRemoved(
  { members, log }: { readonly members: Pick<MemberLinks, 'request'>; readonly log: MeshLog },
  id: NodeId,
  record: SignedRecordWire,
): Promise<void> {
  try {
    await members.request(id, NAME, notice.check({ v: 1, record }), AbortSignal.timeout(LIMITS.removalNoticeMs))
  } catch (error) {
    log.debug('the removed node could not be told', { peer: id, error: reasonOf(error) })
  }
}

/** Takes such a notice; `merge` checks the signature and that it leads to the mesh key. */
export function hearRemoved(
  members: Pick<MemberLinks, 'onRequest'>,
  merge: (records: readonly SignedRecordWire[]) => Promise<void>,
): void {
  members.onRequest(NAME, async (_from, body) => {
    await merge([notice.check(body).record])
    return null
  })
}
