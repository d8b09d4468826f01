import { expect, it } from 'vitest'
import { feasible } from '../../../../src/core/scheduler/feasibility.js'
import {
  contextBucket,
  priceBucket,
  requirementKey,
  requirementOf,
} from '../../../../src/core/scheduler/requirement.js'
import { header } from '../../../helpers/tasks.js'
import { model, workerProfile } from '../../../helpers/workers.js'

it('context is rounded up by at most an eighth, and never past a power of two', () => {
  for (let tokens = 0; tokens < 70_000; tokens += 61) {
    const bucket = contextBucket(tokens)
    expect(bucket).toBeGreaterThanOrEqual(tokens)
    expect(bucket).toBeLessThanOrEqual(tokens + tokens / 8 + 1)
    expect(bucket).toBeLessThanOrEqual(2 ** Math.ceil(Math.log2(Math.max(1, tokens))))
    expect(contextBucket(bucket)).toBe(bucket)
  }
  expect(new Set(Array.from({ length: 70_000 }, (_, tokens) => contextBucket(tokens))).size).toBeLessThan(125)
})

it('a price is rounded down by at most one part in a hundred, and a plain one not at all', () => {
  const prices = [0n, 9n, 999n, 1_500n, 20_000n, 1_234n, 9_999_999n]
  expect(prices.map(priceBucket)).toEqual([0n, 9n, 999n, 1_500n, 20_000n, 1_230n, 9_990_000n])
})

it('a task asks only for what its kind needs', () => {
  const languages = ['python', 'javascript', 'python']
  expect(requirementOf(header({ kind: 'chat', languages })).languages).toEqual([])
  expect(requirementOf(header({ kind: 'solve', languages })).languages).toEqual(['javascript', 'python'])
  expect(requirementOf(header({ kind: 'test', languages }))).toMatchObject({ model: '', contextTokens: 0 })
})

it('no model name can pose as another class', () => {
  const plain = requirementOf(header({ model: 'x' }))
  const odd = requirementOf(header({ model: 'x",1024,[],"500' }))
  expect(requirementKey(plain)).not.toBe(requirementKey(odd))
})

it.each([
  ['fits', {}, {}, []],
  ['any model', { model: '' }, {}, []],
  ['no engine', {}, { engine: '' }, ['no-engine']],
  ['other model', { model: 'writer' }, {}, ['model-missing']],
  ['too long', { contextTokens: 9_000 }, {}, ['context-too-long']],
  ['window not known', { contextTokens: 9_000 }, { models: [model({ contextTokens: 0 })] }, []],
  ['just fits', { contextTokens: 8_192 }, {}, []],
  ['chat needs no sandbox', {}, { sandbox: '' }, []],
  ['no sandbox', { kind: 'test' }, { sandbox: '' }, ['no-sandbox']],
  ['test needs no engine', { kind: 'test' }, { engine: '', models: [] }, []],
  ['other language', { kind: 'solve', languages: ['typescript'] }, {}, ['language-missing']],
  ['at the floor', {}, { priceFloorMicrocredits: 500n }, []],
  ['below the floor', {}, { priceFloorMicrocredits: 501n }, ['price-below-floor']],
  [
    'all at once',
    { kind: 'solve', languages: ['rust'], model: 'writer' },
    { priceFloorMicrocredits: 501n },
    ['model-missing', 'language-missing', 'price-below-floor'],
  ],
] as const)('feasible: %s', (_, task, worker, codes) => {
  const reasons = feasible(workerProfile('w', worker), requirementOf(header(task)))
  expect(reasons.map(({ code }) => code)).toEqual(codes)
})
