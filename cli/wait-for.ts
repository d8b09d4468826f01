import { setTimeout as sleep } from 'node:timers/promises'
import { EdgeCoderError } from '../src/core/errors.js'
import { createProgress } from './print/progress.js'
import type { Session } from './session.js'

const LOOK_MS = 500
/** A node that restarts meanwhile is waited for so long. */
const AWAY_MS = 60_000

/** What a look came to: all that was waited for, or what is left. */
export type Looked<T> = { readonly done: T } | { readonly left: string }

/**
 * Looks again and again until it is done, and shows what is left.
 *
 * @param look asks a node; connecting anew each time, since its token is another one after a restart
 * @throws EdgeCoderError when the node is away for long; what ended the session; all others at once
 */
export async function waitFor<T>(session: Session, look: () => Promise<Looked<T>>): Promise<T> {
  const progress = createProgress(session.out)
  let heardMs = Date.now()
  try {
    for (;;) {
      try {
        const looked = await look()
        heardMs = Date.now()
        if ('done' in looked) return looked.done
        progress.show(looked.left)
      } catch (cause) {
        const isAway = cause instanceof EdgeCoderError && AWAY.has(cause.code)
        if (session.signal.aborted || !isAway || Date.now() - heardMs > AWAY_MS) throw cause
      }
      await sleep(LOOK_MS, undefined, { signal: session.signal }).catch(() => session.signal.throwIfAborted())
    }
  } finally {
    progress.end()
  }
}

/** What a node says, or who asks it, while it restarts. */
const AWAY: ReadonlySet<string> = new Set(['unreachable', 'unauthorized', 'shutting-down', 'link-closed'])
