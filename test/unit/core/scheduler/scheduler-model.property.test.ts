import fc from 'fast-check'
import { expect, it } from 'vitest'
import { refusal } from '../../../../src/core/refusal.js'
import { createScheduler } from '../../../../src/core/scheduler/create-scheduler.js'
import { feasible } from '../../../../src/core/scheduler/feasibility.js'
import { requirementKey, requirementOf } from '../../../../src/core/scheduler/requirement.js'
import type { Scheduler } from '../../../../src/core/scheduler/scheduler.js'
import type { Assignment, WorkerProfile } from '../../../../src/core/scheduler/views.js'
import type { Liveness } from '../../../../src/core/task/liveness.js'
import type { QueuedTask, TaskHeader } from '../../../../src/core/task/task.js'
import { queuedTask, WHY } from '../../../helpers/tasks.js'
import { model, workerProfile } from '../../../helpers/workers.js'

const GATEWAYS = ['gateway-a', 'gateway-b']
const WORKERS = ['w0', 'w1', 'w2', 'w3']
const BAR = refusal('worker-paused', 'paused by its owner')
const CAPABILITIES: readonly Partial<WorkerProfile>[] = [
  {},
  {},
  { models: [model({ tokensPerS: 90 }), model({ name: 'writer', warm: false })] },
  { models: [model({ contextTokens: 512 })], languages: ['python'] },
  { engine: '', models: [] },
  { priceFloorMicrocredits: 600n },
  { ownAccount: 'bob' },
]

interface NaiveWorker {
  profile: WorkerProfile
  free: number
  liveness: Liveness
  bar: boolean
}

/** The same in plain lists, judged one by one. */
class Naive {
  readonly tasks: QueuedTask[] = []
  readonly workers = new Map<string, NaiveWorker>()
  readonly attached = new Set<string>()
  planned: Assignment[] = []
  /** Put back by undo: before all others. */
  readonly fronted = new Set<string>()
  next = 0

  task(id: string): QueuedTask | undefined {
    return this.tasks.find((task) => task.header.id === id)
  }

  remove(id: string): void {
    this.tasks.splice(
      this.tasks.findIndex((task) => task.header.id === id),
      1,
    )
  }

  available(worker: NaiveWorker): boolean {
    return worker.free > 0 && worker.liveness === 'live' && !worker.bar
  }

  fits(worker: NaiveWorker, task: QueuedTask): boolean {
    return feasible(worker.profile, requirementOf(task.header)).length === 0
  }

  excludes(worker: NaiveWorker, task: QueuedTask): boolean {
    if (!task.excluded.includes(worker.profile.peerId)) return false
    return [...this.workers.values()].some(
      (other) =>
        !task.excluded.includes(other.profile.peerId) &&
        !other.bar &&
        (other.liveness === 'live' || other.liveness === 'quiet') &&
        this.fits(other, task),
    )
  }

  may(worker: NaiveWorker, task: QueuedTask): boolean {
    return (
      this.available(worker) &&
      this.attached.has(task.header.gateway) &&
      this.fits(worker, task) &&
      !this.excludes(worker, task)
    )
  }
}

type Command = fc.Command<Naive, Scheduler>

function command(name: string, run: (naive: Naive, real: Scheduler) => void): Command {
  return { check: () => true, run, toString: () => name }
}

const requirement: fc.Arbitrary<Partial<TaskHeader>> = fc.record({
  kind: fc.constantFrom('chat', 'chat', 'chat', 'chat', 'solve', 'test'),
  model: fc.constantFrom('coder', 'coder', 'coder', 'writer', ''),
  contextTokens: fc.constantFrom(500, 500, 4_000),
  languages: fc.constantFrom(['javascript'], ['python']),
  priceCapMicrocredits: fc.constantFrom(500n, 500n, 500n, 1_000n),
})

/** All kinds of tasks, few of them retried. */
const manyClasses = addTask({
  header: requirement,
  excluded: fc.oneof(fc.constant([]), fc.constant([]), fc.subarray(WORKERS)),
  retried: fc.constantFrom(false, false, true),
})

/** One class, where most tasks have failed somewhere. */
const oneClass = addTask({
  header: fc.constant({ kind: 'chat' as const }),
  excluded: fc.oneof(
    fc.constant([]),
    fc.subarray(WORKERS, { minLength: 1 }),
    fc.subarray(WORKERS, { minLength: 1 }),
  ),
  retried: fc.constant(true),
})

function addTask(parts: {
  readonly header: fc.Arbitrary<Partial<TaskHeader>>
  readonly excluded: fc.Arbitrary<readonly string[]>
  readonly retried: fc.Arbitrary<boolean>
}): fc.Arbitrary<Command> {
  return fc
    .record({
      ...parts,
      account: fc.constantFrom('ada', 'ada', 'bob'),
      gateway: fc.constantFrom('gateway-a', ...GATEWAYS),
    })
    .map(({ excluded, retried, account, gateway, header: own }) =>
      command(`add ${account} ${own.kind} ${own.model} -[${excluded}]`, (naive, real) => {
        const submittedMs = naive.next++
        const task = queuedTask(
          { ...own, account, gateway, id: `${account}:${submittedMs}`, submittedMs },
          { excluded, ...(retried ? { lastFailure: WHY } : {}) },
        )
        naive.tasks.push(task)
        real.addTask(task)
      }),
    )
}

const removeTask = fc.nat().map((pick) =>
  command(`remove task ${pick}`, (naive, real) => {
    const task = naive.tasks[pick % Math.max(1, naive.tasks.length)]
    expect(real.removeTask(task?.header.id ?? 'nobody:1')).toBe(task !== undefined)
    if (task !== undefined) naive.remove(task.header.id)
  }),
)

const setGateway = fc.tuple(fc.constantFrom(...GATEWAYS), fc.boolean()).map(([gateway, attached]) =>
  command(`gateway ${gateway} ${attached}`, (naive, real) => {
    if (attached) naive.attached.add(gateway)
    else naive.attached.delete(gateway)
    real.setGatewayAttached(gateway, attached)
  }),
)

const upsertWorker = fc
  .tuple(fc.constantFrom(...WORKERS), fc.constantFrom(...CAPABILITIES))
  .map(([id, parts]) =>
    command(`worker ${id}`, (naive, real) => {
      const profile = workerProfile(id, parts)
      const known = naive.workers.get(id)
      naive.workers.set(
        id,
        known === undefined ? { profile, free: 0, liveness: 'live', bar: false } : { ...known, profile },
      )
      real.upsertWorker(profile)
    }),
  )

const changeWorker = fc
  .tuple(
    fc.constantFrom(...WORKERS),
    fc.oneof(
      fc.nat(3).map((free) => ({ free })),
      fc
        .constantFrom('live' as const, 'live' as const, 'quiet' as const, 'unknown' as const)
        .map((liveness) => ({ liveness })),
      fc.boolean().map((bar) => ({ bar })),
      fc.constant('gone' as const),
    ),
  )
  .map(([id, change]) =>
    command(`${id} ${JSON.stringify(change)}`, (naive, real) => {
      if (change === 'gone') {
        naive.workers.delete(id)
        real.removeWorker(id)
        return
      }
      const known = naive.workers.get(id)
      if (known !== undefined) Object.assign(known, change)
      if ('free' in change) real.setFree(id, change.free)
      else if ('liveness' in change) real.setLiveness(id, change.liveness)
      else real.setBar(id, change.bar ? BAR : undefined)
    }),
  )

const undo = fc.constant(
  command('undo', (naive, real) => {
    const last = naive.planned.pop()
    if (last === undefined || naive.task(last.task.header.id) !== undefined) return
    naive.tasks.push(last.task)
    naive.fronted.add(last.task.header.id)
    const worker = naive.workers.get(last.worker)
    if (worker !== undefined) worker.free += 1
    real.undo(last)
  }),
)

const plan = fc.constantFrom(1, 2, 100).map((max) =>
  command(`plan ${max}`, (naive, real) => {
    const assignments = real.plan(max)
    expect(assignments.length).toBeLessThanOrEqual(max)
    for (const assignment of assignments) {
      const { id } = assignment.task.header
      const worker = naive.workers.get(assignment.worker)
      expect(naive.task(id), 'it waited').toBe(assignment.task)
      expect(worker !== undefined && naive.may(worker, assignment.task), 'the worker may').toBe(true)
      if (worker === undefined) continue
      expectFirst(naive, worker, assignment.task)
      expectOwnFirst(naive, worker, assignment.task)
      naive.remove(id)
      worker.free -= 1
    }
    naive.planned = [...assignments]
    if (assignments.length === max) return
    for (const task of naive.tasks)
      for (const worker of naive.workers.values())
        expect(naive.may(worker, task), `${task.header.id} is left to wait for an idle worker`).toBe(false)
  }),
)

/** A fresh task goes only when no older fresh one, and no retry, of its account and class could go to that worker. */
function expectFirst(naive: Naive, worker: NaiveWorker, task: QueuedTask): void {
  const isRetry = (each: QueuedTask) => each.lastFailure !== undefined || each.excluded.length > 0
  if (isRetry(task) || naive.fronted.has(task.header.id)) return
  const key = requirementKey(requirementOf(task.header))
  const before = naive.tasks.filter(
    (other) =>
      other !== task &&
      other.header.account === task.header.account &&
      requirementKey(requirementOf(other.header)) === key &&
      other.header.gateway === task.header.gateway &&
      (isRetry(other) || other.header.submittedMs < task.header.submittedMs) &&
      naive.may(worker, other),
  )
  expect(before.map((each) => each.header.id)).toEqual([])
}

/** A task of somebody else goes to a worker only when none of its owner could. */
function expectOwnFirst(naive: Naive, worker: NaiveWorker, { header: { account } }: QueuedTask): void {
  const { ownAccount } = worker.profile
  if (ownAccount === undefined || account === ownAccount) return
  const own = naive.tasks.filter((task) => task.header.account === ownAccount && naive.may(worker, task))
  expect(own.map((each) => each.header.id)).toEqual([])
}

const look = fc.constant(
  command('look', (naive, real) => {
    expect(real.queued()).toBe(naive.tasks.length)
    const classes = real.classes()
    expect(classes.reduce((sum, each) => sum + each.queued, 0)).toBe(naive.tasks.length)
    for (const each of classes) {
      const inClass = naive.tasks.filter(
        (task) => requirementKey(requirementOf(task.header)) === requirementKey(each),
      )
      expect(each.queued).toBe(inClass.length)
      const fitting = [...naive.workers.values()].filter(
        (worker) => feasible(worker.profile, each).length === 0,
      )
      expect(each.feasibleWorkers).toBe(fitting.length)
      expect(each.starved).toBe(!fitting.some((worker) => naive.available(worker)))
      for (const { header } of inClass) expect(real.position(header.id)).toBeLessThan(inClass.length)
    }
    expect([...real.waiting(1_000)].sort()).toEqual(naive.tasks.map((task) => task.header.id).sort())
    for (const task of naive.tasks) {
      const { candidates, workers } = real.explain(task.header, task.excluded)
      expect(workers).toBe(naive.workers.size)
      for (const { worker, eligible, reasons } of candidates) {
        const known = naive.workers.get(worker)
        const can =
          known !== undefined &&
          naive.available(known) &&
          naive.fits(known, task) &&
          !naive.excludes(known, task)
        expect(eligible).toBe(can)
        expect(reasons.length === 0).toBe(can)
      }
    }
  }),
)

it.each([
  ['many classes', manyClasses],
  ['one class of retries', oneClass],
])('plans what a naive scheduler may plan, and leaves nothing that it could: %s', (_, add) => {
  const commands = fc.commands(
    [add, add, removeTask, setGateway, upsertWorker, changeWorker, changeWorker, undo, plan, plan, look],
    { maxCommands: 100, size: 'max' },
  )
  const setup = () => {
    const naive = new Naive()
    const real = createScheduler()
    for (const gateway of GATEWAYS) {
      naive.attached.add(gateway)
      real.setGatewayAttached(gateway, true)
    }
    for (const id of WORKERS) {
      const profile = workerProfile(id)
      naive.workers.set(id, { profile, free: 0, liveness: 'live', bar: false })
      real.upsertWorker(profile)
    }
    return { model: naive, real }
  }
  fc.assert(
    fc.property(commands, (list) => fc.modelRun(setup, list)),
    { numRuns: 300 },
  )
})
