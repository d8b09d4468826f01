/** Work done one after the other, so that what one looked at is what it changes; a failure holds up nobody. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  next<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work)
    this.#last = mine.catch(() => {})
    return mine
  }
}
