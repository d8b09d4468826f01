import OpenAI, { APIError, APIUserAbortError, AuthenticationError, NotFoundError } from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { refusal } from '../../../src/core/refusal.js'
import type { ChatRequest } from '../../../src/roles/gateway/gateway.js'
import { type BridgeUnderTest, bodyOf, startBridge } from '../../helpers/bridge-under-test.js'
import type { FakeTask } from '../../helpers/fake-gateway.js'

let b: BridgeUnderTest
let client: OpenAI
beforeEach(async () => {
  b = await startBridge()
  client = new OpenAI({ baseURL: `${b.url}/v1`, apiKey: b.secret, maxRetries: 0 })
})
afterEach(() => b.stop())

const MESSAGES = [{ role: 'user' as const, content: 'write isPrime' }]
const ASK = { model: 'tiny-coder', messages: MESSAGES }

function answer(...texts: string[]): void {
  b.gateway.onSubmit = (task) => {
    for (const text of texts) b.gateway.text(task, text)
    b.gateway.finish(task)
  }
}

async function thrownBy(call: () => PromiseLike<unknown>): Promise<APIError> {
  try {
    await call()
  } catch (error) {
    if (error instanceof APIError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('models', () => {
  it('are listed and shown, names with a slash too', async () => {
    const listed: string[] = []
    for await (const model of client.models.list()) listed.push(model.id)
    expect(listed).toEqual(['tiny-coder', 'org/coder:7b'])
    expect(await client.models.retrieve('org/coder:7b')).toMatchObject({
      id: 'org/coder:7b',
      object: 'model',
      owned_by: 'edgecoder',
    })
    const plain = await b.get('/v1/models/org/coder:7b')
    expect((await bodyOf(plain)).id).toBe('org/coder:7b')
  })

  it('unknown: 404 model_not_found that names what there is', async () => {
    const error = await thrownBy(() => client.models.retrieve('gpt-x'))
    expect(error).toBeInstanceOf(NotFoundError)
    expect([error.status, error.code, error.type]).toEqual([404, 'model_not_found', 'invalid_request_error'])
    expect(error.message).toContain('tiny-coder')
  })
})

describe('a whole completion', () => {
  it('has the text, why it ended, the counts and a request id', async () => {
    answer('function ', 'isPrime() {}')
    const { data, request_id } = await client.chat.completions.create(ASK).withResponse()
    expect(data).toMatchObject({
      id: 'chatcmpl-task-1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'tiny-coder',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'function isPrime() {}' },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 },
    })
    expect(request_id).toMatch(/^[0-9A-Z]{26}$/)
  })

  it('passes every option on, and tolerates those that change nothing', async () => {
    answer('x')
    await client.chat.completions.create({
      model: 'tiny-coder',
      messages: [
        { role: 'developer', content: 'be short' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
        { role: 'assistant', content: null },
        { role: 'user', content: 'go' },
      ],
      max_completion_tokens: 99,
      temperature: 0.25,
      top_p: 0.5,
      seed: -1,
      stop: 'END',
      n: 1,
      user: 'u',
      frequency_penalty: 0.5,
      logit_bias: {},
      tools: [],
      response_format: { type: 'text' },
      metadata: { a: 'b' },
    })
    expect(b.gateway.submitted).toEqual([
      {
        kind: 'chat',
        account: 'acme',
        model: 'tiny-coder',
        messages: [
          { role: 'system', content: 'be short' },
          { role: 'user', content: 'ab' },
          { role: 'assistant', content: '' },
          { role: 'user', content: 'go' },
        ],
        maxOutputTokens: 99,
        sampling: { temperature: 0.25, topP: 0.5, seed: 4_294_967_295, stop: ['END'] },
      } satisfies ChatRequest,
    ])
  })

  it('is made once for one idempotency key', async () => {
    answer('x')
    const options = { headers: { 'Idempotency-Key': 'once' } }
    const first = await client.chat.completions.create(ASK, options)
    const second = await client.chat.completions.create(ASK, options)
    expect(second).toEqual(first)
    expect(b.gateway.submitted).toHaveLength(1)
  })

  it('of a task that fails is an error with its reason', async () => {
    b.gateway.onSubmit = (task) => b.gateway.fail(task, refusal('attempts-exhausted', 'three workers failed'))
    const error = await thrownBy(() => client.chat.completions.create(ASK))
    expect([error.status, error.code, error.type]).toEqual([502, 'attempts-exhausted', 'server_error'])
    expect(error.message).toContain('three workers failed')
  })

  it('is cancelled when its client goes away', async () => {
    const gone = new AbortController()
    const asked = client.chat.completions.create(ASK, { signal: gone.signal })
    await b.gateway.until(() => b.gateway.open === 1)
    gone.abort()
    await expect(asked).rejects.toBeInstanceOf(APIUserAbortError)
    await b.gateway.until(() => b.gateway.cancelled.length === 1)
    expect(b.gateway.cancelled).toEqual([{ id: 'task-1', reason: 'client-gone' }])
  })
})

describe('a refused completion', () => {
  it.each([
    ['n', { n: 2 }],
    ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
    ['functions', { functions: [{ name: 'f' }] }],
    ['logprobs', { logprobs: true }],
    ['top_logprobs', { top_logprobs: 2 }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['modalities', { modalities: ['audio'] }],
    ['audio', { audio: { voice: 'x' } }],
    ['messages.0.role', { messages: [{ role: 'tool', content: 'x', tool_call_id: 'c' }] }],
    [
      'messages.0.content.1',
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'image_url' }] }] },
    ],
    ['messages', { messages: [] }],
    ['messages.0.content', { messages: [{ role: 'user', content: 7 }] }],
    ['temperature', { temperature: 9 }],
    ['max_tokens', { max_tokens: 0 }],
    ['stop', { stop: Array(9).fill('x') }],
    ['model', { model: undefined }],
  ])('names %s', async (param, extra) => {
    const response = await b.post('/v1/chat/completions', { ...ASK, ...extra })
    expect(response.status).toBe(400)
    const { error } = await bodyOf(response)
    expect(error).toEqual({
      message: expect.stringContaining(param.split('.')[0] === 'messages' ? '' : param),
      type: 'invalid_request_error',
      param,
      code: 'bad-request',
    })
    expect(error.message).not.toBe('')
    expect(b.gateway.submitted).toEqual([])
  })

  it('has the envelope whatever went wrong', async () => {
    const wrongKey = new OpenAI({ baseURL: `${b.url}/v1`, apiKey: 'ec_wrong', maxRetries: 0 })
    const unauthorized = await thrownBy(() => wrongKey.chat.completions.create(ASK))
    expect(unauthorized).toBeInstanceOf(AuthenticationError)
    expect(unauthorized.code).toBe('invalid_api_key')

    const unknown = await thrownBy(() => client.chat.completions.create({ ...ASK, model: 'gpt-x' }))
    expect([unknown.status, unknown.code]).toEqual([404, 'model_not_found'])

    const noRoute = await thrownBy(() => client.embeddings.create({ model: 'm', input: 'x' }))
    expect([noRoute.status, noRoute.code]).toEqual([404, 'not-found'])

    b.gateway.refuse = refusal('account-queue-full', 'too many tasks', { retryAfterMs: 4_000 })
    const full = await thrownBy(() => client.chat.completions.create(ASK))
    expect([full.status, full.code, full.headers?.get('retry-after')]).toEqual([
      429,
      'rate_limit_exceeded',
      '4',
    ])

    const malformed = await b.post('/v1/chat/completions', '{')
    expect([malformed.status, (await bodyOf(malformed)).error.type]).toEqual([400, 'invalid_request_error'])
  })

  it('says at once that no coordinator is attached, instead of waiting for one', async () => {
    b.gateway.notReady = refusal('no-coordinator', 'no coordinator is attached')
    const error = await thrownBy(() => client.chat.completions.create({ ...ASK, stream: true }))
    expect([error.status, error.code, error.headers?.get('retry-after')]).toEqual([
      503,
      'no-coordinator',
      '2',
    ])
    expect(b.gateway.submitted).toEqual([])
  })

  it('of a model that fits no prompt reads as OpenAI says it', async () => {
    b.gateway.refuse = refusal('context-too-long', 'too long')
    const error = await thrownBy(() => client.chat.completions.create(ASK))
    expect([error.status, error.code]).toEqual([400, 'context_length_exceeded'])
  })
})

describe('a streamed completion', () => {
  let task: FakeTask
  beforeEach(() => {
    b.gateway.onSubmit = (submitted) => {
      task = submitted
    }
  })

  it('gives the text as it comes, then why it ended; usage only when asked for', async () => {
    const stream = await client.chat.completions.create({ ...ASK, stream: true })
    const chunks = stream[Symbol.asyncIterator]()
    expect((await chunks.next()).value?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' })
    b.gateway.text(task, 'one ')
    expect((await chunks.next()).value?.choices[0]?.delta).toEqual({ content: 'one ' })
    b.gateway.text(task, 'two')
    expect((await chunks.next()).value?.choices[0]?.delta).toEqual({ content: 'two' })
    b.gateway.finish(task, { finishReason: 'length' })
    const last = (await chunks.next()).value
    expect(last).toMatchObject({ id: 'chatcmpl-task-1', object: 'chat.completion.chunk' })
    expect(last?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'length' })
    expect(last).not.toHaveProperty('usage')
    expect((await chunks.next()).done).toBe(true)
  })

  it('ends with a chunk of counts when asked for', async () => {
    answer('x')
    const stream = await client.chat.completions.create({
      ...ASK,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks.slice(0, -1).map((chunk) => chunk.usage)).toEqual([null, null, null])
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 },
    })
    const raw = await (await b.post('/v1/chat/completions', { ...ASK, stream: true })).text()
    expect(raw.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('works through the helper of the client that collects it', async () => {
    answer('a', 'b', 'c')
    const final = await client.chat.completions.stream(ASK).finalChatCompletion()
    expect(final.choices[0]?.message.content).toBe('abc')
  })

  it('is cancelled when its client goes away', async () => {
    const stream = await client.chat.completions.create({ ...ASK, stream: true })
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.role !== undefined) b.gateway.text(task, 'x')
      else break
    }
    await b.gateway.until(() => b.gateway.cancelled.length === 1)
    expect(b.gateway.cancelled).toEqual([{ id: 'task-1', reason: 'client-gone' }])
    await b.gateway.until(() => b.gateway.open === 0)
  })

  it('does not cancel a task that another request had made', async () => {
    await b.post('/api/v1/tasks', { kind: 'chat', id: 'shared', ...ASK, sampling: {} })
    const options = { headers: { 'Idempotency-Key': 'shared' } }
    const stream = await client.chat.completions.create({ ...ASK, stream: true }, options)
    await b.gateway.until(() => b.gateway.open === 1)
    stream.controller.abort()
    await b.gateway.until(() => b.gateway.open === 0)
    expect(b.gateway.cancelled).toEqual([])
  })

  async function collected(script: () => void): Promise<string> {
    let text = ''
    const stream = await client.chat.completions.create({ ...ASK, stream: true })
    await b.gateway.until(() => b.gateway.open === 1)
    script()
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    return text
  }

  it('goes on without a seam when the next attempt says the same', async () => {
    const text = await collected(() => {
      b.gateway.text(task, 'function ')
      b.gateway.text(task, 'isPr')
      b.gateway.say(task, { type: 'reset', attempt: 2 })
      b.gateway.text(task, 'func', 2)
      b.gateway.text(task, 'tion isPrime', 2)
      b.gateway.text(task, '() {}', 2)
      b.gateway.finish(task, { text: 'function isPrime() {}' })
    })
    expect(text).toBe('function isPrime() {}')
  })

  it.each([
    ['says something else', ['other text']],
    ['says less', ['func']],
  ])('ends in an error when the next attempt %s', async (_name, texts) => {
    const error = await thrownBy(() =>
      collected(() => {
        b.gateway.text(task, 'function isPr')
        b.gateway.say(task, { type: 'reset', attempt: 2 })
        for (const text of texts) b.gateway.text(task, text, 2)
        b.gateway.finish(task)
      }),
    )
    expect(error.message).toContain('answers differently')
    await b.gateway.until(() => b.gateway.open === 0)
  })

  it('tells of a failure in the stream once it has begun', async () => {
    const error = await thrownBy(() =>
      collected(() => {
        b.gateway.text(task, 'x')
        b.gateway.fail(task, refusal('attempts-exhausted', 'three workers failed'))
      }),
    )
    expect(error.message).toContain('three workers failed')
    expect(b.gateway.cancelled).toEqual([])
  })

  it('tells its client when the node stops, and leaves the task', async () => {
    const stream = await client.chat.completions.create({ ...ASK, stream: true })
    await b.gateway.until(() => b.gateway.open === 1)
    const error = thrownBy(async () => {
      for await (const _ of stream) {
        // Until it ends.
      }
    })
    await b.bridge.stop()
    expect((await error).message).toContain('stopping')
    expect(b.gateway.cancelled).toEqual([])
  })
})
