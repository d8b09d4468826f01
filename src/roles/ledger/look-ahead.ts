/**
 * Prepares the next item while the present one is used: signatures are checked on other threads meanwhile.
 *
 * @param prepare must not throw for what an item holds
 */
export async function* lookAhead<T, R>(
  items: AsyncIterable<T>,
  prepare: (item: T) => Promise<R>,
): AsyncIterable<readonly [item: T, prepared: R]> {
  let before: readonly [T, Promise<R>] | undefined
  for await (const item of items) {
    const now = [item, prepare(item)] as const
    // If the one before fails, nobody waits for this one any more.
    now[1].catch(() => {})
    if (before !== undefined) yield [before[0], await before[1]]
    before = now
  }
  if (before !== undefined) yield [before[0], await before[1]]
}
