/**
 * Gets and prepares the next item while the present one is used: disk and other threads work meanwhile.
 *
 * @param prepare must not throw for what an item holds
 */
export async function* lookAhead<T, R>(
  items: AsyncIterable<T>,
  prepare: (item: T) => Promise<R>,
): AsyncIterable<readonly [item: T, prepared: R]> {
  const source = items[Symbol.asyncIterator]()
  try {
    let next = pull(source, prepare)
    for (let now = await next; now !== undefined; now = await next) {
      next = pull(source, prepare)
      // If the present one fails, nobody waits for the next any more.
      next.catch(() => {})
      yield [now[0], await now[1]]
    }
  } finally {
    await source.return?.()
  }
}

async function pull<T, R>(
  source: AsyncIterator<T>,
  prepare: (item: T) => Promise<R>,
): Promise<readonly [item: T, prepared: Promise<R>] | undefined> {
  const { done, value } = await source.next()
  if (done === true) return undefined
  const prepared = prepare(value)
  prepared.catch(() => {})
  return [value, prepared]
}
