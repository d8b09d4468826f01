import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScheduler } from '../../../../src/core/scheduler/create-scheduler.js'
import { requirementKey, requirementOf } from '../../../../src/core/scheduler/requirement.js'
import type { Scheduler } from '../../../../src/core/scheduler/scheduler.js'
import type { QueuedTask, TaskHeader } from '../../../../src/core/task/task.js'
import { queuedTask } from '../../../helpers/tasks.js'
import { model, workerProfile } from '../../../helpers/workers.js'

const MODELS = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7']

class Bench {
  readonly scheduler: Scheduler = createScheduler()
  #next = 0

  constructor(workers: Readonly<Record<string, readonly string[]>> = { w: MODELS }) {
    this.scheduler.setGatewayAttached('gateway-a', true)
    for (const [id, names] of Object.entries(workers))
      this.scheduler.upsertWorker(workerProfile(id, { models: names.map((name) => model({ name })) }))
  }

  add(account: string, count: number, parts: Partial<TaskHeader> = {}): this {
    for (let index = 0; index < count; index += 1) {
      const at = this.#next++
      this.scheduler.addTask(
        queuedTask({ model: 'm0', ...parts, account, id: `${account}:${at}`, submittedMs: at }),
      )
    }
    return this
  }

  /** Tasks a worker gets, one slot after the other. */
  claim(count: number, worker = 'w'): readonly QueuedTask[] {
    const tasks: QueuedTask[] = []
    for (let index = 0; index < count; index += 1) {
      this.scheduler.setFree(worker, 1)
      for (const { task } of this.scheduler.plan(8)) tasks.push(task)
    }
    return tasks
  }

  shares(count: number, worker = 'w'): Readonly<Record<string, number>> {
    const shares: Record<string, number> = {}
    for (const { header } of this.claim(count, worker))
      shares[header.account] = (shares[header.account] ?? 0) + 1
    return shares
  }
}

describe('between accounts', () => {
  it('equal demand gets equal shares at every moment, however much one has queued first', () => {
    const bench = new Bench().add('ada', 500).add('bob', 100)
    let ada = 0
    for (const { header } of bench.claim(200)) {
      ada += header.account === 'ada' ? 1 : -1
      expect(Math.abs(ada)).toBeLessThanOrEqual(2)
    }
  })

  it('any number of accounts in one class share it within one task', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 30, max: 60 }), { minLength: 2, maxLength: 10 }), (counts) => {
        const bench = new Bench()
        for (const [index, count] of counts.entries()) bench.add(`a${index}`, count)
        const shares = Object.values(bench.shares(20 * counts.length))
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      }),
      { numRuns: 50 },
    )
  })

  it('idle time is no credit, past work no debt', () => {
    const bench = new Bench().add('ada', 400)
    bench.claim(300)
    bench.add('bob', 100)
    const { ada = 0, bob = 0 } = bench.shares(60)
    expect(Math.abs(ada - bob)).toBeLessThanOrEqual(2)
  })

  it('a class that comes later starts at the present, too', () => {
    const bench = new Bench().add('ada', 400)
    bench.claim(300)
    bench.add('bob', 100, { model: 'm1' })
    const { ada = 0, bob = 0 } = bench.shares(40)
    expect(Math.abs(ada - bob)).toBeLessThanOrEqual(2)
  })

  it('asking for one task at a time gains nothing', () => {
    const bench = new Bench().add('ada', 200).add('bob', 200).add('cyd', 1)
    let cyd = 0
    for (let index = 0; index < 90; index += 1) {
      for (const { header } of bench.claim(1)) {
        if (header.account !== 'cyd') continue
        cyd += 1
        bench.add('cyd', 1)
      }
    }
    expect(cyd).toBeLessThanOrEqual(31)
    expect(cyd).toBeGreaterThanOrEqual(28)
  })

  it('spreading over many classes gains little', () => {
    const bench = new Bench()
    for (const name of MODELS) bench.add('ada', 100, { model: name })
    bench.add('bob', 200)
    const { ada = 0, bob = 0 } = bench.shares(200)
    expect(ada + bob).toBe(200)
    expect(bob).toBeGreaterThanOrEqual(90)
    expect(bob).toBeLessThanOrEqual(110)
  })

  it('a class that was not served for long does not shut out the others when it is', () => {
    const bench = new Bench({ w: ['m0'], late: ['m0', 'm1'] })
    bench.add('ada', 600).add('bob', 300, { model: 'm1' })
    bench.claim(400)
    const { ada = 0, bob = 0 } = bench.shares(60, 'late')
    expect(ada).toBeGreaterThanOrEqual(20)
    expect(bob).toBeGreaterThanOrEqual(20)
  })

  it('a newcomer to a slow class does not wait for the past of a fast one', () => {
    const bench = new Bench({ w: ['m0'], slow: ['m1'] })
    bench.add('ada', 900).add('bob', 50, { model: 'm1' }).add('cyd', 50, { model: 'm1' })
    bench.claim(500)
    bench.claim(4, 'slow')
    bench.add('dan', 10, { model: 'm1' })
    const shares = bench.shares(12, 'slow')
    expect(shares).toEqual({ bob: 4, cyd: 4, dan: 4 })
  })
})

describe('within an account and class', () => {
  it('first in is first out, whichever gateway holds it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('gateway-a', 'gateway-b'), { maxLength: 40 }), (gateways) => {
        const bench = new Bench()
        bench.scheduler.setGatewayAttached('gateway-b', true)
        for (const gateway of gateways) bench.add('ada', 1, { gateway })
        const order = bench.claim(gateways.length).map(({ header }) => header.submittedMs)
        expect(order).toEqual([...order].sort((a, b) => a - b))
        expect(order).toHaveLength(gateways.length)
      }),
      { numRuns: 50 },
    )
  })
})

describe('position', () => {
  it('is never less than what is planned before it, and exact for one account', () => {
    const alone = new Bench().add('ada', 30)
    expect(alone.scheduler.position('ada:0')).toBe(0)
    expect(alone.scheduler.position('ada:17')).toBe(17)
    alone.claim(5)
    expect(alone.scheduler.position('ada:17')).toBe(12)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('ada', 'bob', 'cyd'), fc.constantFrom('m0', 'm1', 'm2')), {
          minLength: 1,
          maxLength: 60,
        }),
        fc.nat(30),
        (tasks, claimed) => {
          const bench = new Bench()
          for (const [account, name] of tasks) bench.add(account, 1, { model: name })
          bench.claim(claimed)
          const places = new Map(
            bench.scheduler.waiting(1_000).map((id) => [id, bench.scheduler.position(id) ?? -1] as const),
          )
          const before = new Map<string, number>()
          for (const { header } of bench.claim(tasks.length)) {
            const key = requirementKey(requirementOf(header))
            const ahead = before.get(key) ?? 0
            expect(places.get(header.id)).toBeGreaterThanOrEqual(ahead)
            before.set(key, ahead + 1)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})
