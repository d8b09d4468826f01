import { afterAll, beforeAll, expect, test } from 'vitest'
import { EdgeCoderError } from '../../../../src/core/errors.js'
import type { Engine, EngineModel, Generation, GenerationEvent } from '../../../../src/ports/engine.js'
import { systemClock } from '../../../../src/services/clock/system-clock.js'
import { createVirtualClock, type VirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { measureEngine } from '../../../../src/services/engine/measure-engine.js'
import { memoryLog } from '../../../helpers/memory-log.js'
import { createTinyCoder } from '../../../helpers/tiny-coder.js'

let clock: VirtualClock
const never = new AbortController().signal

beforeAll(() => {
  clock = createVirtualClock(0)
})
afterAll(() => clock.dispose())

/** First token after 200 ms, then one each 50 ms, 40 at most, of virtual time. */
function timedEngine(models: readonly EngineModel[], asked: string[] = []): Engine {
  return {
    kind: 'openai-http',
    models: async () => models,
    async *generate(generation: Generation): AsyncGenerator<GenerationEvent, void, void> {
      asked.push(generation.model)
      if (generation.model === 'embedding') throw new EdgeCoderError('engine-failed', 'no chat model')
      const tokens = Math.min(40, generation.maxOutputTokens)
      await clock.advance(200)
      for (let i = 0; i < tokens; i++) {
        if (i > 0) await clock.advance(50)
        yield { type: 'text', text: 'x', tokens: 1 }
      }
      yield { type: 'end', finishReason: 'stop', promptTokens: 9, completionTokens: tokens }
    },
    close: async () => {},
  }
}

const model = (name: string, warm = false): EngineModel => ({ name, warm, contextTokens: 512 })

test('tells tokens per second and time to the first of them', async () => {
  const measured = await measureEngine({ clock, log: memoryLog() }, timedEngine([model('a')]), {
    signal: never,
  })
  expect(measured).toEqual([{ ...model('a', true), tokensPerS: 20, firstTokenMs: 200 }])
})

test('loaded models first, further ones unmeasured, those that cannot chat left out', async () => {
  const asked: string[] = []
  const models = [model('a'), model('embedding', true), model('b', true), model('c')]
  const measured = await measureEngine({ clock, log: memoryLog() }, timedEngine(models, asked), {
    signal: never,
    mostModels: 3,
  })
  expect(measured.map(({ name, tokensPerS }) => [name, tokensPerS])).toEqual([
    ['b', 20],
    ['a', 20],
    ['c', 0],
  ])
  expect(asked).toEqual(['embedding', 'b', 'b', 'a', 'a'])
})

test('begins no further model when the time is over', async () => {
  const models = [model('a'), model('b')]
  const measured = await measureEngine({ clock, log: memoryLog() }, timedEngine(models), {
    signal: never,
    totalMs: 100,
  })
  expect(measured.map(({ tokensPerS }) => tokensPerS)).toEqual([20, 0])
})

test('stops when told to', async () => {
  const engine = await createTinyCoder()
  const measuring = measureEngine({ clock: systemClock(), log: memoryLog() }, engine, {
    signal: AbortSignal.abort(),
  })
  await expect(measuring).rejects.toMatchObject({ code: 'cancelled' })
  await engine.close()
})

test('measures the real model', async () => {
  const engine = await createTinyCoder()
  const [measured] = await measureEngine({ clock: systemClock(), log: memoryLog() }, engine, {
    signal: never,
  })
  expect(measured).toMatchObject({ name: 'tiny-coder', contextTokens: 512, warm: true })
  expect(measured?.tokensPerS).toBeGreaterThan(0)
  expect(measured?.firstTokenMs).toBeGreaterThan(0)
  await engine.close()
}, 60_000)
