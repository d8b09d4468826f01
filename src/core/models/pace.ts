/** Spreads what is sent, by everybody together, over time. */
export class Pace {
  /** When all that was let through is paid for. */
  #freeMs = 0

  /**
   * Lets so many bytes through.
   *
   * @param bytesPerS what may go in a second
   * @returns how long to wait before they are sent
   */
  take(bytes: number, bytesPerS: number, nowMs: number): number {
    const atMs = Math.max(this.#freeMs, nowMs)
    this.#freeMs = atMs + (bytes / bytesPerS) * 1_000
    return atMs - nowMs
  }
}
