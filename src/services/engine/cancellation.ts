import { EdgeCoderError } from '../../core/errors.js'
import type { Clock } from '../../ports/clock.js'

export function cancelled(): EdgeCoderError {
  return new EdgeCoderError('cancelled', 'The caller gave up this generation.')
}

/** Waits no longer than until `signal` aborts. @throws EdgeCoderError `cancelled` */
export async function orCancelled<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) throw cancelled()
  let listener: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    listener = () => reject(cancelled())
    signal.addEventListener('abort', listener, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    if (listener !== undefined) signal.removeEventListener('abort', listener)
  }
}

/** @throws EdgeCoderError `cancelled` */
export async function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  let cancel = (): void => {}
  const passed = new Promise<void>((resolve) => {
    cancel = clock.after(delayMs, resolve).cancel
  })
  try {
    await orCancelled(passed, signal)
  } finally {
    cancel()
  }
}
