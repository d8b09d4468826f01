import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { smaller } from '../../../../src/core/economy/fixed-point.js'
import {
  agreeUsage,
  divideHold,
  meter,
  quoteRates,
  type Usage,
} from '../../../../src/core/economy/metering.js'
import { DEFAULT_TERMS, MODEL_CLASSES, modelClassOf } from '../../../../src/core/economy/terms.js'
import { isRefusal } from '../../../../src/core/refusal.js'

const RATES = { inputPer1000Tokens: 50_000n, outputPer1000Tokens: 200_000n, perSandboxSecond: 10_000n }
const usage = fc.record({
  inputTokens: fc.nat(2 ** 31 - 1),
  outputTokens: fc.nat(2 ** 31 - 1),
  sandboxMs: fc.nat(2 ** 31 - 1),
})
const rate = fc.bigInt({ min: 0n, max: 10n ** 12n })
const rates = fc.record({ inputPer1000Tokens: rate, outputPer1000Tokens: rate, perSandboxSecond: rate })
const microcredits = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })

describe('metering', () => {
  it('charges by thousand tokens and by second', () => {
    expect(meter(RATES, { inputTokens: 1_000, outputTokens: 0, sandboxMs: 0 })).toBe(50_000n)
    expect(meter(RATES, { inputTokens: 0, outputTokens: 500, sandboxMs: 2_500 })).toBe(125_000n)
    expect(meter(RATES, { inputTokens: 0, outputTokens: 0, sandboxMs: 0 })).toBe(0n)
  })

  it('rounds up once, over the sum', () => {
    const tiny = { inputPer1000Tokens: 1n, outputPer1000Tokens: 1n, perSandboxSecond: 1n }
    expect(meter(tiny, { inputTokens: 1, outputTokens: 1, sandboxMs: 1 })).toBe(1n)
    expect(meter(tiny, { inputTokens: 999, outputTokens: 1, sandboxMs: 1 })).toBe(2n)
  })

  it('more usage never costs less', () => {
    fc.assert(
      fc.property(rates, usage, usage, (by, a, b) => {
        const more: Usage = {
          inputTokens: Math.max(a.inputTokens, b.inputTokens),
          outputTokens: Math.max(a.outputTokens, b.outputTokens),
          sandboxMs: Math.max(a.sandboxMs, b.sandboxMs),
        }
        expect(meter(by, more) >= meter(by, a)).toBe(true)
      }),
    )
  })

  it('quotes by class and window; a sandbox second costs the same in each class', () => {
    expect(quoteRates(DEFAULT_TERMS, 'large', 1_000_000n)).toEqual(DEFAULT_TERMS.prices)
    expect(quoteRates(DEFAULT_TERMS, 'tiny', 1_500_000n)).toEqual({
      inputPer1000Tokens: 22_500n,
      outputPer1000Tokens: 90_000n,
      perSandboxSecond: 15_000n,
    })
    const outputs = MODEL_CLASSES.map((each) => quoteRates(DEFAULT_TERMS, each, 777_777n).outputPer1000Tokens)
    expect(outputs).toEqual([...outputs].sort((a, b) => Number(b - a)))
    expect(outputs[2]).toBe(77_777n)
  })

  it.each([
    [7_000, 'large'],
    [6_999, 'medium'],
    [3_000, 'medium'],
    [2_999, 'small'],
    [1_500, 'small'],
    [1_499, 'tiny'],
    [0, 'tiny'],
  ])('a model of %i million parameters is %s', (parameters, expected) => {
    expect(modelClassOf(parameters)).toBe(expected)
  })
})

describe('agreement of both ends', () => {
  const tolerance = { basisPoints: 200n, units: 8n }
  const counted = { inputTokens: 1_000, outputTokens: 100, sandboxMs: 0 }

  it('takes the smaller of each number, within tolerance', () => {
    expect(agreeUsage(counted, { inputTokens: 990, outputTokens: 105 }, tolerance)).toEqual({
      inputTokens: 990,
      outputTokens: 100,
      sandboxMs: 0,
    })
    expect(agreeUsage(counted, {}, tolerance)).toEqual(counted)
  })

  it('is at its bound: 20 of 1,000 differ by 2 %, 21 by more', () => {
    expect(isRefusal(agreeUsage(counted, { inputTokens: 980 }, tolerance))).toBe(false)
    const refused = agreeUsage(counted, { inputTokens: 979 }, tolerance)
    expect(isRefusal(refused) && refused.code).toBe('usage-disputed')
    expect(isRefusal(agreeUsage(counted, { outputTokens: 91 }, tolerance))).toBe(true)
    expect(isRefusal(agreeUsage(counted, { outputTokens: 92 }, tolerance))).toBe(false)
  })

  it('never pays more than either end counted', () => {
    fc.assert(
      fc.property(usage, usage, (worker, gateway) => {
        const agreed = agreeUsage(worker, gateway, { basisPoints: 10_000n, units: 0n })
        if (isRefusal(agreed)) throw new Error('all is tolerated here')
        for (const field of ['inputTokens', 'outputTokens', 'sandboxMs'] as const) {
          expect(agreed[field]).toBe(Math.min(worker[field], gateway[field]))
        }
      }),
    )
  })
})

describe('division of a hold', () => {
  it('sums to the hold, whatever the cost and the shares; the cost stays within it', () => {
    const shares = fc
      .tuple(fc.bigInt({ min: 0n, max: 10_000n }), fc.bigInt({ min: 0n, max: 10_000n }))
      .filter(([fee, treasury]) => fee + treasury <= 10_000n)
    fc.assert(
      fc.property(
        microcredits,
        microcredits,
        shares,
        (held, metered, [feeBasisPoints, treasuryBasisPoints]) => {
          const parts = divideHold(held, metered, { feeBasisPoints, treasuryBasisPoints })
          expect(parts.worker + parts.fee + parts.treasury + parts.refund).toBe(held)
          expect(parts.worker + parts.fee + parts.treasury).toBe(parts.cost)
          expect(parts.cost).toBe(smaller(metered, held))
          for (const part of Object.values(parts)) expect(part >= 0n).toBe(true)
        },
      ),
    )
  })

  it('rounds fee and treasury down, for the worker', () => {
    const parts = divideHold(1_000n, 99n, { feeBasisPoints: 150n, treasuryBasisPoints: 500n })
    expect(parts).toEqual({ cost: 99n, worker: 94n, fee: 1n, treasury: 4n, refund: 901n })
  })
})
