import type { Store } from '../../ports/store.js'
import type { LogWriter } from './log-writer.js'

/**
 * Group commit of a log whose owner has no journal: what comes while a commit is under way shares the next.
 */
export interface LogCommitter {
  /**
   * Resolves when all that was appended before the call is durable.
   *
   * @throws EdgeCoderError `store-full`, `store-failed`: it is not; it stays appended, and goes with the next
   *   call
   */
  settle(): Promise<void>
}

interface Waiting {
  readonly size: number
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** Turns of the promise queue in which those who were just answered may append again, and share the write. */
const TURNS = 4

export function createLogCommitter(log: LogWriter, store: Store): LogCommitter {
  let waiting: Waiting[] = []
  let pumping = false

  async function pump(): Promise<void> {
    while (waiting.length > 0) {
      for (let turn = 0; turn < TURNS; turn++) await undefined
      try {
        await store.commit(log.writes())
      } catch (cause) {
        log.failed()
        const refused = waiting
        waiting = []
        for (const { reject } of refused) reject(cause)
        break
      }
      log.committed()
      const durable = log.head?.size ?? 0
      const answered = waiting.filter(({ size }) => size <= durable)
      waiting = waiting.filter(({ size }) => size > durable)
      for (const { resolve } of answered) resolve()
      for (let turn = 0; turn < TURNS; turn++) await undefined
    }
    pumping = false
  }

  return {
    settle() {
      const { size } = log
      if (size <= (log.head?.size ?? 0)) return Promise.resolve()
      return new Promise((resolve, reject) => {
        waiting.push({ size, resolve, reject })
        if (pumping) return
        pumping = true
        void pump()
      })
    },
  }
}
