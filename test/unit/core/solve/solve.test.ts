import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isRefusal } from '../../../../src/core/refusal.js'
import {
  type Ask,
  beginSolve,
  onAnswer,
  onReport,
  type SolveStep,
  type SolveTask,
  type SolveTurn,
} from '../../../../src/core/solve/solve.js'
import type { TestOutcome } from '../../../../src/core/solve/test-outcome.js'

const testFile = {
  path: 'is-prime.test.mjs',
  text: "import { isPrime } from './is-prime.mjs'\nimport assert from 'node:assert'\nassert(isPrime(7))\n",
}
const instructions = 'Write a JavaScript function isPrime that tests whether n is a prime number.'
const answer = 'function isPrime(n) { return n === 7; }'

function task(part: Partial<SolveTask> = {}): SolveTask {
  return {
    suite: {
      files: [testFile],
      command: ['node', testFile.path],
      language: 'javascript',
      instructions,
      target: '',
    },
    binaryPaths: [],
    maxIterations: 3,
    maxOutputTokens: 4000,
    contextTokens: 8192,
    budgetMs: 60_000,
    seed: 1,
    ...part,
  }
}

function begin(part: Partial<SolveTask> = {}): SolveTurn<TestOutcome> {
  const turn = beginSolve<TestOutcome>(task(part))
  if (isRefusal(turn)) throw new Error(turn.detail)
  return turn
}

function asked(step: SolveStep<TestOutcome>): Ask {
  if (step.type !== 'ask') throw new Error(`a question was expected, not ${step.type}`)
  return step
}

const failed: TestOutcome = { verdict: 'failed', exitCode: 1, stdout: '# fail 2\n', stderr: 'boom' }
const passed: TestOutcome = { verdict: 'passed', exitCode: 0, stdout: '', stderr: '' }

describe('a tiny model', () => {
  const tiny = { contextTokens: 512 }

  test('is asked with the instructions alone, after a plan of one line that costs nothing', () => {
    const turn = begin(tiny)
    expect(turn.plan).toMatch(/^Write the code/)
    const ask = asked(turn.step)
    expect(ask).toMatchObject({ stage: 'code', iteration: 1, temperature: 0 })
    expect(ask.messages).toEqual([{ role: 'user', content: instructions }])
    expect(ask.maxOutputTokens).toBeLessThan(512 - instructions.length)
  })

  test('its bare function becomes a file that the test can import', () => {
    const first = begin(tiny)
    const tested = onAnswer(first.state, { text: answer, tokens: 40 }, 10)
    expect(tested.step).toEqual({
      type: 'test',
      iteration: 1,
      written: [{ path: 'is-prime.mjs', text: `${answer}\n\nexport { isPrime }\n` }],
    })
    const end = onReport(tested.state, passed, 20)
    expect(end.step).toMatchObject({ type: 'finish', solved: true, iterations: 1, report: passed })
    expect(end.step.type === 'finish' && end.step.patch).toContain(
      '+++ b/is-prime.mjs\n@@ -0,0 +1,3 @@\n+function',
    )
  })

  test('after a failed test it is asked the same again, more boldly', () => {
    const first = begin(tiny)
    const tested = onAnswer(first.state, { text: answer, tokens: 40 }, 10)
    const again = asked(onReport(tested.state, failed, 20).step)
    expect(again.messages).toEqual([{ role: 'user', content: instructions }])
    expect(again).toMatchObject({ stage: 'mend', iteration: 2, temperature: 0.4, seed: 2 })
  })
})

describe('a model with room', () => {
  test('plans first, then sees files, command, plan and target', () => {
    const first = begin()
    const plan = asked(first.step)
    expect(plan).toMatchObject({ stage: 'plan', iteration: 0 })
    expect(plan.maxOutputTokens).toBeLessThanOrEqual(512)
    const code = asked(onAnswer(first.state, { text: 'Divide by all.', tokens: 5 }, 0).step)
    const user = code.messages.at(-1)?.content ?? ''
    for (const part of [
      instructions,
      testFile.text.trim(),
      `node ${testFile.path}`,
      'Divide by all.',
      '`is-prime.mjs`',
    ]) {
      expect(user).toContain(part)
    }
    expect(code).toMatchObject({ stage: 'code', iteration: 1, maxOutputTokens: 3995 })
  })

  test('mends by its last answer and the test report', () => {
    const first = begin()
    const code = onAnswer(first.state, { text: 'plan', tokens: 5 }, 0)
    const tested = onAnswer(code.state, { text: answer, tokens: 40 }, 0)
    const mend = asked(onReport(tested.state, failed, 0).step)
    expect(mend.stage).toBe('mend')
    expect(mend.messages.map((message) => message.role)).toEqual(['system', 'user', 'assistant', 'user'])
    expect(mend.messages[2]?.content).toBe(answer)
    expect(mend.messages[3]?.content).toContain('boom')
  })

  test('files that do not fit are named, the target and tests go first', () => {
    const files = [{ path: 'big.mjs', text: 'x'.repeat(20_000) }, testFile]
    const turn = begin({ suite: { ...task().suite, files } })
    const user = asked(turn.step).messages.at(-1)?.content ?? ''
    expect(user).toContain('not shown: big.mjs')
    expect(user).toContain(testFile.text.trim())
  })
})

test('an answer that rewrites the test is not let', () => {
  const first = begin({ contextTokens: 512 })
  const text = `${testFile.path}\n\`\`\`js\nprocess.exit(0)\n\`\`\`\nis-prime.mjs\n\`\`\`js\n${answer}\n\`\`\``
  const turn = onAnswer(first.state, { text, tokens: 9 }, 0)
  expect(turn.step.type === 'test' && turn.step.written.map((file) => file.path)).toEqual(['is-prime.mjs'])
})

test('the same answer twice is not tested twice; the next draw is bolder', () => {
  const first = begin()
  const code = onAnswer(first.state, { text: 'plan', tokens: 5 }, 0)
  const tested = onAnswer(code.state, { text: answer, tokens: 40 }, 0)
  const mend = onReport(tested.state, failed, 0)
  const again = onAnswer(mend.state, { text: answer, tokens: 40 }, 0)
  expect(asked(again.step)).toMatchObject({ stage: 'mend', iteration: 3, temperature: 0.4, seed: 2 })
  expect(asked(mend.step).temperature).toBe(0.2)
})

test('the best try is kept, with its own report', () => {
  const first = begin({ contextTokens: 512, maxIterations: 2 })
  const near = onReport(
    onAnswer(first.state, { text: answer, tokens: 1 }, 0).state,
    { ...failed, stdout: '# fail 1\n' },
    0,
  )
  const worse = onAnswer(near.state, { text: 'function isPrime() { return 0 }', tokens: 1 }, 0)
  const end = onReport(worse.state, { ...failed, stdout: '# fail 5\n' }, 0)
  expect(end.step).toMatchObject({
    type: 'finish',
    solved: false,
    iterations: 2,
    report: { stdout: '# fail 1\n' },
  })
  expect(end.step.type === 'finish' && end.step.written[0]?.text).toContain('n === 7')
})

test.each([
  ['iterations', { maxIterations: 1 }, 0, 1],
  ['tokens', { maxOutputTokens: 50 }, 0, 45],
  ['time', { budgetMs: 1000 }, 1000, 1],
])('stops when %s are spent', (_, part, elapsedMs, tokens) => {
  const first = begin({ contextTokens: 512, ...part })
  const tested = onAnswer(first.state, { text: answer, tokens }, elapsedMs)
  expect(onReport(tested.state, failed, elapsedMs).step).toMatchObject({ type: 'finish', solved: false })
})

test('without any code the report is that of the files as submitted', () => {
  const first = begin({ contextTokens: 512, maxIterations: 1 })
  const turn = onAnswer(first.state, { text: 'no idea', tokens: 2 }, 0)
  expect(turn.step).toEqual({ type: 'test', iteration: 1, written: [] })
  expect(onReport(turn.state, failed, 0).step).toMatchObject({
    type: 'finish',
    solved: false,
    patch: '',
    written: [],
  })
})

test('a target outside is refused', () => {
  for (const target of ['../x.js', '/etc/x.js', 'a//b.js', '.env', 'a b.js', 'a/../../b.js']) {
    expect(beginSolve(task({ suite: { ...task().suite, target } }))).toMatchObject({ code: 'bad-file-name' })
  }
})

test('whatever is answered and reported, it ends within its iterations', () => {
  const texts = fc.constantFrom(answer, 'nothing', '```js\nconst a = 1\n```', '../x.js\n```\nevil\n```', '')
  const reports = fc.constantFrom(failed, { ...failed, verdict: 'wall-time' }, { ...failed, stdout: '' })
  fc.assert(
    fc.property(
      fc.infiniteStream(texts),
      fc.infiniteStream(reports),
      fc.constantFrom(0, 512, 8192),
      fc.integer({ min: 1, max: 6 }),
      (answers, outcomes, contextTokens, maxIterations) => {
        let turn = begin({ contextTokens, maxIterations })
        let steps = 0
        while (turn.step.type !== 'finish') {
          expect(++steps).toBeLessThanOrEqual(2 * maxIterations + 2)
          turn =
            turn.step.type === 'ask'
              ? onAnswer(turn.state, { text: answers.next().value, tokens: 10 }, 0)
              : onReport(turn.state, outcomes.next().value, 0)
        }
        expect(turn.step.iterations).toBeLessThanOrEqual(maxIterations)
        expect(turn.step.written.every((file) => !file.path.includes('..'))).toBe(true)
      },
    ),
  )
})
