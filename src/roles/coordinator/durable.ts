import { type Refusal, refusal } from '../../core/refusal.js'
import type { Journal } from './journal.js'

/**
 * Starts the commit of all that was recorded, and resolves when it is on the disk.
 *
 * @param next what to do when it is not: it may be stored yet, with the next commit
 * @returns undefined = it is
 */
export function madeDurable(journal: Journal, next: string): Promise<Refusal | undefined> {
  const written = Promise.withResolvers<Refusal | undefined>()
  journal.onlyIfDurable(
    () => written.resolve(undefined),
    ({ code, message }) => written.resolve(refusal(code, `it cannot be stored now: ${message}`, { next })),
  )
  journal.flush()
  return written.promise
}
