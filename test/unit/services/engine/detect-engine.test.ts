import { expect, test } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import type { Engine } from '../../../../src/ports/engine.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { type DetectEngineInit, detectEngine } from '../../../../src/services/engine/detect-engine.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { startOpenAiServer } from '../../../helpers/openai-server.js'
import { TINY_CODER_PATH } from '../../../helpers/tiny-coder.js'
import { scriptedEngine } from './scripted-engine.js'

async function detect(init: DetectEngineInit, log = memoryLog()) {
  return detectEngine({ clock: systemClock(), log }, init)
}

async function namesOf(engine: Engine): Promise<readonly string[]> {
  const models = await engine.models()
  await engine.close()
  return models.map((model) => model.name)
}

async function found(init: DetectEngineInit, log = memoryLog()): Promise<Engine> {
  const engine = await detect(init, log)
  if (isRefusal(engine)) throw new Error(`refused: ${engine.code}`)
  return engine
}

async function withServers(
  models: readonly (readonly string[])[],
  body: (urls: readonly string[]) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all(
    models.map((names) => {
      const listed = names.map((name) => ({ name, contextTokens: 64, warm: true }))
      return startOpenAiServer({ engine: scriptedEngine([], listed) })
    }),
  )
  try {
    await body(servers.map((server) => server.url))
  } finally {
    for (const server of servers) await server.close()
  }
}

test('auto takes the first local server that has a model', () =>
  withServers([[], ['second'], ['third']], async (urls) => {
    const log = memoryLog()
    const engine = await found({ setting: 'auto', urls: ['http://127.0.0.1:1', ...urls] }, log)
    expect(engine.kind).toBe('openai-http')
    expect(await namesOf(engine)).toEqual(['second'])
    expect(log.events.map(({ event }) => event)).not.toContain('demo-model-only')
  }))

test('auto without a server takes the demo model and says loudly what it is', async () => {
  const log = memoryLog()
  const engine = await found({ setting: 'auto', urls: ['http://127.0.0.1:1'] }, log)
  expect(engine.kind).toBe('llama-cpp')
  expect(await namesOf(engine)).toEqual(['tiny-coder'])
  expect(log.events).toContainEqual({
    event: 'demo-model-only',
    fields: expect.objectContaining({ next: expect.stringContaining('Ollama') }),
  })
})

test('a URL is taken, and nothing else looked at', () =>
  withServers([['named']], async ([url = '']) => {
    expect(await namesOf(await found({ setting: `${url}/v1` }))).toEqual(['named'])
  }))

test('a GGUF path is taken, with the name of the file', async () => {
  expect(await namesOf(await found({ setting: TINY_CODER_PATH }))).toEqual(['tiny-coder-q8'])
})

test.each([
  ['none', 'no-engine'],
  ['http://127.0.0.1:1', 'engine-unavailable'],
  ['http://a b', 'bad-config'],
  ['/nowhere/model.gguf', 'model-missing'],
  ['package.json', 'bad-config'],
])('%s is refused with %s and the next step', async (setting, code) => {
  expect(await detect({ setting })).toMatchObject({ refused: true, code, next: expect.any(String) })
})

test('a server that is not up yet may be asked again', async () => {
  expect(await detect({ setting: 'http://127.0.0.1:1' })).toMatchObject({ retryAfterMs: 10_000 })
})
