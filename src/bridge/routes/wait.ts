import type { Clock } from '../../ports/clock.js'
import type { Log } from '../../ports/log.js'
import type { Gateway, TaskView } from '../../roles/gateway/gateway.js'

/** Resolves when the task has ended, `waitMs` are over, or `signal` aborts, whichever is first. */
export async function endOrTimeout(
  components: { readonly gateway: Gateway; readonly clock: Clock; readonly log: Log },
  task: TaskView,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { gateway, clock, log } = components
  const over = new AbortController()
  const end = () => over.abort()
  const timer = clock.after(waitMs, end)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    for await (const _ of gateway.events(task.account, task.id, { signal: over.signal })) {
      // Only the end matters.
    }
  } catch (error) {
    // The task is safe whatever becomes of the wait; the answer shows where it stands.
    if (!over.signal.aborted) log.warn('wait-failed', { error: error instanceof Error ? error : undefined })
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', end)
  }
}
