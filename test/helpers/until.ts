/**
 * Waits until `look` finds something, asking again as soon as the last look is answered (and at most every 50 ms).
 *
 * @param goesOn asked before each look; what is waited for can no longer come once it is false
 * @throws when nothing was found within `withinMs`; the message says what was waited for and what the last look threw
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 30_000,
  goesOn: () => boolean = () => true,
): Promise<T> {
  const deadlineMs = performance.now() + withinMs
  let last: unknown
  for (;;) {
    if (!goesOn()) throw new Error(`waited in vain for ${what}`, { cause: last })
    try {
      const found = await look()
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() > deadlineMs) {
      throw new Error(`waited ${withinMs} ms for ${what}`, last === undefined ? {} : { cause: last })
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
}
