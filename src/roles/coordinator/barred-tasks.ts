import type { PolicyView } from '../../core/policy/policy-view.js'
import type { Log } from '../../ports/log.js'
import type { TaskBook } from './task-book.js'

interface Components {
  readonly book: TaskBook
  readonly policy: () => PolicyView
  readonly log: Log
}

/**
 * Cancels what waits of accounts that are on the blacklist. What runs ends as it will: a worker that has it
 * did nothing wrong, and is paid.
 */
export function cancelBarred({ book, policy, log }: Components): void {
  const { blacklist } = policy()
  if (blacklist === undefined) return
  for (const account of [...book.openAccounts()]) {
    const why = blacklist.account(account)
    if (why === undefined) continue
    const queued = [...book.unfinished(account)].flatMap((id) => {
      const entry = book.get(id)
      return entry?.task.state === 'queued' ? [entry] : []
    })
    for (const entry of queued) book.step(entry, { type: 'cancel', why })
    if (queued.length > 0) log.warn('barred-tasks-cancelled', { account, tasks: queued.length })
  }
}
