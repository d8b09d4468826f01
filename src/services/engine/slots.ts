import { EdgeCoderError } from '../../core/errors.js'
import { cancelled } from './cancellation.js'

/** Turns at an engine that can do only so much at once; first come, first served. */
export interface Slots {
  /**
   * Waits for a turn. Call what it returns once, when the turn is over.
   *
   * @throws EdgeCoderError `engine-unavailable` when too many wait already or the slots were closed,
   *   `cancelled`
   */
  take(signal: AbortSignal): Promise<() => void>
  /** Turns taken now. */
  readonly busy: number
  /** Turns away those who wait, now and later. */
  close(reason: EdgeCoderError): void
}

interface Waiter {
  readonly grant: () => void
  readonly refuse: (reason: EdgeCoderError) => void
}

export function createSlots(init: { readonly count: number; readonly mostWaiting: number }): Slots {
  let busy = 0
  let closed: EdgeCoderError | undefined
  // A Set keeps order and forgets a waiter that gave up in one step.
  const waiting = new Set<Waiter>()

  const release = (): void => {
    busy--
    const [next] = waiting
    if (next === undefined) return
    waiting.delete(next)
    next.grant()
  }

  const turn = (): (() => void) => {
    busy++
    let over = false
    return () => {
      if (!over) release()
      over = true
    }
  }

  const wait = (signal: AbortSignal): Promise<() => void> =>
    new Promise((resolve, reject) => {
      const giveUp = (): void => waiter.refuse(cancelled())
      const waiter: Waiter = {
        grant: () => {
          signal.removeEventListener('abort', giveUp)
          resolve(turn())
        },
        refuse: (reason) => {
          waiting.delete(waiter)
          signal.removeEventListener('abort', giveUp)
          reject(reason)
        },
      }
      waiting.add(waiter)
      signal.addEventListener('abort', giveUp, { once: true })
    })

  return {
    get busy() {
      return busy
    },
    async take(signal) {
      if (closed !== undefined) throw closed
      if (signal.aborted) throw cancelled()
      if (busy < init.count) return turn()
      if (waiting.size >= init.mostWaiting) {
        throw new EdgeCoderError('engine-unavailable', 'Too many generations wait for the engine.')
      }
      return wait(signal)
    },
    close(reason) {
      closed = reason
      for (const waiter of waiting) waiter.refuse(reason)
    },
  }
}
