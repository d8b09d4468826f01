import { expect, it, onTestFinished } from 'vitest'
import type { EngineModel } from '../../../../src/ports/engine.js'
import { createVirtualClock } from '../../../../src/services/clock/virtual-clock.js'
import { ModelWatch } from '../../../../src/services/engine/model-watch.js'
import { gatedEngine } from '../../../helpers/gated-engine.js'
import { memoryLog } from '../../../helpers/memory-log.js'

const MINUTE_MS = 60_000

it('measures once, and only what is new; a digest that comes later, or another one, is told', async () => {
  const clock = createVirtualClock(0)
  const models: EngineModel[] = [{ name: 'a', contextTokens: 512, warm: true }]
  const engine = { ...gatedEngine(), models: async () => models }
  const learned: string[] = []
  const watch = new ModelWatch({
    clock,
    log: memoryLog(),
    engine,
    learn: (all) => learned.push(all.map(({ name, digest }) => `${name} ${digest ?? '?'}`).join(', ')),
  })
  onTestFinished(() => {
    watch.stop()
    clock.dispose()
  })
  await watch.look()
  const measured = engine.begun.length
  expect(measured).toBeGreaterThan(0)
  await clock.advance(3 * MINUTE_MS)
  expect([learned, engine.begun.length]).toEqual([['a ?'], measured])

  models[0] = { name: 'a', contextTokens: 512, warm: true, digest: 'd1' }
  await clock.advance(MINUTE_MS)
  expect([learned.at(-1), engine.begun.length]).toEqual(['a d1', measured])

  models[0] = { name: 'a', contextTokens: 512, warm: true, digest: 'd2' }
  models.push({ name: 'b', contextTokens: 512, warm: true })
  await clock.advance(MINUTE_MS)
  expect([learned.at(-1), engine.begun.length]).toEqual(['a d2, b ?', 3 * measured])

  models.pop()
  await watch.look()
  expect(learned.at(-1)).toBe('a d2')
})
