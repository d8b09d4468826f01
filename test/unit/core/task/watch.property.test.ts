import fc from 'fast-check'
import { expect, it } from 'vitest'
import { DEFAULT_LIVENESS, judgeLiveness, type Liveness } from '../../../../src/core/task/liveness.js'
import { createWatch } from '../../../../src/core/task/watch.js'

const NAMES = ['a', 'b', 'c', 'd']
/** With so many workers that never speak and never are away, four are no storm. */
const OTHERS = 40

interface Known {
  lastHeardMs: number
  closedMs: number | undefined
  leasedMs: number | undefined
  liveness: Liveness
}

/** Looks at everybody in each sweep; knows no storms. */
class NaiveWatch {
  readonly known = new Map<string, Known>()

  act(what: string, worker: string, nowMs: number): void {
    const known = this.known.get(worker)
    if (what === 'opened') {
      const { leasedMs = undefined, liveness = 'live' } = known ?? {}
      this.known.set(worker, { lastHeardMs: nowMs, closedMs: undefined, leasedMs, liveness })
    }
    if (known === undefined) return
    if (what === 'forget') this.known.delete(worker)
    if (what === 'heard' && known.closedMs === undefined) known.lastHeardMs = nowMs
    if (what === 'leased') known.leasedMs ??= nowMs
    if (what === 'idle') known.leasedMs = undefined
    if (what === 'closed') known.closedMs ??= nowMs
  }

  sweep(nowMs: number): string[] {
    const changes: string[] = []
    for (const [worker, known] of this.known) {
      const to = judgeLiveness(known, DEFAULT_LIVENESS, nowMs)
      if (to !== known.liveness) changes.push(`${worker} ${known.liveness} ${to}`)
      known.liveness = to
      if (to === 'lost') this.known.delete(worker)
    }
    return changes.sort()
  }
}

const act = fc.record({
  afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6_000 })),
  what: fc.constantFrom('opened', 'heard', 'heard', 'leased', 'idle', 'closed', 'forget'),
  worker: fc.constantFrom(...NAMES),
})

/** Its look was put off when it got a lease; idle again, it is quiet before that. */
const IDLE_AGAIN = [
  { afterMs: 0, what: 'opened' as const, worker: 'a' },
  { afterMs: 4_001, what: 'leased' as const, worker: 'a' },
  { afterMs: 1, what: 'idle' as const, worker: 'a' },
]

it('finds in every sweep what a look at everybody finds', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), fc.constantFrom(250, 500), (acts, sweepMs) => {
      const watch = createWatch()
      const naive = new NaiveWatch()
      let nowMs = 0
      const sweep = (): void => {
        for (let other = 0; other < OTHERS; other++) watch.heard(`other${other}`, nowMs)
        const found = watch.sweep(nowMs).map(({ worker, from, to }) => `${worker} ${from} ${to}`)
        expect(found.sort()).toEqual(naive.sweep(nowMs))
      }
      const passTo = (untilMs: number): void => {
        for (let at = nowMs - (nowMs % sweepMs) + sweepMs; at <= untilMs; at += sweepMs) {
          nowMs = at
          sweep()
        }
        nowMs = untilMs
      }
      for (let other = 0; other < OTHERS; other++) watch.opened(`other${other}`, nowMs)
      for (const { afterMs, what, worker } of acts) {
        passTo(nowMs + afterMs)
        watch[what as 'opened'](worker, nowMs)
        naive.act(what, worker, nowMs)
      }
      passTo(nowMs + 20_000)
      expect(watch.storm().state).toBe('calm')
      expect(NAMES.filter((name) => watch.liveness(name) !== undefined)).toEqual(
        [...naive.known.keys()].sort(),
      )
    }),
    { numRuns: 500, examples: [[IDLE_AGAIN, 250]] },
  )
})
