import { createHook } from 'node:async_hooks'

/** A job of node:crypto; `ondone` is set only when it runs on the thread pool. */
interface CryptoJob {
  readonly ondone?: unknown
}

/** How many node:crypto calls made since {@link watchCrypto} still run on the thread pool. */
export interface CryptoWatch {
  pending(): number
  stop(): void
}

/**
 * Watches node:crypto, so that virtual time can stand still while signatures are checked: otherwise a check
 * that takes no virtual time would be overtaken by timers, differently in each run.
 */
export function watchCrypto(): CryptoWatch {
  const jobs = new Map<number, CryptoJob>()
  const hook = createHook({
    init(asyncId, type, _triggerId, resource) {
      if (type === 'SIGNREQUEST') jobs.set(asyncId, resource)
    },
    after(asyncId) {
      jobs.delete(asyncId)
    },
  }).enable()
  return {
    pending() {
      for (const [asyncId, job] of jobs) {
        if (typeof job.ondone !== 'function') jobs.delete(asyncId)
      }
      return jobs.size
    },
    stop() {
      hook.disable()
      jobs.clear()
    },
  }
}
