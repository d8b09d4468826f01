import { type Refusal, refusal } from '../../core/refusal.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { Task } from '../../core/task/task.js'
import type { Watch } from '../../core/task/watch.js'
import type { Clock } from '../../ports/clock.js'
import type { CoordinatorStatus, ExplainView, QueueView, WorkerView } from './coordinator.js'
import { explainTask } from './explanation.js'
import type { GatewayDesk } from './gateway-desk.js'
import type { Isolations } from './isolations.js'
import type { Journal } from './journal.js'
import type { Pause } from './pause.js'
import type { Resumption } from './resumption.js'
import type { TaskBook } from './task-book.js'
import { gatewayAway } from './task-standing.js'
import type { WorkerDesk } from './worker-desk.js'
import { profileOf, type WorkerSession } from './worker-session.js'

/** Accounts that a view of the queue names, those with the most unfinished tasks. */
const SHOWN_ACCOUNTS = 50

interface Parts {
  readonly scheduler: Scheduler
  readonly watch: Watch
  readonly journal: Journal
  readonly book: TaskBook
  readonly workers: WorkerDesk
  readonly gateways: GatewayDesk
  readonly pause: Pause
  readonly resumption: Resumption
  readonly isolations: Isolations
}

/** @param idle why it serves nobody now; undefined = it does */
export function statusOf(parts: Parts, clock: Clock, idle: Refusal | undefined): CoordinatorStatus {
  const { scheduler, watch, book, workers, gateways, pause, resumption, isolations } = parts
  const storm = watch.storm()
  const why = idle ?? storeFault(parts)
  const oldestMs = scheduler.oldestQueuedMs()
  return {
    workers: workers.size,
    gateways: gateways.size,
    queued: book.count('queued'),
    leased: book.count('leased'),
    running: book.count('running'),
    oldestQueuedMs: oldestMs === undefined ? 0 : Math.max(0, clock.nowMs() - oldestMs),
    done: book.count('done'),
    failed: book.count('failed') + book.count('expired'),
    isolated: isolations.list().length,
    ...(why === undefined ? {} : { notReady: why }),
    ...(storm.state === 'storm'
      ? { stormSinceMs: clock.nowMs() - (clock.monotonicMs() - storm.sinceMs) }
      : {}),
    ...(pause.view === undefined ? {} : { paused: pause.view }),
    ...(resumption.view === undefined ? {} : { resuming: resumption.view }),
  }
}

function storeFault({ journal }: Parts): Refusal | undefined {
  const { fault } = journal
  return fault && refusal(fault.code, fault.message, fault.next === undefined ? {} : { next: fault.next })
}

export function queueOf(parts: Parts, clock: Clock, limit: number): QueueView {
  const { scheduler, book, gateways } = parts
  const held = heldBy(parts)
  const nowMs = clock.nowMs()
  const tasks: Task[] = []
  for (const { task } of book.leased()) {
    if (tasks.length >= limit) break
    tasks.push(task)
  }
  for (const id of scheduler.waiting(limit - tasks.length)) {
    const entry = book.get(id)
    if (entry !== undefined) tasks.push(entry.task)
  }
  return {
    queued: scheduler.queued(),
    classes: scheduler.classes().map((each) => ({
      kind: each.kind,
      model: each.model,
      languages: each.languages,
      queued: each.queued,
      oldestMs: Math.max(0, nowMs - each.oldestMs),
      feasibleWorkers: each.feasibleWorkers,
    })),
    accounts: book.accounts(SHOWN_ACCOUNTS),
    tasks: tasks.map((task) => {
      const away = gateways.attached(task.header.gateway) ? undefined : gatewayAway(task.header.gateway)
      return taskOf(task, held ?? scheduler.held(task.header.kind) ?? away)
    }),
  }
}

/** Why a task is not given out now, whatever workers there are; undefined = it may be. */
function heldBy({ book, pause, resumption }: Parts): Refusal | undefined {
  return pause.why ?? resumption.waits(book.count('leased') + book.count('running'))
}

/** @param held what keeps it from being given out, whatever its worker */
function taskOf(task: Task, held: Refusal | undefined): QueueView['tasks'][number] {
  const { id, account, kind, model } = task.header
  const waits = task.state === 'queued' ? (held ?? task.lastFailure) : undefined
  return {
    id,
    account,
    kind,
    model,
    state: task.state,
    sinceMs: sinceMsOf(task),
    attempts: task.attempts,
    ...('worker' in task ? { worker: task.worker } : {}),
    ...(waits === undefined ? {} : { why: waits }),
  }
}

function sinceMsOf(task: Task): number {
  switch (task.state) {
    case 'queued':
      return task.queuedMs
    case 'leased':
      return task.runExpiresMs - task.header.maxRunMs
    case 'running':
      return task.startedMs
    default:
      return task.endedMs
  }
}

export function workersOf({ watch, book, workers }: Parts): readonly WorkerView[] {
  const view = (session: WorkerSession): WorkerView => {
    const { engine, sandbox, models, languages } = profileOf(session, workers.standing(session))
    const { peerId, agentId, free, done, failed, lastHeardMs } = session
    return {
      peerId,
      agentId,
      liveness: watch.liveness(peerId) ?? 'lost',
      lastHeardMs,
      slots: free + book.leases(peerId).length,
      free,
      engine,
      sandbox,
      models,
      languages,
      done,
      failed,
      version: session.capabilities.version,
    }
  }
  return [...workers.sessions(), ...workers.gone()].map(view)
}

export function explainOf(parts: Parts, account: string, taskId: string): ExplainView | Refusal {
  const { scheduler, book, gateways } = parts
  const entry = book.get(`${account}:${taskId}`) ?? book.get(taskId)
  if (entry === undefined || entry.task.header.account !== account) {
    return refusal('task-not-found', `no task "${taskId}" of account "${account}" is known here`)
  }
  const gatewayAttached = gateways.attached(entry.task.header.gateway)
  return explainTask(entry.task, { scheduler, gatewayAttached, paused: heldBy(parts) })
}
