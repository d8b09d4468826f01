import { z } from 'zod'
import type { UsageView } from '../../roles/gateway/gateway.js'

const UsageJson = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number(),
  total_tokens: z.number(),
})

export const CompletionJson = z
  .object({
    id: z.string(),
    object: z.literal('chat.completion'),
    created: z.number(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.literal(0),
        message: z.object({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
        logprobs: z.null(),
        finish_reason: z.enum(['stop', 'length']),
      }),
    ),
    usage: UsageJson,
  })
  .meta({ id: 'ChatCompletion' })

interface Chunk {
  readonly delta?: { readonly role?: 'assistant'; readonly content?: string }
  readonly finishReason?: 'stop' | 'length'
}

/** What every chunk and answer of one completion says of itself. */
export interface CompletionHead {
  readonly id: string
  readonly created: number
  readonly model: string
}

export function usageJson(usage: UsageView): z.output<typeof UsageJson> {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
  }
}

/** @param withUsage the client asked for usage at the end, so every chunk before says that it has none */
export function chunkJson(head: CompletionHead, chunk: Chunk, withUsage: boolean): object {
  return {
    id: head.id,
    object: 'chat.completion.chunk',
    created: head.created,
    model: head.model,
    choices: [
      { index: 0, delta: chunk.delta ?? {}, logprobs: null, finish_reason: chunk.finishReason ?? null },
    ],
    ...(withUsage ? { usage: null } : {}),
  }
}

/** The chunk that closes a stream whose client asked for usage: it has no choice. */
export function usageChunkJson(head: CompletionHead, usage: UsageView): object {
  const { id, created, model } = head
  return { id, object: 'chat.completion.chunk', created, model, choices: [], usage: usageJson(usage) }
}
