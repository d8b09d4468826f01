import { EdgeCoderError } from '../core/errors.js'
import type { Log } from '../ports/log.js'

/** One part of a node, started after those before it in the list and stopped before them. */
export interface Part {
  readonly name: string
  start(): Promise<void>
  /** Must return soon after `signal` aborts. */
  stop(signal: AbortSignal): Promise<void>
  /** Longest its stop may take; after that it is left behind and said so. */
  readonly stopMs: number
}

/** Starts in order; when one fails, those already started are stopped again, and the failure is thrown. */
export async function startParts(parts: readonly Part[], log: Log): Promise<void> {
  const started: Part[] = []
  for (const part of parts) {
    try {
      await part.start()
      started.push(part)
    } catch (error) {
      log.error('part-start-failed', { part: part.name, error: asError(error) })
      await stopParts(started, log)
      throw error
    }
  }
}

/**
 * Stops in reverse order, each within its deadline; one that fails does not keep the others from stopping.
 */
export async function stopParts(parts: readonly Part[], log: Log, hurry?: AbortSignal): Promise<void> {
  for (const part of parts.toReversed()) {
    const deadline = AbortSignal.timeout(part.stopMs)
    const signal = hurry === undefined ? deadline : AbortSignal.any([deadline, hurry])
    try {
      await Promise.race([part.stop(signal), overdue(part, signal)])
    } catch (error) {
      log.warn('part-stop-failed', { part: part.name, error: asError(error) })
    }
  }
}

/** A second past the signal, for a part that ignores it. */
function overdue(part: Part, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const late = () =>
      setTimeout(() => {
        reject(new EdgeCoderError('timed-out', `${part.name} did not stop in ${part.stopMs} ms`))
      }, 1_000).unref()
    if (signal.aborted) late()
    else signal.addEventListener('abort', late, { once: true })
  })
}

/** Whatever was thrown, as an error. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

const QUICK_STOP_MS = 5_000

/** A part that takes no time to stop. */
export function quick(name: string, start: () => Promise<void>, stop: () => Promise<void>): Part {
  return { name, start, stop, stopMs: QUICK_STOP_MS }
}
