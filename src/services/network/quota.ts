/** A token bucket. */
export interface Quota {
  /** @returns false when nothing is left: the caller is over its rate */
  take(): boolean
}

/** @param burst how much may come at once after a rest */
export function createQuota(perSecond: number, burst: number, nowMs: () => number): Quota {
  let left = burst
  let atMs = nowMs()
  return {
    take() {
      const now = nowMs()
      left = Math.min(burst, left + ((now - atMs) * perSecond) / 1000)
      atMs = now
      if (left < 1) return false
      left--
      return true
    },
  }
}
