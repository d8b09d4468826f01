import { describe, expect, it } from 'vitest'
import { isRefusal, refusal } from '../../../../src/core/refusal.js'
import { MAX_EXCLUDED, MAX_UNCOUNTED } from '../../../../src/core/task/attempt-end.js'
import { MOVES, type Outcome } from '../../../../src/core/task/moves.js'
import type { Task, TaskEvent, TaskEventName, TaskStateName } from '../../../../src/core/task/task.js'
import { LONGEST_WAIT_MS } from '../../../../src/core/task/task-end.js'
import { restore, step, submit } from '../../../../src/core/task/task-machine.js'
import { assign, header, LEASE_MS, progress, queuedTask, told, WHY, WORKER } from '../../../helpers/tasks.js'

const CANCEL: TaskEvent = { type: 'cancel', why: refusal('cancelled-by-user', 'as asked') }
const DEADLINE = { deadlineMs: 50_000 }

/** For each state, tasks in it that differ in what matters: attempts left, uncounted leases left, a deadline. */
const TASKS: Record<TaskStateName, readonly Task[]> = {
  queued: [queuedTask(), queuedTask(DEADLINE), lost(queuedTask())],
  leased: held(),
  running: held().map((task) => told(task, [progress(1n), 1])),
  done: [told(queuedTask(), [assign, 0], [{ type: 'complete', worker: WORKER, fence: 1n }, 1])],
  failed: [told(queuedTask(), [assign, 0], [failed('task'), 1])],
  cancelled: [told(queuedTask(), [CANCEL, 1])],
  expired: [told(queuedTask(DEADLINE), [{ type: 'clock' }, 50_000])],
}

function held(): Task[] {
  return [
    told(queuedTask(), [assign, 0]),
    told(queuedTask({ maxAttempts: 1 }), [assign, 0]),
    told(queuedTask({}, { uncounted: MAX_UNCOUNTED - 1 }), [assign, 0]),
    told(queuedTask(DEADLINE), [assign, 0]),
  ]
}

/** It had a lease, whose worker was lost. */
function lost(task: Task): Task {
  return told(task, [assign, 0], [{ type: 'worker-lost', worker: WORKER }, 1])
}

function failed(fault: 'worker' | 'task' | 'gateway', fence = 1n): TaskEvent {
  return { type: 'attempt-failed', worker: WORKER, fence, fault, why: WHY }
}

const EVENTS: Record<TaskEventName, readonly TaskEvent[]> = {
  assign: [assign],
  progress: [progress(5n), progress(0n, 'generating'), progress(5n, 'generating', 9n)],
  complete: [
    { type: 'complete', worker: WORKER, fence: 1n },
    { type: 'complete', worker: WORKER, fence: 2n },
    { type: 'complete', worker: 'worker-b', fence: 1n },
  ],
  'attempt-failed': [failed('worker'), failed('task'), failed('gateway'), failed('worker', 7n)],
  decline: [
    { type: 'decline', worker: WORKER, fence: 1n, reason: 'busy' },
    { type: 'decline', worker: WORKER, fence: 0n, reason: 'busy' },
  ],
  'worker-lost': [
    { type: 'worker-lost', worker: WORKER },
    { type: 'worker-lost', worker: 'worker-b' },
  ],
  extend: [{ type: 'extend', leaseMs: 5_000 }],
  'clock-set': [{ type: 'clock-set', byMs: 3_600_000, leaseMs: 5_000 }],
  clock: [{ type: 'clock' }],
  cancel: [CANCEL],
}

const TIMES = [2, LEASE_MS + 2, 60_001]

function outcome(task: Task, event: TaskEvent, nowMs: number): Outcome {
  const result = step(task, event, nowMs)
  if (isRefusal(result)) return 'refused'
  return result.task.state === task.state ? 'same' : result.task.state
}

describe('every event in every state', () => {
  for (const [state, moves] of Object.entries(MOVES)) {
    for (const [name, move] of Object.entries(moves)) {
      it(`${state} × ${name} → ${move.to.join(', ')}`, () => {
        const seen = new Set<Outcome>()
        for (const task of TASKS[state as TaskStateName])
          for (const event of EVENTS[name as TaskEventName])
            for (const nowMs of TIMES) seen.add(outcome(task, event, nowMs))
        expect([...seen].sort()).toEqual([...move.to].sort())
      })
    }
  }
})

describe('a lease', () => {
  const leased = told(queuedTask(), [assign, 100])

  it('is granted after the gateway was told whom to serve', () => {
    const result = step(queuedTask({ deadlineMs: 5_000 }), assign, 100)
    expect(result).toMatchObject({
      durable: true,
      task: { state: 'leased', attempts: 1, fence: 1n, lastFence: 1n, leaseExpiresMs: 10_100 },
      effects: [
        { type: 'dequeue' },
        { type: 'tell-gateway' },
        { type: 'grant', worker: WORKER, fence: 1n, leaseMs: LEASE_MS },
        { type: 'wake', atMs: 5_000 },
      ],
    })
  })

  it('is renewed by headway only', () => {
    const running = told(leased, [progress(1n), 200])
    expect(running).toMatchObject({ state: 'running', startedMs: 200, leaseExpiresMs: 10_200 })
    expect(step(running, progress(1n), 5_000)).toEqual({ task: running, effects: [], durable: false })
    expect(told(running, [progress(2n), 5_000])).toMatchObject({ work: 2n, leaseExpiresMs: 15_000 })
    expect(told(running, [progress(0n, 'testing'), 5_000])).toMatchObject({
      work: 1n,
      stage: 'testing',
      leaseExpiresMs: 15_000,
    })
  })

  it('that lapses is revoked, counted, and excludes its worker', () => {
    const result = step(leased, { type: 'clock' }, 10_100)
    expect(result).toMatchObject({
      task: { state: 'queued', attempts: 1, excluded: [WORKER], lastFailure: { code: 'lease-lapsed' } },
      effects: [
        { type: 'revoke', worker: WORKER, fence: 1n },
        { type: 'record', outcome: 'failure' },
        { type: 'enqueue' },
        { type: 'tell-gateway' },
        { type: 'wake', atMs: 10_100 + LONGEST_WAIT_MS },
      ],
    })
  })

  it('that is not over yet is looked at again when it may be', () => {
    expect(step(leased, { type: 'clock' }, 10_099)).toEqual({
      task: leased,
      effects: [{ type: 'wake', atMs: 10_100 }],
      durable: false,
    })
  })

  it('ends with the run time, whatever the headway', () => {
    const running = told(leased, [progress(1n), 200], [progress(2n), 60_050])
    expect(step(running, { type: 'clock' }, 60_100)).toMatchObject({
      task: { state: 'queued', lastFailure: { code: 'run-time-exceeded' }, excluded: [WORKER] },
    })
  })

  it('is extended through a storm, run time and all', () => {
    expect(told(leased, [{ type: 'extend', leaseMs: 10_000 }, 59_000])).toMatchObject({
      leaseExpiresMs: 69_000,
      runExpiresMs: 69_000,
    })
  })

  it('of a lost worker is taken back, and that worker is remembered as lost', () => {
    expect(step(leased, { type: 'worker-lost', worker: WORKER }, 200)).toMatchObject({
      task: { state: 'queued', attempts: 1, excluded: [WORKER], lastFailure: { code: 'worker-lost' } },
      effects: [
        { type: 'revoke' },
        { type: 'record', outcome: 'lost' },
        { type: 'enqueue' },
        { type: 'tell-gateway' },
        { type: 'wake' },
      ],
    })
  })

  it('that was declined, or failed by its gateway, neither counts nor excludes', () => {
    for (const event of [
      { type: 'decline', worker: WORKER, fence: 1n, reason: 'busy' },
      failed('gateway'),
    ] as const)
      expect(told(leased, [event, 200])).toMatchObject({
        state: 'queued',
        attempts: 0,
        uncounted: 1,
        excluded: [],
        lastFence: 1n,
      })
  })

  it('is given back a bounded number of times', () => {
    let task: Task = queuedTask()
    let leases = 0
    while (task.state === 'queued') {
      task = told(task, [assign, leases])
      leases += 1
      task = told(task, [{ type: 'decline', worker: WORKER, fence: BigInt(leases), reason: 'busy' }, leases])
    }
    expect(leases).toBe(MAX_UNCOUNTED)
    expect(task).toMatchObject({ state: 'failed', why: { code: 'attempts-exhausted' } })
  })
})

describe('an attempt', () => {
  it('that fails at its worker is tried elsewhere until none is left', () => {
    let task: Task = queuedTask()
    const failures = []
    for (const fence of [1n, 2n, 3n]) {
      const worker = `worker-${fence}`
      task = told(
        task,
        [{ ...assign, worker } as TaskEvent, 0],
        [{ type: 'attempt-failed', worker, fence, fault: 'worker', why: WHY }, 1],
      )
      failures.push(task.state)
    }
    expect(failures).toEqual(['queued', 'queued', 'failed'])
    expect(task).toMatchObject({
      excluded: ['worker-1', 'worker-2', 'worker-3'],
      why: { code: 'attempts-exhausted', detail: expect.stringContaining(WHY.detail) },
    })
  })

  it('that fails by the task itself fails it at once, with its reason, and blames no worker', () => {
    expect(step(told(queuedTask(), [assign, 0]), failed('task'), 1)).toMatchObject({
      task: { state: 'failed', why: WHY, excluded: [] },
      effects: [{ type: 'release' }, { type: 'tell-gateway' }],
    })
  })

  it('remembers a bounded number of excluded workers, each once', () => {
    const many = Array.from({ length: MAX_EXCLUDED }, (_, index) => `old-${index}`)
    const task = told(queuedTask({}, { excluded: many }), [assign, 0], [failed('worker'), 1])
    expect(task.excluded).toEqual([...many.slice(1), WORKER])
    const again = told(queuedTask({}, { excluded: [WORKER, 'b'] }), [assign, 0], [failed('worker'), 1])
    expect(again.excluded).toEqual(['b', WORKER])
  })
})

describe('credits', () => {
  it('are held at submit, before the task can be taken', () => {
    expect(submit(header(), 7).effects).toEqual([
      { type: 'hold', microcredits: 500n },
      { type: 'enqueue' },
      { type: 'wake', atMs: 7 + LONGEST_WAIT_MS },
    ])
  })

  it('are given back when nobody could take the task for a week', () => {
    const { task } = submit(header(), 7)
    expect(step(task, { type: 'clock' }, 6 + LONGEST_WAIT_MS)).toMatchObject({ task: { state: 'queued' } })
    expect(step(task, { type: 'clock' }, 7 + LONGEST_WAIT_MS)).toMatchObject({
      task: { state: 'expired', why: { code: 'deadline-passed' } },
      effects: [{ type: 'dequeue' }, { type: 'release' }, { type: 'tell-gateway' }],
    })
  })

  it('are paid once for a receipt that is said twice', () => {
    const leased = told(queuedTask(), [assign, 0])
    const complete: TaskEvent = { type: 'complete', worker: WORKER, fence: 1n }
    const first = step(leased, complete, 1)
    expect(first).toMatchObject({
      durable: true,
      effects: [{ type: 'settle', worker: WORKER, fence: 1n }, {}, {}],
    })
    if (isRefusal(first)) throw new Error(first.detail)
    expect(step(first.task, complete, 2)).toEqual({ task: first.task, effects: [], durable: false })
  })

  it('are paid for a result that comes before a late timer', () => {
    const leased = told(queuedTask(), [assign, 0])
    expect(step(leased, { type: 'complete', worker: WORKER, fence: 1n }, 99_000)).toMatchObject({
      task: { state: 'done' },
    })
  })

  it('are paid for an accepted result whose lease is over, and whoever has a later one is called off', () => {
    const complete: TaskEvent = { type: 'complete', worker: WORKER, fence: 1n }
    const waits = lost(queuedTask())
    expect(waits.former).toEqual([{ worker: WORKER, fence: 1n }])
    expect(step(waits, complete, 2)).toMatchObject({
      durable: true,
      task: { state: 'done', worker: WORKER, fence: 1n, lastFence: 1n },
      effects: [
        { type: 'dequeue' },
        { type: 'settle', worker: WORKER, fence: 1n },
        { type: 'record', worker: WORKER, outcome: 'success' },
        { type: 'tell-gateway' },
      ],
    })
    const again = told(waits, [{ ...assign, worker: 'worker-b' } as TaskEvent, 2])
    for (const held of [
      again,
      told(again, [{ ...progress(1n), worker: 'worker-b', fence: 2n } as TaskEvent, 3]),
    ])
      expect(step(held, complete, 4)).toMatchObject({
        task: { state: 'done', worker: WORKER, fence: 1n, lastFence: 2n },
        effects: [
          { type: 'revoke', worker: 'worker-b', fence: 2n, why: { code: 'task-ended' } },
          { type: 'settle', worker: WORKER, fence: 1n },
          { type: 'record', worker: WORKER, outcome: 'success' },
          { type: 'tell-gateway' },
        ],
      })
    // Of no lease that was given; or when another result has done the task.
    for (const [worker, fence] of [
      ['worker-b', 1n],
      [WORKER, 2n],
    ] as const)
      expect(step(again, { type: 'complete', worker, fence }, 4)).toMatchObject({ code: 'stale-fence' })
    const done = told(again, [{ type: 'complete', worker: 'worker-b', fence: 2n }, 4])
    expect(step(done, complete, 5)).toMatchObject({ code: 'stale-fence' })
  })

  it('are owed to any lease that the task has had, however many those were', () => {
    let task: Task = queuedTask({ maxAttempts: 10 })
    for (let fence = 1n; task.state === 'queued'; fence += 1n) {
      const worker = `worker-${fence}`
      const isUncounted = fence % 3n !== 0n
      const over: TaskEvent = isUncounted
        ? { type: 'decline', worker, fence, reason: 'busy' }
        : { type: 'worker-lost', worker }
      const leased = told(task, [{ ...assign, worker } as TaskEvent, 0])
      for (const former of leased.former)
        expect(step(leased, { type: 'complete', ...former }, 1)).toMatchObject({ task: { state: 'done' } })
      expect(leased.former).toHaveLength(Number(fence) - 1)
      task = told(leased, [over, 1])
    }
    expect(task.lastFence).toBeGreaterThan(25n)
  })

  it('are given back when the task is cancelled under way, and the worker is stopped', () => {
    expect(step(told(queuedTask(), [assign, 0]), CANCEL, 1)).toMatchObject({
      task: { state: 'cancelled' },
      effects: [{ type: 'revoke', worker: WORKER, fence: 1n }, { type: 'release' }, { type: 'tell-gateway' }],
    })
  })
})

describe('restore', () => {
  it('queues again what waited, without holding credits again', () => {
    const task = queuedTask({ deadlineMs: 9_000 })
    expect(restore(task, 1_000, LEASE_MS)).toEqual({
      task,
      effects: [{ type: 'enqueue' }, { type: 'wake', atMs: 9_000 }],
      durable: false,
    })
  })

  it('keeps a lease, with time for its worker to attach again', () => {
    const leased = told(queuedTask(), [assign, 0])
    expect(restore(leased, 9_000, 5_000)).toMatchObject({
      task: { state: 'leased', fence: 1n, leaseExpiresMs: 14_000 },
      effects: [{ type: 'wake', atMs: 14_000 }],
    })
    expect(restore(leased, 1_000, 5_000)).toMatchObject({ task: { leaseExpiresMs: 10_000 } })
  })

  it('leaves what has ended', () => {
    for (const state of ['done', 'failed', 'cancelled', 'expired'] as const)
      for (const task of TASKS[state])
        expect(restore(task, 1, 1)).toEqual({ task, effects: [], durable: false })
  })
})
