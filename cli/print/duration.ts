/** `12 ms`, `3.4 s`, `5 min`, `2.1 h`: three digits say enough. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 90_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`
  return `${(ms / 3_600_000).toFixed(1)} h`
}

/** How long ago, by this machine's clock. */
export function ago(atMs: number): string {
  return `${duration(Math.max(0, Date.now() - atMs))} ago`
}
