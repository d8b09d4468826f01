import type { Refusal } from '../../core/refusal.js'
import type { Scheduler } from '../../core/scheduler/scheduler.js'
import type { Task } from '../../core/task/task.js'
import { EXPLAINED_CANDIDATES } from './constants.js'
import type { ExplainView } from './coordinator.js'
import { gatewayAway } from './task-standing.js'

interface Surroundings {
  readonly scheduler: Scheduler
  readonly gatewayAttached: boolean
  /** Why nothing is given out; undefined = it is. */
  readonly paused: Refusal | undefined
}

/** Why a task stands where it stands. */
export function explainTask(task: Task, { scheduler, gatewayAttached, paused }: Surroundings): ExplainView {
  const { header, excluded, state } = task
  const { summary, workers, candidates } = scheduler.explain(header, excluded)
  const shown = candidates.slice(0, EXPLAINED_CANDIDATES)
  if (state === 'queued') {
    const away = gatewayAttached ? undefined : gatewayAway(header.gateway)
    return { state, workers, candidates: shown, summary: paused?.detail ?? away?.detail ?? summary }
  }
  return { state, workers, candidates: shown, summary: standsBecause(task) }
}

function standsBecause(task: Exclude<Task, { state: 'queued' }>): string {
  switch (task.state) {
    case 'leased':
      return `Worker ${task.worker} has the lease and has not begun yet.`
    case 'running':
      return `Worker ${task.worker} runs it${task.stage === '' ? '' : `, at stage "${task.stage}"`}.`
    case 'done':
      return `Worker ${task.worker} has done it.`
    default:
      return `It ended (${task.state}): ${task.why.detail}`
  }
}
