import { type Refusal, refusal } from '../refusal.js'
import type { QueuedTask, TaskHeader } from '../task/task.js'
import { Chain } from './chain.js'
import { ClassIndex } from './class-index.js'
import {
  type ClassClock,
  charge,
  owedTime,
  restShare,
  startClass,
  startShare,
  weighShare,
} from './fairness.js'
import { Heap } from './heap.js'
import { requirementKey, requirementOf } from './requirement.js'
import type { Account, Gateway, Lane, Share, TaskClass, Waiting } from './task-class.js'
import type { SchedulerLimits, SchedulerOptions } from './views.js'

/** Empty classes kept: making one anew costs a look at every worker. */
const EMPTY_CLASSES = 1_024
/** When to ask again: a full account may drain soon, a full coordinator takes longer. */
const ACCOUNT_RETRY_MS = 2_000
const QUEUE_RETRY_MS = 5_000

/** Waiting tasks: class → account → gateway → first in, first out. Every change costs O(log n). */
export class TaskQueue {
  /** Classes to look at in the next plan, since a task came or may now be taken. */
  readonly dirty = new Set<TaskClass>()
  /** Classes with tasks that no free worker could take when last looked at. */
  readonly backlog = new Set<TaskClass>()
  readonly clock: ClassClock = { time: 0 }
  readonly index: ClassIndex
  readonly #limits: SchedulerLimits
  readonly #choosy: SchedulerOptions['choosy']
  readonly #waiting = new Map<string, Waiting>()
  readonly #accounts = new Map<string, Account>()
  readonly #gateways = new Map<string, Gateway>()
  #tickets = 0
  #codeHeld: Refusal | undefined

  /** @param forget called with a class that is dropped after it was empty for long */
  constructor(
    limits: SchedulerLimits,
    forget: (taskClass: TaskClass) => void,
    choosy: SchedulerOptions['choosy'],
  ) {
    this.#limits = limits
    this.#choosy = choosy
    this.index = new ClassIndex(EMPTY_CLASSES, forget)
  }

  get size(): number {
    return this.#waiting.size
  }

  account(name: string): Account | undefined {
    return this.#accounts.get(name)
  }

  get(taskId: string): Waiting | undefined {
    return this.#waiting.get(taskId)
  }

  admit(header: TaskHeader): Refusal | undefined {
    const limits = this.#limits
    if (this.size >= limits.queued) return queueFull(`${limits.queued} tasks wait`)
    const account = this.#accounts.get(header.account)
    if (account === undefined && this.#accounts.size >= limits.accounts)
      return queueFull(`tasks of ${limits.accounts} accounts wait`)
    if ((account?.queued ?? 0) >= limits.queuedPerAccount)
      return accountFull(header.account, `${limits.queuedPerAccount} tasks`)
    const key = requirementKey(requirementOf(header))
    if (account?.shares.has(key)) return undefined
    if ((account?.shares.size ?? 0) >= limits.classesPerAccount)
      return accountFull(header.account, `tasks of ${limits.classesPerAccount} kinds (model, context, price)`)
    const used = this.index.find(key)?.arrivals.size ?? 0
    if (used === 0 && this.index.used >= limits.classes)
      return queueFull(`tasks of ${limits.classes} kinds (model, context, price) wait`)
    return undefined
  }

  /** @param front before all others of its account and class */
  add(task: QueuedTask, front: boolean): void {
    if (this.#waiting.has(task.header.id)) return
    const lane = this.#lane(task)
    const { share } = lane
    const bars = this.#choosy?.(task.header)
    const retry = front || bars !== undefined || task.lastFailure !== undefined || task.excluded.length > 0
    const ticket = ++this.#tickets
    const laneTicket = retry ? 0 : ++lane.given
    const waiting: Waiting = {
      task,
      lane,
      ticket,
      laneTicket,
      retry,
      bars,
      inLane: undefined,
      inArrivals: undefined,
    }
    const chain = retry ? lane.retries : lane.fresh
    waiting.inLane = front ? chain.prepend(waiting) : chain.append(waiting)
    waiting.inArrivals = share.taskClass.arrivals.append(waiting)
    this.#waiting.set(task.header.id, waiting)
    share.size += 1
    share.account.queued += 1
    if (retry) share.taskClass.retries += 1
    this.#ready(lane)
  }

  /**
   * Takes a task out because it was planned: its account pays for it, unless it runs on its own worker.
   * What is behind a retry may suit a worker that the retry itself excludes, so the class is looked at again.
   */
  take(waiting: Waiting, onOwnWorker: boolean): void {
    if (!onOwnWorker) charge(waiting.lane.share, this.clock)
    this.remove(waiting)
    const { share } = waiting.lane
    const { taskClass } = share
    if (taskClass.retries > 0 && taskClass.ready.size > 0) this.dirty.add(taskClass)
    if (!taskClass.ready.has(share)) return
    share.turn = ++this.#tickets
    weighShare(share, true)
    taskClass.ready.update(share)
  }

  remove(waiting: Waiting): void {
    const { lane, task } = waiting
    const { share } = lane
    const { account, taskClass } = share
    if (waiting.inLane !== undefined) (waiting.retry ? lane.retries : lane.fresh).remove(waiting.inLane)
    if (waiting.inArrivals !== undefined) taskClass.arrivals.remove(waiting.inArrivals)
    this.#waiting.delete(task.header.id)
    share.size -= 1
    account.queued -= 1
    if (waiting.retry) taskClass.retries -= 1
    if (laneSize(lane) > 0) share.ready.update(lane)
    else this.#dropLane(lane)
  }

  setGatewayAttached(peerId: string, attached: boolean): void {
    if (!attached && !this.#gateways.has(peerId)) return
    const gateway = this.#gateway(peerId)
    if (gateway.attached === attached) return
    gateway.attached = attached
    for (const lane of gateway.lanes) {
      if (attached) this.#ready(lane)
      else this.#unready(lane)
    }
    if (!attached && gateway.lanes.size === 0) this.#gateways.delete(peerId)
  }

  /** Why tasks of a kind are not planned, whatever worker there is; undefined = they are. */
  held(kind: TaskHeader['kind']): Refusal | undefined {
    return kind === 'chat' ? undefined : this.#codeHeld
  }

  /** Tasks that code is run for are not planned as long as there is a reason. */
  holdCode(why: Refusal | undefined): void {
    const ends = this.#codeHeld !== undefined && why === undefined
    this.#codeHeld = why
    // Workers have come to rest meanwhile: who rests is found by looking at the class anew.
    if (ends) for (const each of this.backlog) if (each.requirement.kind !== 'chat') this.dirty.add(each)
  }

  /** Tasks that have failed before may suit others now. */
  retriesDirty(): void {
    for (const taskClass of this.backlog) if (taskClass.retries > 0) this.dirty.add(taskClass)
  }

  /** At most so many of its class are planned before it. @see fairness.ts */
  position(taskId: string): number | undefined {
    const waiting = this.#waiting.get(taskId)
    if (waiting === undefined) return undefined
    const { lane } = waiting
    const { share } = lane
    const { taskClass, account } = share
    const own = share.size - laneSize(lane) + placeInLane(waiting)
    const others = taskClass.arrivals.size - share.size
    const weight = Math.max(1, account.readyShares)
    const behind = Math.ceil(Math.max(0, share.time - taskClass.accountTime) + own * weight) + 1
    return own + Math.min(others, behind * (taskClass.shares.size - 1))
  }

  #ready(lane: Lane): void {
    const { share } = lane
    const { taskClass } = share
    if (!lane.gateway.attached) return
    this.dirty.add(taskClass)
    if (share.ready.has(lane)) {
      share.ready.update(lane)
      return
    }
    share.ready.push(lane)
    if (taskClass.ready.has(share)) return
    if (taskClass.ready.size === 0) startClass(taskClass, this.clock)
    startShare(share)
    share.turn = ++this.#tickets
    share.account.readyShares += 1
    weighShare(share, true)
    taskClass.ready.push(share)
  }

  #unready(lane: Lane): void {
    const { share } = lane
    const { taskClass } = share
    share.ready.remove(lane)
    if (share.ready.size > 0 || !taskClass.ready.has(share)) return
    taskClass.ready.remove(share)
    share.account.readyShares -= 1
    weighShare(share, false)
    if (taskClass.ready.size > 0) return
    this.dirty.delete(taskClass)
    this.backlog.delete(taskClass)
  }

  #lane(task: QueuedTask): Lane {
    const share = this.#share(task)
    const gateway = this.#gateway(task.header.gateway)
    const known = share.lanes.get(gateway.peerId)
    if (known !== undefined) return known
    const lane: Lane = { share, gateway, given: 0, retries: new Chain(), fresh: new Chain(), place: -1 }
    share.lanes.set(gateway.peerId, lane)
    gateway.lanes.add(lane)
    return lane
  }

  #share(task: QueuedTask): Share {
    const account = this.#account(task.header.account)
    const requirement = requirementOf(task.header)
    const taskClass = this.index.use(requirement)
    const known = taskClass.shares.get(account.name)
    if (known !== undefined) return known
    const share: Share = {
      account,
      taskClass,
      lanes: new Map(),
      ready: new Heap(laneBefore),
      size: 0,
      time: owedTime(taskClass, account.name),
      turn: 0,
      weight: 0,
      place: -1,
    }
    taskClass.shares.set(account.name, share)
    account.shares.set(taskClass.key, share)
    return share
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name)
    if (known !== undefined) return known
    const made: Account = { name, queued: 0, shares: new Map(), readyShares: 0 }
    this.#accounts.set(name, made)
    return made
  }

  #gateway(peerId: string): Gateway {
    const known = this.#gateways.get(peerId)
    if (known !== undefined) return known
    const made: Gateway = { peerId, attached: false, lanes: new Set() }
    this.#gateways.set(peerId, made)
    return made
  }

  #dropLane(lane: Lane): void {
    const { share, gateway } = lane
    const { account, taskClass } = share
    this.#unready(lane)
    share.lanes.delete(gateway.peerId)
    gateway.lanes.delete(lane)
    if (!gateway.attached && gateway.lanes.size === 0) this.#gateways.delete(gateway.peerId)
    if (share.size > 0) return
    restShare(share)
    taskClass.shares.delete(account.name)
    account.shares.delete(taskClass.key)
    if (account.queued === 0) this.#accounts.delete(account.name)
    if (taskClass.arrivals.size === 0) this.index.emptied(taskClass)
  }
}

function laneSize(lane: Lane): number {
  return lane.retries.size + lane.fresh.size
}

function placeInLane(waiting: Waiting): number {
  const { retries, fresh } = waiting.lane
  if (waiting.retry) return retries.size - 1
  const first = fresh.first()?.laneTicket ?? waiting.laneTicket
  return retries.size + Math.min(fresh.size - 1, waiting.laneTicket - first)
}

/** Lanes of one share: retries in front, then who came first. */
function laneBefore(a: Lane, b: Lane): boolean {
  const retry = a.retries.first()
  const other = b.retries.first()
  if ((retry === undefined) !== (other === undefined)) return retry !== undefined
  const first = retry ?? a.fresh.first()
  const second = other ?? b.fresh.first()
  return first !== undefined && (second === undefined || first.ticket < second.ticket)
}

function queueFull(why: string): Refusal {
  return refusal('queue-full', `the queue of this coordinator is full: ${why}`, {
    next: 'Try again later, or at another coordinator.',
    retryAfterMs: QUEUE_RETRY_MS,
  })
}

function accountFull(account: string, why: string): Refusal {
  return refusal('account-queue-full', `account ${account} already has ${why} waiting`, {
    next: 'Wait until some of them are done, or cancel some.',
    retryAfterMs: ACCOUNT_RETRY_MS,
  })
}
