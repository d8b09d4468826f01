import { z } from 'zod'
import { PLAIN, type Route } from '../route.js'
import { taskId } from '../schemas/parameters.js'
import { CompletionJson } from './completion.js'
import { ChatCompletionJson } from './request.js'

export const ModelJson = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.number(),
    owned_by: z.string(),
    context_window: z.number(),
  })
  .meta({ id: 'Model' })

/** What OpenAI clients speak, under /v1. */
export const OPENAI_ROUTES = {
  models: {
    ...PLAIN,
    method: 'get',
    path: '/models',
    summary: 'Models that workers offer now.',
    needs: 'models:read',
    response: z.object({ object: z.literal('list'), data: z.array(ModelJson) }),
  },
  model: {
    ...PLAIN,
    method: 'get',
    path: '/models/{id}',
    tail: true,
    summary: 'One model.',
    needs: 'models:read',
    params: z.strictObject({ id: z.string().min(1).max(128) }),
    response: ModelJson,
  },
  chat: {
    ...PLAIN,
    method: 'post',
    path: '/chat/completions',
    summary: 'A chat completion, whole or (stream: true) as server-sent events.',
    needs: 'tasks:write',
    headers: z.object({ 'idempotency-key': taskId.optional() }),
    body: ChatCompletionJson,
    response: CompletionJson,
  },
} as const satisfies Record<string, Route>
