import type { LogReach, Reach } from '../../src/ports/log-reach.js'

/** One that is on its disk at once, so that it says more than any file would; given again, it is as it was left. */
export function memoryLogReach(known: Map<string, Reach> = new Map()): LogReach {
  return { known, note: (origin, reach) => void known.set(origin, reach), async settle() {} }
}
