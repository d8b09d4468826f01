import { z } from 'zod'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { ChatMessage } from '../../ports/engine.js'
import type { ChatRequest } from '../../roles/gateway/gateway.js'
import { given } from '../schemas/submission.js'

const TEXT_CHARACTERS = 4_194_304

const Part = z.looseObject({ type: z.string(), text: z.string().max(TEXT_CHARACTERS).optional() })

const Message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z
    .union([z.string().max(TEXT_CHARACTERS), z.array(Part).max(256)], 'must be a text or a list of parts')
    .nullish(),
})

/** What of a chat completion request is read; other fields are tolerated and change nothing. */
export const ChatCompletionJson = z
  .looseObject({
    model: z.string().min(1).max(128),
    messages: z.array(Message).min(1).max(1024),
    stream: z.boolean().nullish(),
    stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
    max_tokens: z.number().int().min(1).max(1_048_576).nullish(),
    max_completion_tokens: z.number().int().min(1).max(1_048_576).nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    seed: z.number().int().nullish(),
    stop: z
      .union([z.string().min(1).max(256), z.array(z.string().min(1).max(256)).max(8)], 'must be 1 to 8 texts')
      .nullish(),
    n: z.number().int().min(1).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().nullish(),
    tools: z.array(z.unknown()).nullish(),
    functions: z.array(z.unknown()).nullish(),
    audio: z.unknown().optional(),
    modalities: z.array(z.string()).nullish(),
    response_format: z.looseObject({ type: z.string() }).nullish(),
  })
  .meta({ id: 'ChatCompletionRequest' })

export type ChatCompletionJson = z.output<typeof ChatCompletionJson>

/** A refusal that names the field it is about. */
export interface FieldRefusal {
  readonly why: Refusal
  readonly field: string
}

/** What is asked for as a chat task, or what of it no worker here can do. */
export function chatRequest(json: ChatCompletionJson): Omit<ChatRequest, 'account'> | FieldRefusal {
  const field = unsupportedField(json)
  if (field !== undefined) return unsupported(field, `${field} is not supported here`)
  const messages: ChatMessage[] = []
  for (const [index, message] of json.messages.entries()) {
    const read = chatMessage(message, `messages.${index}`)
    if ('why' in read) return read
    messages.push(read)
  }
  const { temperature, top_p, seed, stop } = json
  const sampling = given({
    temperature: temperature ?? undefined,
    topP: top_p ?? undefined,
    // Ours is 32 bits without a sign; theirs is any integer.
    seed: typeof seed === 'number' ? seed >>> 0 : undefined,
    stop: typeof stop === 'string' ? [stop] : (stop ?? undefined),
  })
  const maxOutputTokens = json.max_completion_tokens ?? json.max_tokens ?? undefined
  return { kind: 'chat', model: json.model, messages, sampling, ...given({ maxOutputTokens }) }
}

function unsupportedField(json: ChatCompletionJson): string | undefined {
  if ((json.n ?? 1) > 1) return 'n'
  if (json.logprobs === true) return 'logprobs'
  if ((json.top_logprobs ?? 0) > 0) return 'top_logprobs'
  if ((json.tools ?? []).length > 0) return 'tools'
  if ((json.functions ?? []).length > 0) return 'functions'
  if (json.audio !== undefined && json.audio !== null) return 'audio'
  if ((json.modalities ?? []).some((modality) => modality !== 'text')) return 'modalities'
  if ((json.response_format?.type ?? 'text') !== 'text') return 'response_format'
  return undefined
}

function chatMessage(message: z.output<typeof Message>, at: string): ChatMessage | FieldRefusal {
  const { role, content } = message
  if (role === 'tool' || role === 'function')
    return unsupported(`${at}.role`, `role ${role} is not supported`)
  if (typeof content !== 'string') {
    const strange = (content ?? []).findIndex((part) => part.type !== 'text' || part.text === undefined)
    if (strange >= 0) return unsupported(`${at}.content.${strange}`, 'only parts of type text are supported')
  }
  const text = typeof content === 'string' ? content : (content ?? []).map((part) => part.text).join('')
  return { role: role === 'developer' ? 'system' : role, content: text }
}

function unsupported(field: string, detail: string): FieldRefusal {
  return { why: refusal('bad-request', detail, { next: `Leave ${field} out.` }), field }
}
