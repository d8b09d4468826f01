/** Memory that many share: taken in bytes, refused or waited for when it is all taken. */
export class ByteBudget {
  readonly #maxBytes: number
  #usedBytes = 0
  readonly #queue: { readonly bytes: number; readonly go: () => void }[] = []

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @returns false when there is no room; nothing is taken then */
  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#maxBytes) return false
    this.#usedBytes += bytes
    return true
  }

  /** Waits its turn, first come first served. One that is larger than all of it goes alone. */
  taken(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#queue.push({ bytes, go: resolve })
      this.#next()
    })
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes
    this.#next()
  }

  #next(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      if (this.#usedBytes > 0 && this.#usedBytes + first.bytes > this.#maxBytes) return
      this.#queue.shift()
      this.#usedBytes += first.bytes
      first.go()
    }
  }
}
