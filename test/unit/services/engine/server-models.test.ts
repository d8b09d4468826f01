import { expect, test } from 'vitest'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createOpenAiHttpEngine } from '../../../../src/services/engine/openai-http-engine.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { type ServerFlavour, startOpenAiServer } from '../../../helpers/openai-server.js'
import { scriptedEngine } from './scripted-engine.js'

const models = [
  { name: 'warm', contextTokens: 2048, warm: true },
  { name: 'cold', contextTokens: 1024, warm: false },
]

test.each<[ServerFlavour, readonly object[]]>([
  ['ollama', models],
  // LM Studio says what is loaded; vLLM and llama.cpp have all they list loaded, llama.cpp with one window.
  ['lm-studio', models],
  ['vllm', [models[0] ?? {}, { ...models[1], warm: true }]],
  ['llama.cpp', [models[0] ?? {}, { name: 'cold', contextTokens: 2048, warm: true }]],
  ['plain', models.map(({ name }) => ({ name, contextTokens: 4096, warm: false }))],
])('%s tells of its models in its own way', async (flavour, expected) => {
  const server = await startOpenAiServer({ engine: scriptedEngine([], models), flavour })
  const engine = createOpenAiHttpEngine({ clock: systemClock(), log: memoryLog() }, { url: server.url })
  try {
    expect(await engine.models()).toEqual(expected)
  } finally {
    await engine.close()
    await server.close()
  }
})

test('names too long for the wire and models past the bound are left out', async () => {
  const many = Array.from({ length: 80 }, (_, i) => ({ name: `m${i}`, contextTokens: 9, warm: true }))
  const listed = [{ name: 'x'.repeat(129), contextTokens: 9, warm: true }, ...many]
  const server = await startOpenAiServer({ engine: scriptedEngine([], listed), flavour: 'vllm' })
  const engine = createOpenAiHttpEngine({ clock: systemClock(), log: memoryLog() }, { url: server.url })
  try {
    expect((await engine.models()).map(({ name }) => name)).toEqual(many.slice(0, 64).map(({ name }) => name))
  } finally {
    await engine.close()
    await server.close()
  }
})
