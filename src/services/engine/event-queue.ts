import type { EdgeCoderError } from '../../core/errors.js'
import type { GenerationEvent } from '../../ports/engine.js'

type End = Extract<GenerationEvent, { type: 'end' }>

/**
 * Events between an engine that pushes and a reader that pulls. It holds at most one text event: while the
 * reader is
 * away, text gathers in it, so its size is bounded by the output of one generation.
 */
export class EventQueue {
  #text = ''
  #tokens = 0
  #outcome: End | EdgeCoderError | undefined
  #wake: (() => void) | undefined

  text(text: string, tokens: number): void {
    if (this.#outcome !== undefined) return
    this.#text += text
    this.#tokens += tokens
    this.#wake?.()
  }

  /** The first outcome counts. */
  end(event: End): void {
    this.#settle(event)
  }

  /** Text that was not read yet is dropped. */
  fail(reason: EdgeCoderError): void {
    this.#settle(reason)
  }

  /** For one reader. @throws the reason of {@link fail} */
  async *events(): AsyncGenerator<GenerationEvent, void, void> {
    for (;;) {
      const outcome = this.#outcome
      if (outcome instanceof Error) throw outcome
      if (this.#tokens > 0 || this.#text !== '') {
        const event: GenerationEvent = { type: 'text', text: this.#text, tokens: this.#tokens }
        this.#text = ''
        this.#tokens = 0
        yield event
      } else if (outcome !== undefined) {
        yield outcome
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    }
  }

  #settle(outcome: End | EdgeCoderError): void {
    this.#outcome ??= outcome
    this.#wake?.()
  }
}
