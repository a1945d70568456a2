// Could a checkpoint of that source be restored on this node? Asked by the target at admission, before anything is sent. Pure but for the
// platform this process runs on.

import type { CheckpointAbility } from './checkpoint/driver.ts'
import { MoveError } from './errors.ts'
import type { MessageOf } from './protocol.ts'

/** -1, 0 or 1: `a` older, equal, newer. Only digits count: `4.2.1-1` is `4.2.1.1`. */
export function compareVersions(a: string, b: string): number {
  const parts = (version: string): number[] => (version.match(/\d+/g) ?? []).map(Number)
  const left = parts(a)
  const right = parts(b)
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const step = Math.sign((left[at] ?? 0) - (right[at] ?? 0))
    if (step !== 0) return step
  }
  return 0
}

/** Throws the reason why not; returns when nothing speaks against it. A stateless offer asks for nothing. */
export function fits(offer: Pick<MessageOf<'offer'>, 'mode' | 'criu' | 'cpuDigest' | 'image'>, here: CheckpointAbility): void {
  const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`
  if (offer.image.platform !== platform) {
    throw new MoveError('MOVE_PLATFORM', {
      what: `the image is for ${offer.image.platform}, this node is ${platform}`,
      hint: 'move it to a node of its own platform',
    })
  }
  if (offer.mode === 'stateless') return
  if (here.criu === null) {
    throw new MoveError('MOVE_MODE_UNAVAILABLE', {
      what: 'this node cannot restore memory: it has no CRIU that works, or the runtime shim is not set up',
      hint: '`shoal doctor` on the target says which; `shoal setup` sets the shim up',
    })
  }
  if (offer.criu === null || compareVersions(here.criu, offer.criu) < 0) {
    throw new MoveError('MOVE_CRIU_OLDER', {
      what: `the target has CRIU ${here.criu}, the source ${offer.criu ?? 'none'}; an older CRIU does not read what a newer one wrote`,
      hint: 'update CRIU on the target',
    })
  }
  if (here.cpuDigest !== offer.cpuDigest) {
    throw new MoveError('MOVE_CPU_DIFFERS', {
      what: 'the processor of the target has other instructions or another register file than that of the source',
      hint: 'move it to a node with the same processor, or run it as stateless',
    })
  }
}
