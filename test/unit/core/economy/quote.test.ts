import { describe, expect, it } from 'vitest'
import { meter } from '../../../../src/core/economy/metering.js'
import { classOfModel, type OrderedWork, quoteTask } from '../../../../src/core/economy/quote.js'
import { DEFAULT_TERMS } from '../../../../src/core/economy/terms.js'

const CHAT: OrderedWork = {
  kind: 'chat',
  model: 'qwen2.5-coder:7b',
  contextTokens: 3_000,
  maxOutputTokens: 1_000,
  maxRunMs: 60_000,
  payloadBytes: 9_000,
  priceCapMicrocredits: 0n,
}
const quote = (work: Partial<OrderedWork> = {}, multiplier = 1_000_000n) =>
  quoteTask({ ...CHAT, ...work }, DEFAULT_TERMS, multiplier)

describe('a class by a name', () => {
  it.each([
    ['qwen2.5-coder:7b', 'large'],
    ['Llama-3.1-70B-Instruct', 'large'],
    ['starcoder2:15b', 'large'],
    ['phi-3.5-mini-3.8b', 'medium'],
    ['deepseek-coder:1.3b', 'tiny'],
    ['qwen2.5:1.5b', 'small'],
    ['smollm-135M', 'tiny'],
    ['tiny-coder', 'tiny'],
    ['codellama', 'tiny'],
    ['', 'tiny'],
    ['7bits', 'tiny'],
    ['mixtral:8x7b', 'large'],
  ])('%s is %s', (name, expected) => {
    expect(classOfModel(name)).toBe(expected)
  })
})

describe('a quote', () => {
  it('holds what the task can cost at most', () => {
    const { rates, cap } = quote()
    expect(cap).toBe(meter(rates, { inputTokens: 2_000, outputTokens: 1_000, sandboxMs: 0 }))
    // 2 × 0.05 credits of input and 0.2 of output, at the full factor of a large model.
    expect(cap).toBe(300_000n)
  })

  it('holds no more than the cap of its order', () => {
    expect(quote({ priceCapMicrocredits: 12_345n }).cap).toBe(12_345n)
    expect(quote({ priceCapMicrocredits: 10n ** 15n }).cap).toBe(quote().cap)
  })

  it('counts bytes for tokens where the window is not known', () => {
    expect(quote({ contextTokens: 0 }).cap).toBe(9n * 50_000n + 200_000n)
  })

  it('charges a test by the seconds of its sandbox, and a solve by both', () => {
    const test = quote({ kind: 'test', model: '' })
    expect(test.cap).toBe(600_000n)
    expect(quote({ kind: 'solve' }).cap).toBe(8n * 300_000n + 600_000n)
  })

  it('follows the window', () => {
    expect(quote({}, 2_000_000n).cap).toBe(600_000n)
  })

  it('of the largest order there can be is an amount', () => {
    const most = quote({ kind: 'solve', contextTokens: 10_485_760, maxOutputTokens: 1_048_576 }, 4_000_000n)
    expect(most.cap > 0n && most.cap < 2n ** 63n).toBe(true)
  })
})
