import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  beginResume,
  mostLeases,
  type ResumeEvent,
  STAGES,
  type StagedResume,
  samplingFactor,
  stepResume,
} from '../../../../src/core/task/staged-resume.js'

const STAGE_MS = 1_000
const OK: ResumeEvent = { type: 'ended', failed: false }
const BAD: ResumeEvent = { type: 'ended', failed: true }
const CLOCK: ResumeEvent = { type: 'clock' }

/** Events at a time, one after the other. */
function played(resume: StagedResume, atMs: number, ...events: readonly ResumeEvent[]): StagedResume {
  return events.reduce((now, event) => stepResume(now, event, atMs), resume)
}
const many = (event: ResumeEvent, times: number) => new Array<ResumeEvent>(times).fill(event)
const stageOf = (resume: StagedResume) => (resume.state === 'over' ? 'over' : resume.stage)

/** A coordinator in each state, by name. */
const IN = {
  probe: beginResume(0, STAGE_MS),
  '10%': beginResume(0, STAGE_MS, '10%'),
  '50%': beginResume(0, STAGE_MS, '50%'),
  held: played(beginResume(0, STAGE_MS), 0, BAD, BAD),
  over: { state: 'over' },
} as const satisfies Record<string, StagedResume>

describe('a staged resume', () => {
  it.each([
    ['probe', OK, 'probe', 'staged'],
    ['probe', BAD, 'probe', 'staged'],
    ['probe', CLOCK, 'probe', 'staged'],
    ['10%', OK, '10%', 'staged'],
    ['10%', BAD, '10%', 'staged'],
    ['10%', CLOCK, '10%', 'staged'],
    ['50%', OK, '50%', 'staged'],
    ['50%', BAD, '50%', 'staged'],
    ['50%', CLOCK, '50%', 'staged'],
    ['held', OK, 'probe', 'held'],
    ['held', BAD, 'probe', 'held'],
    ['held', CLOCK, 'probe', 'held'],
    ['over', OK, 'over', 'over'],
    ['over', BAD, 'over', 'over'],
    ['over', CLOCK, 'over', 'over'],
  ] as const)('%s, one %j: %s, %s', (from, event, stage, state) => {
    const now = stepResume(IN[from], event, 10 * STAGE_MS)
    expect([stageOf(now), now.state]).toEqual([stage, state])
  })

  it('goes on when enough attempts have ended and the stage has lasted, whichever is later', () => {
    const [first] = STAGES
    const enough = played(IN.probe, 1, ...many(OK, first.attempts))
    expect(stageOf(enough)).toBe('probe')
    expect(stageOf(stepResume(enough, CLOCK, STAGE_MS - 1))).toBe('probe')
    expect(stepResume(enough, CLOCK, STAGE_MS)).toEqual(beginResume(STAGE_MS, STAGE_MS, '10%'))
    const late = played(IN.probe, 5 * STAGE_MS, ...many(OK, first.attempts - 1))
    expect(stageOf(late)).toBe('probe')
    expect(stageOf(stepResume(late, OK, 5 * STAGE_MS))).toBe('10%')
  })

  it('gives out more with each stage, to the end, and verifies less', () => {
    let resume: StagedResume = beginResume(0, 0)
    const seen: [string, number, number][] = []
    for (let step = 0; resume.state !== 'over' && step < 100; step++) {
      seen.push([stageOf(resume), mostLeases(resume, 100), samplingFactor(resume)])
      resume = stepResume(resume, OK, step)
    }
    expect([...new Map(seen.map((row) => [row[0], row])).values()]).toEqual([
      ['probe', 1, 10],
      ['10%', 10, 5],
      ['50%', 50, 2],
    ])
    expect([mostLeases(resume, 100), samplingFactor(resume)]).toEqual([Number.POSITIVE_INFINITY, 1])
    expect(seen).toHaveLength(5 + 10 + 20)
    // Few workers: one lease in any case.
    expect(mostLeases(IN['10%'], 3)).toBe(1)
  })

  it('holds as soon as the stage cannot end well any more, and gives out nothing', () => {
    expect(played(IN['10%'], 0, BAD, BAD).state).toBe('staged')
    const held = played(IN['10%'], 0, BAD, OK, BAD, OK, BAD)
    expect(held).toMatchObject({ state: 'held', stage: '10%', ended: 5, failed: 3 })
    expect(mostLeases(held, 100)).toBe(0)
    // The same failures among many that are well are none.
    const long = played(IN['10%'], 0, ...many(OK, 40), BAD, BAD, BAD, BAD)
    expect(long.state).toBe('staged')
  })

  it('whatever happens: it never goes on after more than a fifth failed, and never skips or returns', () => {
    const event = fc.oneof({ weight: 12, arbitrary: fc.constant(OK) }, fc.constant(BAD), fc.constant(CLOCK))
    const steps = fc.array(fc.tuple(event, fc.nat(700)), { maxLength: 120, size: 'max' })
    const order = [...STAGES.map(({ stage }) => stage), 'over']
    const ends = new Set<string>()
    fc.assert(
      fc.property(steps, (walk) => {
        let resume: StagedResume = beginResume(0, STAGE_MS)
        let nowMs = 0
        for (const [each, waitMs] of walk) {
          nowMs += waitMs
          const next = stepResume(resume, each, nowMs)
          const moved = order.indexOf(stageOf(next)) - order.indexOf(stageOf(resume))
          expect([0, 1]).toContain(moved)
          if (resume.state === 'held') expect(next).toBe(resume)
          if (moved === 1 && resume.state === 'staged') {
            const ended = resume.ended + (each.type === 'ended' ? 1 : 0)
            const failed = resume.failed + (each === BAD ? 1 : 0)
            expect(failed * 5).toBeLessThanOrEqual(ended)
            expect(nowMs - resume.sinceMs).toBeGreaterThanOrEqual(STAGE_MS)
          }
          resume = next
        }
        ends.add(resume.state)
      }),
      { numRuns: 2_000 },
    )
    expect(ends).toEqual(new Set(['staged', 'held', 'over']))
  })
})
