import { expect, test } from 'vitest'
import { faultInStream, faultOfStatus } from '../../../../src/services/engine/server-faults.js'

const nowMs = Date.parse('2026-01-01T00:00:00Z')

test.each([
  // As the servers word it.
  [
    'llama.cpp',
    400,
    '{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}',
    'context-too-long',
  ],
  [
    'vLLM',
    400,
    '{"object":"error","message":"This model\'s maximum context length is 512 tokens.","code":400}',
    'context-too-long',
  ],
  ['OpenAI', 400, '{"error":{"message":"too long","code":"context_length_exceeded"}}', 'context-too-long'],
  [
    'Ollama',
    404,
    '{"error":{"message":"model \\"x\\" not found, try pulling it first","type":"not_found_error"}}',
    'model-missing',
  ],
  ['vLLM', 404, '{"message":"The model `x` does not exist.","type":"NotFoundError"}', 'model-missing'],
  ['LM Studio', 400, '{"error":{"code":"model_not_found"}}', 'model-missing'],
  ['another server', 404, '<h1>Not Found</h1>', 'engine-unavailable'],
  ['a locked server', 401, '{"error":"who are you?"}', 'engine-unavailable'],
  ['llama.cpp', 503, '{"error":{"code":503,"message":"Loading model"}}', 'engine-unavailable'],
  ['anyone', 500, '{"error":{"message":"CUDA out of memory"}}', 'engine-failed'],
  ['anyone', 400, '[]', 'engine-failed'],
])('%s, HTTP %i: %s is %s', (_, status, body, code) => {
  const fault = faultOfStatus(status, body, null, nowMs)
  expect(fault.code).toBe(code)
})

test('the words of the server, which may quote the prompt, are not passed on', () => {
  const body = '{"error":{"message":"cannot parse: my secret prompt"}}'
  const fault = faultOfStatus(400, body, null, nowMs)
  expect(`${fault.message} ${fault.next} ${fault.cause}`).not.toContain('secret')
})

test.each([
  ['2', 2_000],
  ['Thu, 01 Jan 2026 00:00:05 GMT', 5_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['99999999', 600_000],
  ['-1', 0],
  ['soon', 1_000],
  [null, 1_000],
])('Retry-After %s means %i ms', (header, ms) => {
  expect(faultOfStatus(429, '', header, nowMs).retryAfterMs).toBe(ms)
})

test('an error in the stream is told by its words', () => {
  expect(faultInStream({ type: 'exceed_context_size_error', message: 'x' }).code).toBe('context-too-long')
  expect(faultInStream('out of memory').code).toBe('engine-failed')
})
