import type { TaskClass, Waiting } from './task-class.js'
import type { Worker } from './worker.js'

/** Retries, and pairs of task and worker, looked at in one class. */
const LOOKS = 1_024

/**
 * Does a task wait here that bars every worker, free or not? Only somebody from elsewhere can take it then.
 *
 * @param able workers that fit the class
 */
export function isStranded(taskClass: TaskClass, able: () => Iterable<Worker>): boolean {
  let looks = 0
  for (const { bars } of retries(taskClass)) {
    looks += 1
    if (looks > LOOKS) return false
    if (bars === undefined) continue
    let barsAll = true
    for (const { usable, peerId } of able()) {
      looks += 1
      if (looks > LOOKS) return false
      barsAll = !usable || bars(peerId) !== undefined
      if (!barsAll) break
    }
    if (barsAll) return true
  }
  return false
}

function* retries(taskClass: TaskClass): Generator<Waiting> {
  if (taskClass.retries === 0) return
  for (const { lanes } of taskClass.shares.values()) {
    for (const lane of lanes.values()) if (lane.gateway.attached) yield* lane.retries.values()
  }
}
