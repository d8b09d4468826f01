import { describe, expect, it } from 'vitest'
import { refusal } from '../../../../src/core/refusal.js'
import { createScheduler } from '../../../../src/core/scheduler/create-scheduler.js'
import type { Scheduler } from '../../../../src/core/scheduler/scheduler.js'
import type { SchedulerOptions, WorkerProfile } from '../../../../src/core/scheduler/views.js'
import type { TaskHeader } from '../../../../src/core/task/task.js'
import { header, queuedTask, WHY } from '../../../helpers/tasks.js'
import { model, workerProfile } from '../../../helpers/workers.js'

function scheduler(options?: SchedulerOptions): Scheduler {
  const made = createScheduler(options)
  made.setGatewayAttached('gateway-a', true)
  return made
}

function join(to: Scheduler, id: string, free: number, parts: Partial<WorkerProfile> = {}): void {
  to.upsertWorker(workerProfile(id, parts))
  to.setFree(id, free)
}

function add(
  to: Scheduler,
  id: string,
  parts: Partial<TaskHeader> = {},
  excluded: readonly string[] = [],
): void {
  const account = id.split(':')[0] ?? ''
  to.addTask(
    queuedTask({ ...parts, id, account }, { excluded, ...(excluded.length > 0 ? { lastFailure: WHY } : {}) }),
  )
}

function plan(from: Scheduler, max = 100): readonly string[] {
  return from.plan(max).map(({ task, worker }) => `${task.header.id} → ${worker}`)
}

describe('workers of their own', () => {
  it('take their account’s tasks first, in their order, at no cost to its share', () => {
    const mesh = scheduler()
    for (const id of ['b:1', 'b:2', 'c:1', 'a:1', 'a:2']) add(mesh, id)
    join(mesh, 'own', 3, { ownAccount: 'a' })
    expect(plan(mesh)).toEqual(['a:1 → own', 'a:2 → own', 'b:1 → own'])
    for (const id of ['a:3', 'a:4']) add(mesh, id)
    join(mesh, 'other', 4)
    // What a had on its own worker leaves it as much of the others as everybody.
    expect(plan(mesh).filter((each) => each.startsWith('a'))).toHaveLength(2)
  })

  it('take an own task that comes together with one whose turn is earlier', () => {
    const mesh = scheduler()
    join(mesh, 'own', 1, { ownAccount: 'a' })
    plan(mesh)
    add(mesh, 'b:1')
    add(mesh, 'a:1')
    expect(plan(mesh)).toEqual(['a:1 → own'])
  })

  it('run no code of their own account while an incident closes it', () => {
    const mesh = scheduler()
    mesh.holdCode(refusal('incident-closed', 'forged results'))
    for (const id of ['a:1', 'b:1']) add(mesh, id, { kind: 'test' })
    add(mesh, 'b:2')
    join(mesh, 'own', 2, { ownAccount: 'a' })
    expect(plan(mesh)).toEqual(['b:2 → own'])
    mesh.holdCode(undefined)
    expect(plan(mesh)).toEqual(['a:1 → own'])
  })

  it('run none that waits when one is free already', () => {
    const mesh = scheduler()
    join(mesh, 'own', 2, { ownAccount: 'a' })
    plan(mesh)
    mesh.holdCode(refusal('incident-closed', 'forged results'))
    add(mesh, 'a:1', { kind: 'test' })
    add(mesh, 'b:1')
    expect(plan(mesh)).toEqual(['b:1 → own'])
  })

  it('work for others when they failed their own task and another worker could do it', () => {
    const mesh = scheduler()
    join(mesh, 'own', 1, { ownAccount: 'a' })
    join(mesh, 'other', 0)
    add(mesh, 'a:1', {}, ['own'])
    add(mesh, 'b:1')
    expect(plan(mesh)).toEqual(['b:1 → own'])
  })
})

describe('ranking', () => {
  it('takes the worker with the model in memory, then the faster one', () => {
    const mesh = scheduler()
    join(mesh, 'slow', 1, { models: [model({ tokensPerS: 20 })] })
    join(mesh, 'cold', 1, { models: [model({ tokensPerS: 100, warm: false })] })
    join(mesh, 'fast', 1, { models: [model({ tokensPerS: 60 })] })
    for (const id of ['a:1', 'a:2', 'a:3']) add(mesh, id)
    expect(plan(mesh)).toEqual(['a:1 → fast', 'a:2 → slow', 'a:3 → cold'])
  })

  it('follows a worker whose speed has changed since it came to rest', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1, { models: [model({ tokensPerS: 20 })] })
    join(mesh, 'w1', 1, { models: [model({ tokensPerS: 60 })] })
    add(mesh, 'a:1')
    expect(plan(mesh)).toEqual(['a:1 → w1'])
    mesh.setFree('w1', 1)
    plan(mesh)
    mesh.upsertWorker(workerProfile('w0', { models: [model({ tokensPerS: 200 })] }))
    add(mesh, 'a:2')
    expect(plan(mesh)).toEqual(['a:2 → w0'])
  })

  it('prefers who succeeds', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1)
    join(mesh, 'w1', 1)
    for (let index = 0; index < 5; index += 1) mesh.record('w0', 'failure')
    mesh.record('w1', 'success')
    add(mesh, 'a:1')
    expect(plan(mesh)).toEqual(['a:1 → w1'])
  })

  it('prefers who is near the gateway', () => {
    const mesh = scheduler({ latencyMs: (worker) => (worker === 'w0' ? 200 : 10) })
    join(mesh, 'w0', 1)
    join(mesh, 'w1', 1)
    add(mesh, 'a:1')
    expect(plan(mesh)).toEqual(['a:1 → w1'])
  })

  it('spreads work over equals', () => {
    const mesh = scheduler()
    for (let index = 0; index < 20; index += 1) join(mesh, `w${index}`, 1)
    const workers = new Set<string>()
    for (let index = 0; index < 20; index += 1) {
      add(mesh, `a:${index}`)
      for (const { worker } of mesh.plan(1)) {
        workers.add(worker)
        mesh.setFree(worker, 1)
      }
    }
    expect(workers.size).toBe(20)
  })

  it('gives a freed worker a class it has in memory, one round before its turn', () => {
    const mesh = scheduler()
    join(mesh, 'w', 0, { models: [model({ name: 'cold', warm: false }), model({ name: 'warm' })] })
    add(mesh, 'a:1', { model: 'cold' })
    add(mesh, 'b:1', { model: 'warm' })
    plan(mesh)
    mesh.setFree('w', 1)
    expect(plan(mesh)).toEqual(['b:1 → w'])
    mesh.setFree('w', 1)
    expect(plan(mesh)).toEqual(['a:1 → w'])
  })
})

describe('exclusion', () => {
  it('gives a failed task to another worker, also when that one is busy now', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1)
    join(mesh, 'w1', 0)
    add(mesh, 'a:1', {}, ['w0'])
    expect(plan(mesh)).toEqual([])
    mesh.setFree('w1', 1)
    expect(plan(mesh)).toEqual(['a:1 → w1'])
  })

  it('does not hold up the tasks behind', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1)
    join(mesh, 'w1', 0)
    add(mesh, 'a:2')
    add(mesh, 'a:1', {}, ['w0'])
    expect(plan(mesh)).toEqual(['a:2 → w0'])
  })

  it('ends when nobody else is left who could take it', () => {
    const leave: readonly ((mesh: Scheduler) => void)[] = [
      (mesh) => mesh.removeWorker('w1'),
      (mesh) => mesh.setBar('w1', refusal('worker-paused', 'paused')),
      (mesh) => mesh.setLiveness('w1', 'unknown'),
      (mesh) => mesh.upsertWorker(workerProfile('w1', { models: [] })),
    ]
    for (const gone of leave) {
      const mesh = scheduler()
      join(mesh, 'w0', 1)
      join(mesh, 'w1', 0)
      add(mesh, 'a:1', {}, ['w0'])
      expect(plan(mesh)).toEqual([])
      gone(mesh)
      expect(plan(mesh)).toEqual(['a:1 → w0'])
    }
  })

  it('looks past more failed tasks than one look sees, as they go', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1)
    join(mesh, 'w1', 0)
    for (let index = 0; index < 140; index += 1) add(mesh, `a:${index}`, {}, ['w0'])
    add(mesh, 'a:last', {}, ['w9'])
    expect(plan(mesh)).toEqual([])
    mesh.setFree('w1', 20)
    expect(plan(mesh)).toContain('a:last → w0')
  })
})

describe('gateways', () => {
  it('park their tasks while they are away', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 2)
    mesh.setGatewayAttached('gateway-a', false)
    add(mesh, 'a:1')
    add(mesh, 'a:2', { gateway: 'gateway-b' })
    expect(plan(mesh)).toEqual([])
    expect(mesh.queued()).toBe(2)
    mesh.setGatewayAttached('gateway-b', true)
    expect(plan(mesh)).toEqual(['a:2 → w0'])
    expect(mesh.explain(header({ id: 'a:1', account: 'a' }), []).summary).toContain('gateway-a')
    mesh.setGatewayAttached('gateway-a', true)
    expect(plan(mesh)).toEqual(['a:1 → w0'])
  })
})

describe('plan and undo', () => {
  it('takes no more than asked, and goes on', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 5)
    for (let index = 0; index < 5; index += 1) add(mesh, `a:${index}`)
    expect(mesh.plan(2)).toHaveLength(2)
    expect(mesh.plan(2)).toHaveLength(2)
    expect(mesh.plan(2)).toHaveLength(1)
  })

  it('puts an assignment back in front, with its slot', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1)
    add(mesh, 'a:1')
    add(mesh, 'a:2')
    const [first] = mesh.plan(1)
    if (first === undefined) throw new Error('nothing was planned')
    mesh.undo(first)
    expect(mesh.position('a:1')).toBe(0)
    expect(plan(mesh)).toEqual(['a:1 → w0'])
  })
})

describe('admission', () => {
  const limits = { queued: 6, queuedPerAccount: 3, accounts: 2, classes: 3, classesPerAccount: 2 }

  it('bounds what one account queues', () => {
    const mesh = scheduler({ limits })
    for (const id of ['a:1', 'a:2', 'a:3']) {
      expect(mesh.admit(header({ id, account: 'a' }))).toBeUndefined()
      add(mesh, id)
    }
    expect(mesh.admit(header({ id: 'a:4', account: 'a' }))).toMatchObject({
      code: 'account-queue-full',
      retryAfterMs: expect.any(Number),
    })
    expect(mesh.admit(header({ id: 'b:1', account: 'b' }))).toBeUndefined()
    mesh.removeTask('a:1')
    expect(mesh.admit(header({ id: 'a:4', account: 'a' }))).toBeUndefined()
  })

  it('bounds the classes of one account and of all', () => {
    const mesh = scheduler({ limits })
    add(mesh, 'a:1', { model: 'x' })
    add(mesh, 'a:2', { model: 'y' })
    expect(mesh.admit(header({ account: 'a', model: 'z' }))?.code).toBe('account-queue-full')
    expect(mesh.admit(header({ account: 'a', model: 'y' }))).toBeUndefined()
    add(mesh, 'b:1', { model: 'z' })
    expect(mesh.admit(header({ account: 'b', model: 'u' }))?.code).toBe('queue-full')
    expect(mesh.admit(header({ account: 'b', model: 'x' }))).toBeUndefined()
  })

  it('bounds accounts and the whole queue', () => {
    const mesh = scheduler({ limits })
    add(mesh, 'a:1')
    add(mesh, 'b:1')
    expect(mesh.admit(header({ account: 'c' }))?.code).toBe('queue-full')
    for (const id of ['a:2', 'a:3', 'b:2', 'b:3']) add(mesh, id)
    expect(mesh.admit(header({ account: 'a' }))).toMatchObject({ code: 'queue-full' })
  })
})

describe('explain', () => {
  it('says of each worker everything that stands in the way, eligible ones first', () => {
    const mesh = scheduler()
    join(mesh, 'no-engine', 1, { engine: '', models: [] })
    join(mesh, 'busy', 0)
    join(mesh, 'quiet', 1)
    mesh.setLiveness('quiet', 'quiet')
    join(mesh, 'failed', 1)
    join(mesh, 'dear', 1, { priceFloorMicrocredits: 501n, models: [model({ contextTokens: 512 })] })
    join(mesh, 'fit', 1)
    const { candidates, workers, feasible } = mesh.explain(header(), ['failed'])
    expect({ workers, feasible }).toEqual({ workers: 6, feasible: 4 })
    expect(candidates[0]).toEqual({ worker: 'fit', agentId: 'agent-of-fit', eligible: true, reasons: [] })
    const why = Object.fromEntries(
      candidates.map(({ worker, reasons }) => [worker, reasons.map(({ code }) => code)]),
    )
    expect(why).toEqual({
      fit: [],
      busy: ['no-free-slot'],
      quiet: ['worker-quiet'],
      failed: ['excluded-after-failure'],
      'no-engine': ['no-engine'],
      dear: ['context-too-long', 'price-below-floor'],
    })
  })

  it('is bounded, and finds the eligible among many', () => {
    const mesh = scheduler()
    for (let index = 0; index < 200; index += 1) join(mesh, `other-${index}`, 1, { engine: '', models: [] })
    for (let index = 0; index < 100; index += 1) join(mesh, `busy-${index}`, 0)
    join(mesh, 'free', 1)
    const { candidates, workers } = mesh.explain(header(), [])
    expect(workers).toBe(301)
    expect(candidates).toHaveLength(64)
    expect(candidates[0]).toMatchObject({ worker: 'free', eligible: true })
  })

  it('sums up in a sentence what a task waits for', () => {
    const mesh = scheduler()
    expect(mesh.explain(header(), []).summary).toBe('Waits for a worker: none is attached.')
    join(mesh, 'w0', 0, { models: [model({ name: 'writer' })] })
    expect(mesh.explain(header(), []).summary).toBe(
      'None of 1 workers can take it: the worker has not got model coder.',
    )
    join(mesh, 'w1', 0)
    expect(mesh.explain(header(), []).summary).toBe(
      'Waits for one of 1 workers that fit: every slot of the worker is taken.',
    )
  })

  it('tells an idle worker why, with the number of tasks', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1, { models: [model({ name: 'writer' })] })
    mesh.setBar('w0', refusal('worker-paused', 'paused by its owner'))
    add(mesh, 'a:1')
    add(mesh, 'a:2')
    add(mesh, 'a:3', { kind: 'solve', languages: ['typescript'] })
    const { queued, reasons } = mesh.whyIdle('w0')
    expect(queued).toBe(3)
    expect(reasons.map(({ refusal: { code }, tasks }) => `${code} ${tasks}`)).toEqual([
      'worker-paused 0',
      'model-missing 3',
      'language-missing 1',
    ])
    expect(mesh.whyIdle('nobody').reasons).toMatchObject([{ refusal: { code: 'not-found' } }])
  })
})

describe('views', () => {
  it('show classes, the oldest task, and what no free worker fits', () => {
    const mesh = scheduler()
    expect(mesh.oldestQueuedMs()).toBeUndefined()
    mesh.addTask(queuedTask({ id: 'a:1', account: 'a', submittedMs: 70 }))
    mesh.addTask(queuedTask({ id: 'a:2', account: 'a', submittedMs: 40, model: 'writer' }))
    join(mesh, 'w0', 0)
    expect(mesh.oldestQueuedMs()).toBe(40)
    expect(mesh.classes()).toMatchObject([
      { model: 'coder', queued: 1, oldestMs: 70, feasibleWorkers: 1, starved: true },
      { model: 'writer', queued: 1, oldestMs: 40, feasibleWorkers: 0, starved: true },
    ])
    mesh.setFree('w0', 1)
    expect(mesh.classes()[0]?.starved).toBe(false)
    expect(mesh.waiting(1)).toEqual(['a:1'])
  })

  it('do not exclude who failed a task in favour of workers that it bars', () => {
    const mesh = scheduler({
      choosy: () => (worker) =>
        worker.startsWith('same') ? refusal('not-independent', 'of the same owner') : undefined,
    })
    join(mesh, 'same-0', 1)
    join(mesh, 'failed', 1)
    join(mesh, 'other', 0)
    add(mesh, 'check:1', {}, ['failed'])
    expect(plan(mesh)).toEqual([])
    mesh.removeWorker('other')
    expect(plan(mesh)).toEqual(['check:1 → failed'])
  })

  it('show that a task which bars everybody here waits for somebody from elsewhere', () => {
    const dependent = refusal('not-independent', 'of the same owner')
    const mesh = scheduler({
      choosy: ({ id }) =>
        id.startsWith('check') ? (worker) => (worker.startsWith('same') ? dependent : undefined) : undefined,
    })
    join(mesh, 'same-0', 1)
    add(mesh, 'check:1')
    expect(plan(mesh)).toEqual([])
    expect(mesh.classes()).toMatchObject([{ queued: 1, feasibleWorkers: 1, starved: true }])
    // One that is busy comes free some time.
    join(mesh, 'other-0', 0)
    expect(mesh.classes()).toMatchObject([{ feasibleWorkers: 2, starved: false }])
    mesh.setBar('other-0', refusal('worker-paused', 'until later'))
    expect(mesh.classes()).toMatchObject([{ starved: true }])
    mesh.setGatewayAttached('gateway-a', false)
    expect(mesh.classes()).toMatchObject([{ starved: false }])
  })

  it('keep working while classes come and go beyond what is kept', () => {
    const mesh = scheduler()
    join(mesh, 'w0', 1, { models: [model({ name: 'x' }), model({ name: 'y' })] })
    for (let round = 0; round < 1_300; round += 1) {
      add(mesh, `a:${round}`, { priceCapMicrocredits: BigInt(round % 900), model: round < 900 ? 'x' : 'y' })
      expect(plan(mesh)).toEqual([`a:${round} → w0`])
      mesh.setFree('w0', 1)
    }
    expect(mesh.classes()).toEqual([])
  })
})
