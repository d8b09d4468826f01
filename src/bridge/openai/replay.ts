/**
 * Text already streamed to a client when an attempt is replaced by another. A client cannot take text back,
 * so a new attempt may only go on where it says the same; with the same seed and model it should.
 *
 * Holds all text sent, at most the bound of a result.
 */
export class Replay {
  #sent = ''
  /** How much of {@link #sent} the running attempt has said again. */
  #position = 0

  /** A new attempt says everything from the start. */
  reset(): void {
    this.#position = 0
  }

  /** @returns what of `text` is new, or undefined when it differs from what was sent */
  next(text: string): string | undefined {
    if (this.caughtUp) {
      // Nearly always so; reading into a text that still grows would copy all of it each time.
      this.#sent += text
      this.#position += text.length
      return text
    }
    const known = this.#sent.slice(this.#position, this.#position + text.length)
    if (!text.startsWith(known)) return undefined
    const fresh = text.slice(known.length)
    this.#sent += fresh
    this.#position += text.length
    return fresh
  }

  /** Whether the running attempt has said all that was sent. */
  get caughtUp(): boolean {
    return this.#position === this.#sent.length
  }
}
