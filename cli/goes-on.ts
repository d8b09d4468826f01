import { EdgeCoderError } from '../src/core/errors.js'
import type { Session } from './session.js'

/** What a command has set going, and how it is looked at again. */
interface Going {
  /** A sentence. */
  readonly what: string
  readonly next: string
}

/**
 * Waits for what goes on by itself.
 *
 * @throws EdgeCoderError when the session ends before it (Ctrl-C, --timeout), with what goes on; what `wait`
 *   throws
 */
export async function waiting<T>(
  { signal }: Session,
  { what, next }: Going,
  wait: () => Promise<T>,
): Promise<T> {
  try {
    return await wait()
  } catch (cause) {
    const reason: unknown = signal.reason
    if (!(reason instanceof EdgeCoderError)) throw cause
    throw new EdgeCoderError(reason.code, `${reason.message} ${what}`, { next, cause })
  }
}
