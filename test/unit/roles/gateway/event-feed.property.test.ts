import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EventFeed } from '../../../../src/roles/gateway/event-feed.js'
import type { TaskProgress, TaskView } from '../../../../src/roles/gateway/gateway.js'

const VIEW: TaskView = {
  id: 'one',
  account: 'ann',
  kind: 'chat',
  model: '',
  state: 'running',
  submittedMs: 1,
  attempt: 1,
  maxAttempts: 3,
  steps: [],
}

/** What a user would see on a screen: text of the attempt since the last reset. */
function screen(events: readonly TaskProgress[]): string {
  let text = ''
  for (const event of events) {
    if (event.type === 'reset') text = ''
    else if (event.type === 'text') text += event.text
  }
  return text
}

const tick = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Reads as many events as it is allowed to; comes back with the last number it saw when it is cut off. */
class Reader {
  readonly seen: TaskProgress[] = []
  backwards = false
  #may = 0
  #go: (() => void) | undefined
  #abort = new AbortController()
  done: Promise<void>

  constructor(readonly feed: EventFeed) {
    this.done = this.#run()
  }

  allow(count: number): void {
    this.#may += count
    this.#go?.()
  }

  async reconnect(): Promise<void> {
    this.#abort.abort()
    this.#go?.()
    await this.done
    this.#abort = new AbortController()
    this.#may = 0
    this.done = this.#run()
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    let last = 0
    for await (const event of this.feed.follow(this.seen.at(-1)?.seq ?? 0, signal)) {
      while (this.#may === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#go = resolve
        })
      }
      if (signal.aborted) return
      this.#may--
      if (event.seq < last) this.backwards = true
      last = event.seq
      this.seen.push(event)
    }
  }
}

type Doing =
  | { readonly do: 'say'; readonly text: string; readonly stage: boolean }
  | { readonly do: 'tell' | 'reset' | 'join' }
  | { readonly do: 'read'; readonly who: number; readonly count: number }
  | { readonly do: 'reconnect'; readonly who: number }

const text = fc.string({ maxLength: 4 })
const say = fc.record({
  do: fc.constant('say' as const),
  text,
  stage: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
})
const doing: fc.Arbitrary<Doing> = fc.oneof(
  { weight: 30, arbitrary: say },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('tell' as const, 'reset' as const, 'join' as const) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      who: fc.nat(2),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reconnect' as const), who: fc.nat(2) }) },
)

describe('an event feed', () => {
  it.each([
    ['with room', 500, 1e9],
    ['that folds', 20, 1e9],
    ['that drops', 6, 1e9],
    ['that lets text go', 16, 20],
  ])(
    '%s shows every follower, however slow, exactly the last attempt',
    async (_how, maxEntries, maxChars) => {
      await fc.assert(
        fc.asyncProperty(fc.array(doing, { maxLength: 120, size: 'max' }), async (steps) => {
          const budget = { usedChars: 0, maxChars }
          const feed = new EventFeed({ budget, maxEntries, maxFollowers: 200, afterSeq: 0 })
          const readers = [new Reader(feed)]
          const reader = (who: number) => readers[who % readers.length]
          let said = ''
          let attempt = 1
          for (const step of steps) {
            if (step.do === 'say') {
              const type = step.stage ? 'stage' : 'text'
              feed.append({ type, attempt, text: step.text, stage: 'code', iteration: 1 })
              if (!step.stage) said += step.text
            } else if (step.do === 'tell') feed.append({ type: 'state', task: VIEW })
            else if (step.do === 'join') readers.push(new Reader(feed))
            else if (step.do === 'read') reader(step.who)?.allow(step.count)
            else if (step.do === 'reconnect') await reader(step.who)?.reconnect()
            else {
              feed.reset(++attempt)
              said = ''
            }
            await tick()
          }
          feed.finish({ ...VIEW, state: 'done' }, said)
          expect(budget.usedChars).toBe(0)
          for (const each of readers) {
            each.allow(1e6)
            await each.done
            expect(screen(each.seen)).toBe(said)
            expect(each.backwards).toBe(false)
            expect(each.seen.at(-1)).toMatchObject({ type: 'state', task: { state: 'done' } })
          }
        }),
        { numRuns: 150 },
      )
    },
  )
})
