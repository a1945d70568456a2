// Who is alive? Like listening to breathing in a dark room: any sound counts, silence first makes us uneasy (suspect), then sure (lost);
// and when it was we who dozed off, the silence does not count against the others. Pure: signs of life and `now` in, verdicts out.
// Called by mesh-view's owner every {@link RHYTHM.judgeMs} and when a connection closes.

import type { Millis, NodeId } from '../placement/view.ts'

export type Verdict = 'alive' | 'suspect' | 'leaving' | 'lost'

/** What was seen of one member; `now` and these moments are of one monotonic clock. */
export interface Sign {
  /** When any byte of it came last; when it became known, if none ever did. */
  readonly heardAt: Millis
  /** Whether a connection to it stands. */
  readonly connected: boolean
  /** When it announced that it leaves; null when it did not, or came back since. */
  readonly leavingAt: Millis | null
}

export interface DetectorSettings {
  readonly suspectMs: Millis
  readonly lostMs: Millis
  /** A member that announced its leave counts as lost after this long without a sign. */
  readonly leavingMs: Millis
  /** Own lateness up to this much is ordinary. */
  readonly ownLatenessMs: Millis
}

/** The verdicts and how much of the recent past this node itself slept through. */
export interface Judgement {
  readonly verdicts: ReadonlyMap<NodeId, Verdict>
  /** When this judgement was given. */
  readonly at: Millis
  /** Every silence is forgiven up to this moment: we were not listening before it. */
  readonly deafUntil: Millis
}

export interface VerdictChange {
  readonly node: NodeId
  readonly from: Verdict | undefined
  readonly to: Verdict
}

export function firstJudgement(now: Millis): Judgement {
  return { verdicts: new Map(), at: now, deafUntil: now }
}

export interface JudgeInput {
  readonly previous: Judgement
  readonly signs: ReadonlyMap<NodeId, Sign>
  readonly now: Millis
  /** How much later than asked for this judgement runs: our own stall, not theirs. */
  readonly lateMs: Millis
  readonly settings: DetectorSettings
}

/** The verdict on every member, and what changed. A node that is no longer in `signs` is forgotten. */
export function judge({ previous, signs, now, lateMs, settings }: JudgeInput): {
  readonly judgement: Judgement
  readonly changes: readonly VerdictChange[]
} {
  const slept = lateMs > settings.ownLatenessMs
  const deafUntil = slept ? now : previous.deafUntil
  const verdicts = new Map<NodeId, Verdict>()
  const changes: VerdictChange[] = []
  for (const [node, sign] of signs) {
    const from = previous.verdicts.get(node)
    const judged = verdictOf(sign, now, slept ? { ...settings, lostMs: Number.POSITIVE_INFINITY } : settings, deafUntil)
    // Dozing off ourselves neither condemns nor absolves: who was lost stays so until it is heard again.
    const to =
      from === 'lost' && judged !== 'lost' && sign.heardAt <= previous.at && !newLeave(sign, previous.at) ? 'lost' : judged
    verdicts.set(node, to)
    if (to !== from) changes.push({ node, from, to })
  }
  return { judgement: { verdicts, at: now, deafUntil }, changes }
}

function newLeave(sign: Sign, since: Millis): boolean {
  return sign.leavingAt !== null && sign.leavingAt > since
}

function verdictOf(sign: Sign, now: Millis, settings: DetectorSettings, deafUntil: Millis): Verdict {
  if (sign.leavingAt !== null) return now - sign.leavingAt < settings.leavingMs ? 'leaving' : 'lost'
  const silenceMs = now - Math.max(sign.heardAt, deafUntil)
  if (silenceMs >= settings.lostMs) return 'lost'
  return silenceMs >= settings.suspectMs || !sign.connected ? 'suspect' : 'alive'
}
