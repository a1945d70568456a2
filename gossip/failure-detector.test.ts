import { expect, test } from 'vitest'
import { firstJudgement, judge } from './failure-detector.ts'
import type { Judgement, Sign, Verdict } from './failure-detector.ts'

const settings = { suspectMs: 1_500, lostMs: 3_000, leavingMs: 60_000, ownLatenessMs: 300 }
const heard = (at: number, more: Partial<Sign> = {}): Sign => ({ heardAt: at, connected: true, leavingAt: null, ...more })

function verdict(sign: Sign, now: number, previous: Judgement = firstJudgement(0), lateMs = 0): Verdict | undefined {
  return judge({ previous, signs: new Map([['p', sign]]), now, lateMs, settings }).judgement.verdicts.get('p')
}

test.each([
  { says: 'a byte a moment ago is life', sign: heard(10_000), now: 11_499, is: 'alive' },
  { says: 'a second and a half of silence makes suspect', sign: heard(10_000), now: 11_500, is: 'suspect' },
  { says: 'three seconds of silence make lost', sign: heard(10_000), now: 13_000, is: 'lost' },
  { says: 'a closed connection makes suspect at once', sign: heard(10_000, { connected: false }), now: 10_001, is: 'suspect' },
  { says: 'a closed connection alone does not make lost', sign: heard(10_000, { connected: false }), now: 12_999, is: 'suspect' },
  {
    says: 'who said it leaves is not lost',
    sign: heard(10_000, { connected: false, leavingAt: 10_000 }),
    now: 40_000,
    is: 'leaving',
  },
  {
    says: 'who said it leaves and stays away is lost',
    sign: heard(10_000, { connected: false, leavingAt: 10_000 }),
    now: 70_000,
    is: 'lost',
  },
])('$says', ({ sign, now, is }) => {
  expect(verdict(sign, now)).toBe(is)
})

test('when this node itself slept, nobody is lost by it, and silence counts from its waking', () => {
  const asleep = judge({
    previous: firstJudgement(0),
    signs: new Map([['p', heard(10_000)]]),
    now: 20_000,
    lateMs: 9_000,
    settings,
  })
  expect(asleep.judgement.verdicts.get('p')).toBe('alive')
  expect(verdict(heard(10_000), 21_499, asleep.judgement)).toBe('alive')
  expect(verdict(heard(10_000), 23_000, asleep.judgement)).toBe('lost')
})

test('a lost node stays lost while this node sleeps and wakes, until it is heard', () => {
  const lost = judge({ previous: firstJudgement(0), signs: new Map([['p', heard(10_000)]]), now: 14_000, lateMs: 0, settings })
  expect(lost.changes).toEqual([{ node: 'p', from: undefined, to: 'lost' }])
  const woken = judge({ previous: lost.judgement, signs: new Map([['p', heard(10_000)]]), now: 20_000, lateMs: 5_000, settings })
  expect(woken.changes).toEqual([])
  const back = judge({ previous: woken.judgement, signs: new Map([['p', heard(20_100)]]), now: 20_200, lateMs: 0, settings })
  expect(back.changes).toEqual([{ node: 'p', from: 'lost', to: 'alive' }])
})

test('a node that is no member any more is forgotten', () => {
  const first = judge({ previous: firstJudgement(0), signs: new Map([['p', heard(0)]]), now: 1, lateMs: 0, settings })
  expect(judge({ previous: first.judgement, signs: new Map(), now: 2, lateMs: 0, settings }).judgement.verdicts.size).toBe(0)
})
