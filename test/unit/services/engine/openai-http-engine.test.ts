import { afterEach, expect, test } from 'vitest'
import type { Engine, Generation } from '../../../../src/ports/engine.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import {
  createOpenAiHttpEngine,
  type OpenAiHttpInit,
} from '../../../../src/services/engine/openai-http-engine.js'
import { answerOf, faultIn, faultOf } from '../../../helpers/answers.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { type OpenAiServer, type ServerFault, startOpenAiServer } from '../../../helpers/openai-server.js'
import { scriptedEngine } from './scripted-engine.js'

const TEXTS = ['na', 'ïve ', '☃', ' 👩‍💻 ', '\u2028"\\', 'end']
const never = new AbortController().signal
const generation: Generation = {
  model: 'm',
  messages: [{ role: 'user', content: 'hi' }],
  maxOutputTokens: 9,
}
const cleanUps: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function startServer(init: { key?: string } = {}): Promise<OpenAiServer> {
  const server = await startOpenAiServer({ engine: scriptedEngine(TEXTS), ...init })
  cleanUps.push(server.close)
  return server
}

function engineAt(url: string, more: Partial<OpenAiHttpInit> = {}, clock = systemClock()): Engine {
  const engine = createOpenAiHttpEngine({ clock, log: memoryLog() }, { url, ...more })
  cleanUps.push(() => engine.close())
  return engine
}

async function faultWith(fault: ServerFault, more: Partial<OpenAiHttpInit> = {}): Promise<string> {
  const server = await startServer()
  server.fault = fault
  return faultOf(engineAt(server.url, more).generate(generation, never))
}

test('characters cut by the network come out whole', async () => {
  const server = await startServer()
  server.fault = { type: 'bytewise' }
  const { text, texts, end } = await answerOf(engineAt(server.url).generate(generation, never))
  expect(text).toBe(TEXTS.join(''))
  expect(texts).toHaveLength(TEXTS.length)
  expect(end).toEqual({ type: 'end', finishReason: 'stop', promptTokens: 3, completionTokens: TEXTS.length })
})

test('asks for what was asked', async () => {
  const server = await startServer()
  const full = { ...generation, temperature: 0.5, topP: 0.9, seed: 4, stop: ['x'] }
  await answerOf(engineAt(server.url).generate(full, never))
  await answerOf(engineAt(server.url).generate(generation, never))
  const common = { model: 'm', messages: generation.messages, max_tokens: 9, stream: true }
  expect(server.requests).toEqual([
    {
      ...common,
      temperature: 0.5,
      top_p: 0.9,
      seed: 4,
      stop: ['x'],
      stream_options: { include_usage: true },
    },
    { ...common, stream_options: { include_usage: true } },
  ])
})

test('uses a connection again', async () => {
  const server = await startServer()
  const engine = engineAt(server.url)
  for (let i = 0; i < 5; i++) await answerOf(engine.generate(generation, never))
  expect(server.connections).toBeLessThan(3)
})

test('a server that counts nothing is counted for', async () => {
  const server = await startServer()
  server.fault = { type: 'no-usage' }
  const { end } = await answerOf(engineAt(server.url).generate(generation, never))
  expect(end).toMatchObject({ promptTokens: 1, completionTokens: TEXTS.length })
})

test.each<[string, ServerFault, string]>([
  ['a connection cut before an answer', { type: 'drop', afterEvents: 0 }, 'engine-unavailable'],
  ['a connection cut in the middle', { type: 'drop', afterEvents: 2 }, 'engine-failed'],
  ['an answer without an end', { type: 'no-end' }, 'engine-failed'],
  ['no JSON', { type: 'garbage', data: '{"choices":[' }, 'engine-failed'],
  ['other JSON', { type: 'garbage', data: '{"choices":{"delta":7}}' }, 'engine-failed'],
  ['JSON that is no object', { type: 'garbage', data: 'null' }, 'engine-failed'],
  ['an error event', { type: 'garbage', data: '{"error":{"message":"CUDA error"}}' }, 'engine-failed'],
  ['busy', { type: 'status', status: 429 }, 'engine-unavailable'],
  ['another page', { type: 'status', status: 200, body: '<html>' }, 'engine-failed'],
  ['a redirect', { type: 'status', status: 307 }, 'engine-unavailable'],
])('%s is a fault', async (_, fault, code) => {
  expect(await faultWith(fault)).toBe(code)
})

test('tells when to come again', async () => {
  const server = await startServer()
  server.fault = { type: 'status', status: 503, retryAfter: '7' }
  const fault = await faultIn(engineAt(server.url).generate(generation, never))
  expect(fault).toMatchObject({ code: 'engine-unavailable', retryAfterMs: 7_000 })
})

test.each([0, 2])('silence after %i events is a fault, by the time that is allowed', async (afterEvents) => {
  const server = await startServer()
  server.fault = { type: 'silent', afterEvents }
  const engine = engineAt(server.url, { firstTokenMs: 200, silenceMs: 100 })
  expect(await faultOf(engine.generate(generation, never))).toBe('engine-failed')
  await expect.poll(() => server.generating).toBeLessThanOrEqual(1)
})

test('a slow reader is no silence of the engine', async () => {
  const server = await startServer()
  const clock = createVirtualClock(0)
  const engine = engineAt(server.url, { firstTokenMs: 200, silenceMs: 100 }, clock)
  const events = engine.generate(generation, never)[Symbol.asyncIterator]()
  await events.next()
  await clock.advance(10_000)
  expect((await events.next()).value).toMatchObject({ type: 'text' })
  clock.dispose()
})

test('nobody there is a fault that names the place and the way out', async () => {
  const server = await startServer()
  await server.close()
  cleanUps.splice(0)
  const engine = engineAt(server.url)
  await expect(engine.models()).rejects.toMatchObject({
    code: 'engine-unavailable',
    message: expect.stringContaining(server.url),
    next: expect.stringContaining('EDGE_ENGINE'),
  })
  expect(await faultOf(engine.generate(generation, never))).toBe('engine-unavailable')
})

test('the key is sent, and a wrong one explained without being shown', async () => {
  const server = await startServer({ key: 'right' })
  expect((await answerOf(engineAt(server.url, { key: 'right' }).generate(generation, never))).text).toBe(
    TEXTS.join(''),
  )
  const engine = engineAt(server.url, { key: 'wrong-key' })
  const fault = await engine.models().catch((error: unknown) => error)
  expect(fault).toMatchObject({ code: 'engine-unavailable', next: expect.stringContaining('KEY') })
  expect(String(fault)).not.toContain('wrong-key')
})

test.each(['localhost:11434', 'ftp://127.0.0.1/', 'http://user:pw@127.0.0.1/', 'nonsense'])(
  'the URL %s is refused',
  (url) => {
    expect(() => engineAt(url)).toThrow(expect.objectContaining({ code: 'bad-config' }))
  },
)
