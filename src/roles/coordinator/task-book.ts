import assert from 'node:assert'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type {
  Task,
  TaskEffect,
  TaskEvent,
  TaskHeader,
  TaskStateName,
  TaskStep,
} from '../../core/task/task.js'
import { restore, step, submit } from '../../core/task/task-machine.js'
import type { Clock } from '../../ports/clock.js'
import type { Store } from '../../ports/store.js'
import type { Accounting, ReleaseReason } from './accounting.js'
import { type CoordinatorLimits, PRUNE_BATCH, WAKE_STEP_MS } from './constants.js'
import type { Journal } from './journal.js'
import type { Outcome } from './outcome-check.js'
import { endedMsOf, leaseOf, TaskEntry } from './task-entry.js'
import { readTask, receiptKey, TASKS } from './task-record.js'
import { createWakeWheel, type WakeWheel } from './wake-wheel.js'

type Effect<Type extends TaskEffect['type']> = Extract<TaskEffect, { type: Type }>

/**
 * Where effects on others go. `grant`, `revoke` and `tell` are called once the step is durable, the rest at
 * once.
 */
export interface TaskOutlets {
  tell(entry: TaskEntry): void
  grant(entry: TaskEntry, effect: Effect<'grant'>): void
  revoke(entry: TaskEntry, effect: Effect<'revoke'>): void
  /** The task is under a lease of this worker from now on. */
  leased(worker: string, taskId: string): void
  /** It is no longer. */
  released(worker: string, taskId: string): void
  /** @param task as it stands after the attempt */
  recorded(worker: string, outcome: Effect<'record'>['outcome'], task: Task): void
  /** Silence is ours: leases get more time instead of lapsing. */
  storming(): boolean
}

interface Components {
  readonly store: Store
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly journal: Journal
  readonly accounting: Accounting
  readonly outlets: TaskOutlets
}

/**
 * Every task of this coordinator: takes their steps, writes them down and hands out what follows from them.
 */
export class TaskBook {
  readonly #components: Components
  readonly #limits: CoordinatorLimits
  readonly #entries = new Map<string, TaskEntry>()
  /** Ended tasks, in order of their end. */
  readonly #ended = new Map<string, number>()
  readonly #leases = new Map<string, Set<TaskEntry>>()
  /** Tasks that have not ended, by account. */
  readonly #unfinished = new Map<string, Set<string>>()
  readonly #counts: Record<TaskStateName, number>
  #wheel: WakeWheel | undefined

  constructor(components: Components, limits: CoordinatorLimits) {
    this.#components = components
    this.#limits = limits
    this.#counts = { queued: 0, leased: 0, running: 0, done: 0, failed: 0, cancelled: 0, expired: 0 }
  }

  /** Reads back what the disk holds. @throws EdgeCoderError `store-corrupt` */
  async start(onWoken: () => void): Promise<void> {
    const { clock, store, journal, accounting } = this.#components
    this.#wheel = createWakeWheel(clock, WAKE_STEP_MS, {
      fire: (id) => {
        this.#woken(id)
        onWoken()
      },
      clockSet: (byMs) => this.#clockSet(byMs),
    })
    const ended: TaskEntry[] = []
    for await (const [key, value] of store.range(TASKS)) {
      const { task, header } = readTask(key, value)
      const entry = new TaskEntry(task, header)
      // Of a backup; the log was gone on with until it ended.
      if (endedMsOf(task) === undefined && accounting.isOver(entry.id)) {
        journal.record({ key, write: () => ({ type: 'del', key }) })
        continue
      }
      entry.shown = task
      this.#entries.set(entry.id, entry)
      this.#counts[task.state]++
      if (endedMsOf(task) === undefined) this.#begun(entry)
      const lease = leaseOf(task)
      if (lease !== undefined) this.#lease(lease.worker, entry)
      if (endedMsOf(task) === undefined)
        this.#apply(entry, restore(task, clock.nowMs(), this.#limits.leaseMs))
      else ended.push(entry)
    }
    ended.sort((a, b) => (endedMsOf(a.task) ?? 0) - (endedMsOf(b.task) ?? 0))
    for (const entry of ended) this.#ended.set(entry.id, endedMsOf(entry.task) ?? 0)
  }

  stop(): void {
    this.#wheel?.stop()
  }

  get(id: string): TaskEntry | undefined {
    return this.#entries.get(id)
  }

  count(state: TaskStateName): number {
    return this.#counts[state]
  }

  /** Tasks under a lease of this worker. */
  leases(worker: string): readonly TaskEntry[] {
    return [...(this.#leases.get(worker) ?? [])]
  }

  /** Accounts with the most unfinished tasks first, at most `limit`. */
  accounts(limit: number): readonly { readonly account: string; readonly unfinished: number }[] {
    return [...this.#unfinished]
      .map(([account, ids]) => ({ account, unfinished: ids.size }))
      .toSorted((a, b) => b.unfinished - a.unfinished)
      .slice(0, limit)
  }

  /** Accounts that have tasks which have not ended. */
  openAccounts(): Iterable<string> {
    return this.#unfinished.keys()
  }

  /** Ids of an account's tasks that have not ended; left out = of all accounts. */
  *unfinished(account?: string): Iterable<string> {
    if (account !== undefined) yield* this.#unfinished.get(account) ?? []
    else for (const ids of this.#unfinished.values()) yield* ids
  }

  isUnfinished(id: string): boolean {
    const entry = this.#entries.get(id)
    return entry !== undefined && endedMsOf(entry.task) === undefined
  }

  *leased(): Iterable<TaskEntry> {
    for (const entries of this.#leases.values()) yield* entries
  }

  /** Takes a new task; nobody may be told before it is durable. */
  submit(header: TaskHeader, bytes: Uint8Array): TaskEntry {
    assert(!this.#entries.has(header.id), 'the caller looks for a task of this id first')
    const first = submit(header, this.#components.clock.nowMs())
    const entry = new TaskEntry(first.task, bytes)
    this.#entries.set(entry.id, entry)
    this.#counts[first.task.state]++
    this.#begun(entry)
    this.#apply(entry, first)
    return entry
  }

  /**
   * Takes a task again that its gateway had taken away: it starts anew, with fences above all that it had
   * here.
   */
  submitAgain(old: TaskEntry, header: TaskHeader, bytes: Uint8Array): TaskEntry {
    assert(header.fenceFloor > old.task.lastFence, 'no fence may be granted twice')
    this.#entries.delete(old.id)
    this.#ended.delete(old.id)
    this.#counts[old.task.state]--
    return this.submit(header, bytes)
  }

  /** A submit that could not be stored never was; whatever it led to was not told to anybody. */
  forget(entry: TaskEntry): void {
    const { scheduler, journal, accounting } = this.#components
    entry.gone = true
    journal.strike(entry.key)
    this.#entries.delete(entry.id)
    this.#ended.delete(entry.id)
    this.#counts[entry.task.state]--
    this.#over(entry)
    this.#wheel?.forget(entry.id)
    scheduler.removeTask(entry.id)
    const lease = leaseOf(entry.task)
    if (lease !== undefined) this.#release(lease.worker, entry)
    // Whatever lease it had in memory was told to nobody.
    accounting.release(entry.id, entry.task.header.fenceFloor, 'failed')
  }

  /** @param outcome what both ends signed, with a `complete` */
  step(entry: TaskEntry, event: TaskEvent, outcome?: Outcome): TaskStep | Refusal {
    const result = step(entry.task, event, this.#components.clock.nowMs())
    if (!isRefusal(result)) this.#apply(entry, result, outcome)
    return result
  }

  /** Forgets the oldest ended tasks beyond what is kept. */
  prune(): void {
    const oldestMs = this.#components.clock.nowMs() - this.#limits.endedMs
    let pruned = 0
    for (const [id, endedMs] of this.#ended) {
      const tooMany = this.#ended.size > this.#limits.endedTasks
      if ((!tooMany && endedMs >= oldestMs) || pruned === PRUNE_BATCH) return
      this.#prune(id)
      pruned++
    }
  }

  #prune(id: string): void {
    const { journal } = this.#components
    const entry = this.#entries.get(id)
    this.#ended.delete(id)
    if (entry === undefined) return
    this.#entries.delete(id)
    this.#counts[entry.task.state]--
    const keys = entry.task.state === 'done' ? [entry.key, receiptKey(id)] : [entry.key]
    for (const key of keys) journal.record({ key, write: () => ({ type: 'del', key }) })
  }

  #clockSet(byMs: number): void {
    const { leaseMs } = this.#limits
    for (const held of this.#leases.values())
      for (const entry of held) this.step(entry, { type: 'clock-set', byMs, leaseMs })
  }

  #woken(id: string): void {
    const entry = this.#entries.get(id)
    if (entry === undefined) return
    if (this.#components.outlets.storming()) {
      this.step(entry, { type: 'extend', leaseMs: this.#limits.leaseMs })
    }
    this.step(entry, { type: 'clock' })
  }

  #apply(entry: TaskEntry, result: TaskStep, outcome?: Outcome): void {
    const before = entry.task
    entry.task = result.task
    if (result.durable) this.#components.journal.record(entry)
    this.#index(entry, before, result.task)
    for (const effect of result.effects) this.#carry(entry, effect, result, outcome)
  }

  #index(entry: TaskEntry, before: Task, after: Task): void {
    if (before.state !== after.state) {
      this.#counts[before.state]--
      this.#counts[after.state]++
    }
    const had = leaseOf(before)
    const has = leaseOf(after)
    if (had?.fence !== has?.fence) {
      if (had !== undefined) this.#release(had.worker, entry)
      if (has !== undefined) this.#lease(has.worker, entry)
    }
    const endedMs = endedMsOf(after)
    if (endedMs === undefined || before.state === after.state) return
    this.#wheel?.forget(entry.id)
    this.#over(entry)
    this.#ended.set(entry.id, endedMs)
    if (this.#ended.size > this.#limits.endedTasks + PRUNE_BATCH) this.prune()
  }

  #begun({ id, task }: TaskEntry): void {
    const { account } = task.header
    const tasks = this.#unfinished.get(account)
    if (tasks === undefined) this.#unfinished.set(account, new Set([id]))
    else tasks.add(id)
  }

  #over({ id, task }: TaskEntry): void {
    const { account } = task.header
    const tasks = this.#unfinished.get(account)
    tasks?.delete(id)
    if (tasks?.size === 0) this.#unfinished.delete(account)
  }

  #lease(worker: string, entry: TaskEntry): void {
    const held = this.#leases.get(worker)
    if (held === undefined) this.#leases.set(worker, new Set([entry]))
    else held.add(entry)
    this.#components.outlets.leased(worker, entry.id)
  }

  #release(worker: string, entry: TaskEntry): void {
    const held = this.#leases.get(worker)
    held?.delete(entry)
    if (held?.size === 0) this.#leases.delete(worker)
    this.#components.outlets.released(worker, entry.id)
  }

  #carry(entry: TaskEntry, effect: TaskEffect, result: TaskStep, outcome?: Outcome): void {
    const { scheduler, journal, accounting, outlets } = this.#components
    switch (effect.type) {
      case 'enqueue':
        assert(result.task.state === 'queued')
        scheduler.addTask(result.task)
        break
      case 'dequeue':
        scheduler.removeTask(entry.id)
        break
      case 'grant':
        journal.afterwards(() => outlets.grant(entry, effect))
        break
      case 'revoke':
        journal.afterwards(() => outlets.revoke(entry, effect))
        break
      case 'tell-gateway':
        this.#tell(entry, result)
        break
      case 'renewed':
        // Said by whoever gave the step, in the answer to the beat.
        break
      case 'wake':
        this.#wheel?.wake(entry.id, effect.atMs)
        break
      case 'hold':
        // Reserved with the other new tasks of its order, before it was taken.
        break
      case 'settle':
        assert(outcome !== undefined, 'a task completes with what both ends signed')
        accounting.settle(entry.id, outcome)
        break
      case 'release':
        accounting.release(entry.id, result.task.lastFence, releaseReason(result.task.state))
        break
      case 'record':
        scheduler.record(effect.worker, effect.outcome)
        outlets.recorded(effect.worker, effect.outcome, result.task)
    }
  }

  #tell(entry: TaskEntry, { task, durable }: TaskStep): void {
    const { journal, outlets } = this.#components
    journal.afterwards(() => {
      // A state that need not be stored may be told once all before it is stored, unless it has moved on
      // since.
      if (!durable && entry.task === task) entry.shown = task
      outlets.tell(entry)
    })
  }
}

function releaseReason(state: TaskStateName): ReleaseReason {
  return state === 'cancelled' || state === 'expired' ? state : 'failed'
}
