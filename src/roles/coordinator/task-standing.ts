import type { MessageInitShape } from '@bufbuild/protobuf'
import { type Refusal, refusal, toWire } from '../../core/refusal.js'
import type { Task, TaskStateName } from '../../core/task/task.js'
import { Standing, type TaskStateSchema } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'

const STANDINGS = {
  queued: Standing.QUEUED,
  leased: Standing.LEASED,
  running: Standing.RUNNING,
  done: Standing.DONE,
  failed: Standing.FAILED,
  cancelled: Standing.CANCELLED,
  expired: Standing.EXPIRED,
} as const satisfies Record<TaskStateName, Standing>

export type WireTaskState = MessageInitShape<typeof TaskStateSchema>

/** What surrounds a task and is not in its state. */
interface Surroundings {
  readonly agentId: (worker: string) => string
  /** Tasks ahead of it in its class, while queued. */
  readonly position: number
  /** Why it waits now, while queued; the reason of the last put-back otherwise. */
  readonly waits: Refusal | undefined
}

/** How a task stands, for the gateway that asked for it. */
export function standingOf(task: Task, around: Surroundings): WireTaskState {
  const base = {
    taskId: task.header.id,
    standing: STANDINGS[task.state],
    attempt: task.attempts,
  }
  switch (task.state) {
    case 'queued': {
      const why = around.waits ?? task.lastFailure
      return { ...base, position: around.position, ...(why === undefined ? {} : { why: toWire(why) }) }
    }
    case 'leased':
    case 'running':
    case 'done':
      return { ...base, worker: task.worker, agentId: around.agentId(task.worker), fence: task.fence }
    default:
      return { ...base, why: toWire(task.why) }
  }
}

export function unknownStanding(taskId: string): WireTaskState {
  return { taskId, standing: Standing.UNKNOWN }
}

export function gatewayAway(gateway: string): Refusal {
  return refusal('gateway-unavailable', `gateway ${gateway}, which holds the payload, is not attached`, {
    next: 'It goes on when that gateway is back; or cancel the task.',
  })
}
