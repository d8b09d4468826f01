import type { Share, TaskClass } from './task-class.js'

/**
 * Start-time fair queuing, twice: between the accounts of a class, and between classes. An account with
 * tasks in k classes weighs 1/k in each, a class weighs the sum of its accounts; so an account gets the same
 * share of the workers however it spreads its tasks, and none waits for another's past: who was away starts
 * at the present time.
 */

/** Weight of an account with tasks in one class only; whole numbers add up without drift. */
const WEIGHT_UNIT = 720_720
/**
 * Rounds a class may be behind the others; a class no worker served for long does not shut out the rest
 * later.
 */
const CLASS_LAG = 8
/** Finish times remembered in a class. */
const RESTING = 256

/** Time of the class planned last. */
export interface ClassClock {
  time: number
}

export function shareBefore(a: Share, b: Share): boolean {
  return a.time < b.time || (a.time === b.time && a.turn < b.turn)
}

/** What an account that comes back still owes here: it starts when that is paid off, or now if nothing is. */
export function owedTime(taskClass: TaskClass, account: string): number {
  const owed = taskClass.resting.get(account) ?? 0
  taskClass.resting.delete(account)
  return owed
}

/** A share has tasks that may be planned again. */
export function startShare(share: Share): void {
  share.time = Math.max(share.time, share.taskClass.accountTime)
}

export function restShare(share: Share): void {
  const { resting, accountTime } = share.taskClass
  if (share.time <= accountTime) return
  resting.set(share.account.name, share.time)
  if (resting.size <= RESTING) return
  for (const oldest of resting.keys()) {
    resting.delete(oldest)
    return
  }
}

/** Weighs a share anew: the number of classes of its account changes as it goes. */
export function weighShare(share: Share, ready: boolean): void {
  const weight = ready ? Math.round(WEIGHT_UNIT / Math.max(1, share.account.readyShares)) : 0
  share.taskClass.weight += weight - share.weight
  share.weight = weight
}

/** A class has work again: like an account, it starts now. */
export function startClass(taskClass: TaskClass, clock: ClassClock): void {
  taskClass.classTime = Math.max(taskClass.classTime, clock.time)
}

export function classTime(taskClass: TaskClass, clock: ClassClock): number {
  return Math.max(taskClass.classTime, clock.time - CLASS_LAG)
}

/** One task of the share is planned: the class and the account pay for it. */
export function charge(share: Share, clock: ClassClock): void {
  const { taskClass } = share
  taskClass.accountTime = Math.max(taskClass.accountTime, share.time)
  share.time += Math.max(1, share.account.readyShares)
  const time = classTime(taskClass, clock)
  clock.time = Math.max(clock.time, time)
  taskClass.classTime = time + WEIGHT_UNIT / Math.max(1, taskClass.weight)
}
