import { z } from 'zod'
import { EdgeCoderError } from '../../core/errors.js'
import type { GenerationEvent } from '../../ports/engine.js'
import { faultInStream } from './server-faults.js'

/** As many as a receipt can say. */
const count = z.number().int().min(0).max(0xffff_ffff)
const chunk = z.looseObject({
  choices: z
    .array(
      z.looseObject({
        delta: z
          .looseObject({
            content: z.string().nullish(),
            // What a model thinks: llama.cpp and vLLM name it so, Ollama and LM Studio the other way.
            reasoning_content: z.string().nullish(),
            reasoning: z.string().nullish(),
          })
          .nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .default([]),
  usage: z.looseObject({ prompt_tokens: count, completion_tokens: count }).nullish(),
  error: z.unknown().optional(),
})

/** Reads the chunks of one streamed chat completion. */
export interface ChatStream {
  /**
   * @param data one event's data
   * @returns the text event it makes, if any
   * @throws EdgeCoderError `engine-failed` when it is no chunk; what the server says went wrong, when it
   *   says so
   */
  read(data: string): GenerationEvent | undefined
  /**
   * To be called at the end of the stream.
   *
   * @returns tokens that were counted but not shown, then the end
   * @throws EdgeCoderError `engine-failed` when the stream broke off
   */
  end(): readonly GenerationEvent[]
}

/** Text of one answer, as a task result may hold it. */
const LONGEST_TEXT_CHARS = 8 * 1024 * 1024

/** @param promptChars length of the prompt, to estimate its tokens for a server that counts none */
export function createChatStream(promptChars: number): ChatStream {
  let finish: string | undefined
  let usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | undefined
  let tokens = 0
  let chars = 0
  let done = false

  return {
    read(data) {
      if (data === '[DONE]') done = true
      if (done) return undefined
      const parsed = parseChunk(data)
      usage = parsed.usage ?? usage
      const choice = parsed.choices[0]
      finish = choice?.finish_reason ?? finish
      const text = choice?.delta?.content ?? ''
      const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? ''
      if (text === '' && thought === '') return undefined
      tokens++
      chars += text.length
      if (chars > LONGEST_TEXT_CHARS) {
        throw new EdgeCoderError('engine-failed', 'The engine sent more than 8 MiB of text.')
      }
      return { type: 'text', text, tokens: 1 }
    },
    end() {
      if (finish === undefined) {
        throw new EdgeCoderError('engine-failed', 'The engine ended its answer before it was done.')
      }
      const promptTokens = usage?.prompt_tokens ?? Math.ceil(promptChars / 4)
      const completionTokens = usage?.completion_tokens ?? tokens
      const unseen = completionTokens - tokens
      const end: GenerationEvent = {
        type: 'end',
        finishReason: finish === 'length' ? 'length' : 'stop',
        promptTokens,
        completionTokens,
      }
      return unseen > 0 ? [{ type: 'text', text: '', tokens: unseen }, end] : [end]
    },
  }
}

function parseChunk(data: string): z.infer<typeof chunk> {
  let json: unknown
  try {
    json = JSON.parse(data)
  } catch {
    throw new EdgeCoderError('engine-failed', 'The engine sent a chunk that is no JSON.')
  }
  const parsed = chunk.safeParse(json)
  if (!parsed.success) throw new EdgeCoderError('engine-failed', 'The engine sent a chunk of unknown form.')
  if (parsed.data.error !== undefined && parsed.data.error !== null) throw faultInStream(parsed.data.error)
  return parsed.data
}
