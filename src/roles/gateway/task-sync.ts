import type { Log } from '../../ports/log.js'
import { Standing, type TaskState } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { CoordinatorLink } from './coordinator-link.js'
import type { LiveTask } from './live-task.js'
import type { SubmitBatcher } from './submit-batcher.js'
import type { TaskBook } from './task-book.js'

interface Components {
  readonly book: TaskBook
  readonly batcher: SubmitBatcher
  readonly log: Log
}

/** Ids in one Sync; the bound of the message. */
const AT_ONCE = 1024

/**
 * Asks a coordinator how tasks stand, goes on with those that it has, and orders the rest of it under the
 * same ids.
 *
 * @param asked unfinished tasks that are for it, and that it, or another, may have
 * @throws EdgeCoderError `link-closed`, or of the store
 */
export async function syncTasks(
  components: Components,
  link: CoordinatorLink,
  asked: readonly LiveTask[],
): Promise<void> {
  const { log } = components
  for (let at = 0; at < asked.length; at += AT_ONCE) {
    const part = asked.slice(at, at + AT_ONCE)
    const { states } = await link.sync(part.map((task) => task.key))
    const byId = new Map(states.map((state) => [state.taskId, state]))
    await settle(components, link, part, byId)
  }
  if (asked.length > 0) log.info('tasks-synced', { coordinator: link.peerId, tasks: asked.length })
}

async function settle(
  { book, batcher }: Components,
  link: CoordinatorLink,
  part: readonly LiveTask[],
  states: ReadonlyMap<string, TaskState>,
): Promise<void> {
  const isOpen = (task: LiveTask): boolean => book.get(task.key) === task && !task.ending
  const open = part.filter((task) => isOpen(task) && task.askedOn !== link)
  const known = open.filter((task) => isKnown(states.get(task.key), task.record.coordinator === link.peerId))
  await batcher.adopt(known, link)
  for (const task of known) {
    const state = states.get(task.key)
    if (state === undefined) continue
    task.askedOn = link
    book.apply(link.peerId, state)
  }
  const asIs = new Set(known)
  const left = open.filter((task) => !asIs.has(task) && isOpen(task))
  await book.forgotten(left.filter((task) => task.record.coordinator === link.peerId))
  for (const task of left) if (isOpen(task)) batcher.enqueue(task)
}

/**
 * Does the coordinator hold the task? One that it cancelled, and that it did not hold for us, is one that we
 * took from it before: it must be ordered anew.
 */
function isKnown(state: TaskState | undefined, isHolder: boolean): boolean {
  if (state === undefined || state.standing === Standing.UNKNOWN) return false
  if (isHolder) return true
  return [Standing.QUEUED, Standing.LEASED, Standing.RUNNING].includes(state.standing)
}
