import { classTime } from './fairness.js'
import type { TaskQueue } from './queue.js'
import type { Account, Lane, Share, TaskClass, Waiting } from './task-class.js'

/**
 * Retries, lanes and shares looked over for one that a worker may take; more are looked at when these have
 * gone.
 */
const RETRIES_SEEN = 128
const LANES_SEEN = 32
const SHARES_SEEN = 64

/** The next task of a class by its order that `accepts`. Only retries are ever refused. */
export function nextTask(taskClass: TaskClass, accepts: (waiting: Waiting) => boolean): Waiting | undefined {
  const aside: Share[] = []
  let found: Waiting | undefined
  for (let share = taskClass.ready.peek(); share !== undefined; share = taskClass.ready.peek()) {
    found = nextOfShare(share, accepts)
    if (found !== undefined || aside.length >= SHARES_SEEN) break
    taskClass.ready.remove(share)
    aside.push(share)
  }
  for (const share of aside) taskClass.ready.push(share)
  return found
}

/** The next task of one account by its own order, over all its classes that `fits`; retries may be refused. */
export function nextOfAccount(
  account: Account,
  fits: (taskClass: TaskClass) => boolean,
  accepts: (waiting: Waiting) => boolean,
): Waiting | undefined {
  let first: Waiting | undefined
  for (const share of account.shares.values()) {
    if (share.ready.size === 0 || !fits(share.taskClass)) continue
    const next = nextOfShare(share, accepts)
    if (next === undefined || (first !== undefined && !isEarlier(next, first))) continue
    first = next
  }
  return first
}

/** Retries in front, then who came first. */
function isEarlier(a: Waiting, b: Waiting): boolean {
  return a.retry === b.retry ? a.ticket < b.ticket : a.retry
}

/**
 * The class whose turn it is: least virtual time, then the longest waiting. A class that `prefers` (its
 * model is in memory) may go before its turn by one round.
 */
export function nextClass(
  classes: Iterable<TaskClass>,
  queue: TaskQueue,
  accepts: (taskClass: TaskClass) => boolean,
  prefers?: (taskClass: TaskClass) => boolean,
): TaskClass | undefined {
  let first: TaskClass | undefined
  let firstTime = Number.POSITIVE_INFINITY
  let preferred: TaskClass | undefined
  let preferredTime = Number.POSITIVE_INFINITY
  for (const each of classes) {
    if (!accepts(each)) continue
    const time = classTime(each, queue.clock)
    if (isBefore(each, time, first, firstTime)) {
      first = each
      firstTime = time
    }
    if (prefers?.(each) && isBefore(each, time, preferred, preferredTime)) {
      preferred = each
      preferredTime = time
    }
  }
  return preferred !== undefined && preferredTime <= firstTime + 1 ? preferred : first
}

function isBefore(each: TaskClass, time: number, other: TaskClass | undefined, otherTime: number): boolean {
  if (other === undefined || time < otherTime) return true
  return time === otherTime && arrival(each) < arrival(other)
}

function arrival(taskClass: TaskClass): number {
  return taskClass.arrivals.first()?.ticket ?? Number.POSITIVE_INFINITY
}

function nextOfShare(share: Share, accepts: (waiting: Waiting) => boolean): Waiting | undefined {
  const aside: Lane[] = []
  let found: Waiting | undefined
  for (let lane = share.ready.peek(); lane !== undefined; lane = share.ready.peek()) {
    found = nextOfLane(lane, accepts)
    if (found !== undefined || aside.length >= LANES_SEEN) break
    share.ready.remove(lane)
    aside.push(lane)
  }
  for (const lane of aside) share.ready.push(lane)
  return found
}

function nextOfLane(lane: Lane, accepts: (waiting: Waiting) => boolean): Waiting | undefined {
  let seen = 0
  for (const retry of lane.retries.values()) {
    if (accepts(retry)) return retry
    seen += 1
    if (seen >= RETRIES_SEEN) break
  }
  return lane.fresh.first()
}
