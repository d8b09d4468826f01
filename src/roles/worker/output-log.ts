/** One piece of output, numbered from 1. */
export interface Output extends Step {
  readonly seq: number
  readonly text: string
  readonly tokens: number
}

/** Which step of a solve or test a text belongs to; a chat has none. */
export interface Step {
  readonly stage: '' | 'plan' | 'code' | 'test' | 'mend'
  readonly iteration: number
}

export const NO_STEP: Step = { stage: '', iteration: 0 }

/** The wire allows 64 KiB of UTF-8 in one output; three bytes a UTF-16 unit is the most. */
const MAX_TEXT_UNITS = 20_000

/**
 * Outputs of one attempt: tokens gather in one piece until it is sealed, and sealed pieces are kept, within a
 * bound, for a gateway that lost its link and asks for those it has not seen.
 */
export class OutputLog {
  readonly #maxUnits: number
  #sealed: Output[] = []
  #sealedUnits = 0
  #lastSeq = 0
  #text = ''
  #tokens = 0
  #step: Step = NO_STEP

  /** @param maxUnits text kept, in UTF-16 units */
  constructor(maxUnits: number) {
    this.#maxUnits = maxUnits
  }

  /** Tokens gathered and not sealed. */
  get gatheredTokens(): number {
    return this.#tokens
  }

  get isGathering(): boolean {
    return this.#text !== ''
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Is the next text of another step, so that what is gathered must be sealed first? */
  add(text: string, tokens: number, step: Step): void {
    if (step.stage !== this.#step.stage || step.iteration !== this.#step.iteration) this.seal()
    this.#step = step
    this.#text += text
    this.#tokens += tokens
    if (this.#text.length >= MAX_TEXT_UNITS) this.seal()
  }

  /** Makes numbered pieces of what is gathered. */
  seal(): void {
    for (let at = 0; at < this.#text.length; ) {
      let end = Math.min(at + MAX_TEXT_UNITS, this.#text.length)
      if (end < this.#text.length && isHighSurrogate(this.#text.charCodeAt(end - 1))) end--
      const last = end === this.#text.length
      const text = this.#text.slice(at, end)
      this.#sealed.push({ seq: ++this.#lastSeq, text, ...this.#step, tokens: last ? this.#tokens : 0 })
      this.#sealedUnits += text.length
      at = end
    }
    if (this.#text !== '') this.#tokens = 0
    this.#text = ''
  }

  /** Lets go of the oldest pieces up to `seq` that are over the bound. */
  trim(seq: number): void {
    let drop = 0
    for (const piece of this.#sealed) {
      if (this.#sealedUnits <= this.#maxUnits || piece.seq > seq) break
      this.#sealedUnits -= piece.text.length
      drop++
    }
    if (drop > 0) this.#sealed = this.#sealed.slice(drop)
  }

  /** The piece with this number; undefined = not sealed yet, or let go. */
  at(seq: number): Output | undefined {
    const first = this.#sealed[0]?.seq
    return first === undefined ? undefined : this.#sealed[seq - first]
  }

  /** Text after `seq` that is not sent, in UTF-16 units, give or take what is gathered. */
  unitsAfter(seq: number): number {
    const first = this.#sealed[0]?.seq ?? this.#lastSeq + 1
    let units = this.#text.length
    for (let i = Math.max(0, seq + 1 - first); i < this.#sealed.length; i++) {
      units += this.#sealed[i]?.text.length ?? 0
    }
    return units
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
