/**
 * Long work whose progress is pulled: of what it tells between two pulls, the latest.
 *
 * @param work ends soon after its signal: that aborts with `signal`, or when nobody pulls any more
 * @returns what the work returns; throws what it throws
 */
export async function* withProgress<P, R>(
  work: (tell: (progress: P) => void, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal,
): AsyncGenerator<P, R> {
  const stop = new AbortController()
  let told: { readonly progress: P } | undefined
  let ended = false
  let news = Promise.withResolvers<void>()
  const tell = (progress: P): void => {
    told = { progress }
    news.resolve()
  }
  const done = work(tell, AbortSignal.any([signal, stop.signal])).finally(() => {
    ended = true
    news.resolve()
  })
  // Thrown below, where it is awaited; or of no interest, when nobody waits.
  done.catch(() => {})
  try {
    for (;;) {
      await news.promise
      news = Promise.withResolvers()
      if (ended) return await done
      const latest = told
      told = undefined
      if (latest !== undefined) yield latest.progress
    }
  } finally {
    stop.abort()
  }
}
