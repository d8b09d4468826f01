import { EdgeCoderError } from '../src/core/errors.js'

/** A "no" after which what was sent may stand in the ledger. */
const UNKNOWN: ReadonlySet<string> = new Set([
  'unreachable',
  'link-closed',
  'cancelled',
  'interrupted',
  'timed-out',
  'store-full',
  'store-failed',
  'internal',
])

/**
 * Sends what is done once for an id. Whoever does not learn what became of it must know that it can be sent
 * again.
 */
export async function sentOnce<T>(id: string, send: () => Promise<T>): Promise<T> {
  try {
    return await send()
  } catch (error) {
    const unknown = error instanceof EdgeCoderError && UNKNOWN.has(error.code)
    if (!unknown) throw error
    throw new EdgeCoderError(error.code, `${error.message} It may have been sent all the same.`, {
      next: `Send it again with --id ${id}: it is done once.`,
      cause: error,
    })
  }
}
