import { EdgeCoderError } from '../../../core/errors.js'
import type { Engine, Generation } from '../../../ports/engine.js'
import type { Step } from '../output-log.js'
import type { AttemptComponents, AttemptContext, UsageCount } from './attempt.js'

export interface Answer {
  readonly text: string
  readonly finishReason: 'stop' | 'length'
  readonly completionTokens: number
}

/** Longest answer taken, in UTF-16 units: as UTF-8 it fits into one file of a result. */
const MAX_ANSWER_UNITS = 1_350_000

/**
 * Lets the engine answer one prompt, sends its tokens on as they come, and counts what it used. An answer
 * that grows past its bound is cut there, as by the token limit.
 *
 * @throws EdgeCoderError as Engine.generate does; `engine-failed` when it does not end as its contract says
 */
export async function answer(
  components: AttemptComponents,
  context: AttemptContext,
  generation: Generation,
  step: Step,
  usage: UsageCount,
  engine: Engine,
): Promise<Answer> {
  const { clock, limits } = components
  const { headway, output, signal } = context
  const startMs = clock.monotonicMs()
  const parts: string[] = []
  let units = 0
  let tokens = 0
  headway.enter('prompt', limits.firstTokenMs)
  try {
    for await (const event of engine.generate(generation, signal)) {
      if (event.type === 'end') {
        usage.promptTokens += event.promptTokens
        usage.completionTokens += event.completionTokens
        const { finishReason, completionTokens } = event
        return { text: parts.join(''), finishReason, completionTokens }
      }
      units += event.text.length
      tokens += event.tokens
      if (units > MAX_ANSWER_UNITS) {
        usage.completionTokens += tokens
        return { text: parts.join(''), finishReason: 'length', completionTokens: tokens }
      }
      headway.enter('generating')
      headway.addTokens(event.tokens)
      parts.push(event.text)
      output.push(event.text, event.tokens, step)
      const room = output.room()
      if (room !== undefined) await room
    }
  } finally {
    usage.engineMs += clock.monotonicMs() - startMs
  }
  throw new EdgeCoderError('engine-failed', 'the engine stopped without an end')
}
