import { type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { GatewayLimits } from './gateway-limits.js'
import type { Lease, LiveTask } from './live-task.js'

/** Who a worker says to be in a lease. */
export interface LeaseClaim {
  /** Proven by its link. */
  readonly worker: string
  readonly fence: bigint
  readonly coordinator: string
}

interface Components {
  readonly clock: Clock
  readonly inSync: () => boolean
  readonly limits: GatewayLimits
}

/** Workers that may wait for the lease of one task. */
const MOST_WAITING = 8

/**
 * The task's lease, if it is the one claimed. A worker may come before the coordinator's word does; it is
 * then kept waiting for a bounded time.
 *
 * @returns refusals: `stale-fence` when the claim is or stays wrong, `no-coordinator` when nobody could tell
 */
export async function awaitLease(
  { clock, inSync, limits }: Components,
  task: LiveTask,
  claim: LeaseClaim,
  gone: () => boolean,
): Promise<Lease | Refusal> {
  const startMs = clock.monotonicMs()
  for (;;) {
    if (task.gone) return stale('The task has ended.')
    const known = task.record.coordinator === claim.coordinator ? task.lease : undefined
    if (!task.ending) {
      if (known !== undefined && known.fence === claim.fence && known.worker === claim.worker) return known
      if (task.record.coordinator !== claim.coordinator)
        return stale('Another coordinator holds the task now.')
      if (known !== undefined && known.fence >= claim.fence) return stale('A newer lease was given.')
    }
    const mayTakeMs = inSync() ? limits.openWaitMs : limits.resyncWaitMs
    const leftMs = startMs + mayTakeMs - clock.monotonicMs()
    if (leftMs <= 0) return tooLate(inSync())
    if (task.waiting >= MOST_WAITING)
      return refusal('rate-limited', 'Too many wait for this task.', { retryAfterMs: 1000 })
    await leaseChange(task, clock, Math.min(leftMs, limits.openWaitMs))
    if (gone()) return stale('The worker left.')
  }
}

function leaseChange(task: LiveTask, clock: Clock, mostMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      forget()
      resolve()
    }
    const timer = clock.after(mostMs, done)
    const forget = task.onLease(done)
  })
}

function tooLate(inSync: boolean): Refusal {
  return inSync
    ? stale('The coordinator names no such lease.')
    : refusal('no-coordinator', 'No coordinator is attached that could confirm the lease.', {
        retryAfterMs: 1000,
      })
}

function stale(detail: string): Refusal {
  return refusal('stale-fence', detail)
}
