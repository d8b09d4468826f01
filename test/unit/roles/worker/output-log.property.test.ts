import fc from 'fast-check'
import { expect, test } from 'vitest'
import { OutputLog, type Step } from '../../../../src/roles/worker/output-log.js'

const step = fc.record({
  stage: fc.constantFrom<Step['stage'][]>('', 'code', 'test'),
  iteration: fc.integer({ min: 0, max: 2 }),
})
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constant('😀'.repeat(11_000)), fc.constant(''))
const pushes = fc.array(fc.record({ text, tokens: fc.nat(3), step, seal: fc.boolean() }), { maxLength: 30 })

function pieces(log: OutputLog) {
  return Array.from({ length: log.lastSeq }, (_, i) => log.at(i + 1))
}

test('numbered pieces hold every text once, in order, with its step and all tokens, within the bound of the wire', () => {
  fc.assert(
    fc.property(pushes, (all) => {
      const log = new OutputLog(Number.POSITIVE_INFINITY)
      for (const { text, tokens, step, seal } of all) {
        log.add(text, tokens, step)
        if (seal) log.seal()
      }
      log.add('.', 0, { stage: 'mend', iteration: 9 })
      log.seal()
      const sent = pieces(log)
      expect(sent.map((piece) => piece?.seq)).toEqual(sent.map((_, i) => i + 1))
      const joined = new Map<string, string>()
      for (const piece of sent) {
        expect(Buffer.byteLength(piece?.text ?? '')).toBeLessThanOrEqual(65_536)
        const key = `${piece?.stage}|${piece?.iteration}`
        joined.set(key, (joined.get(key) ?? '') + (piece?.text ?? ''))
      }
      for (const each of new Set(all.map(({ step }) => `${step.stage}|${step.iteration}`))) {
        const said = all.filter(({ step }) => `${step.stage}|${step.iteration}` === each)
        const whole = said.map((push) => push.text).join('')
        // Said as a boolean: some are long.
        expect((joined.get(each) ?? '') === whole).toBe(true)
      }
      const tokens = sent.reduce((sum, piece) => sum + (piece?.tokens ?? 0), 0)
      expect(tokens).toBe(all.reduce((sum, push) => sum + push.tokens, 0))
    }),
    { numRuns: 50 },
  )
})

test('what is sent is let go past the bound, what is not sent never', () => {
  const log = new OutputLog(100)
  for (let i = 0; i < 10; i++) {
    log.add('x'.repeat(50), 1, { stage: '', iteration: 0 })
    log.seal()
  }
  log.trim(6)
  expect(log.at(6)).toBeUndefined()
  expect(log.at(7)?.seq).toBe(7)
  expect(log.unitsAfter(6)).toBe(200)
  log.trim(10)
  expect(log.at(8)).toBeUndefined()
  expect(log.at(9)?.seq).toBe(9)
})
