import fc from 'fast-check'
import { expect, test } from 'vitest'
import { extractCode, pathsNamed } from '../../../../src/core/solve/code-block.js'

const FENCE = '```'

test('bare code is taken from its first line on', () => {
  expect(extractCode('function add(a, b) { return a + b; }')).toEqual([
    { code: 'function add(a, b) { return a + b; }\n' },
  ])
  expect(extractCode('Sure!\n\ndef add(a, b):\n    return a + b')).toEqual([
    { code: 'def add(a, b):\n    return a + b\n' },
  ])
})

test.each([
  ['in the fence', `${FENCE}js src/add.js\ncode()\n${FENCE}`],
  ['in the fence after a colon', `${FENCE}js:src/add.js\ncode()\n${FENCE}`],
  ['in the fence as a title', `${FENCE}js title="src/add.js"\ncode()\n${FENCE}`],
  ['in bold on the line before', `Here:\n\n**src/add.js**\n\n${FENCE}js\ncode()\n${FENCE}`],
  ['in backticks on the line before', `\`src/add.js\`:\n${FENCE}\ncode()\n${FENCE}`],
  ['in a heading', `### src/add.js\n${FENCE}js\ncode()\n${FENCE}`],
  ['in the first comment', `${FENCE}js\n// src/add.js\ncode()\n${FENCE}`],
  ['in a "File:" comment', `${FENCE}js\n// File: src/add.js\ncode()\n${FENCE}`],
])('a file name is found %s', (_, answer) => {
  expect(extractCode(answer)).toEqual([{ path: 'src/add.js', code: 'code()\n' }])
})

test('several named files come in order; unnamed ones beside them are left out', () => {
  const answer = `a.js\n${FENCE}js\nA\n${FENCE}\nUse it so:\n${FENCE}js\nexample()\n${FENCE}\nb/c.py\n${FENCE}\nB\n${FENCE}`
  expect(extractCode(answer)).toEqual([
    { path: 'a.js', code: 'A\n' },
    { path: 'b/c.py', code: 'B\n' },
  ])
})

test('of unnamed blocks the longest counts, and shell is no code', () => {
  const answer = `${FENCE}sh\nnpm install something-with-a-very-long-name\n${FENCE}\n${FENCE}js\nconst a = 1\nconst b = 2\n${FENCE}\n${FENCE}js\nb\n${FENCE}`
  expect(extractCode(answer)).toEqual([{ code: 'const a = 1\nconst b = 2\n' }])
})

test('a fence left open runs to the end; a longer fence holds a shorter one', () => {
  expect(extractCode(`${FENCE}js\nconst a = 1`)).toEqual([{ code: 'const a = 1\n' }])
  expect(extractCode(`${FENCE}\`js\nx\n${FENCE}\ny\n${FENCE}\``)).toEqual([{ code: `x\n${FENCE}\ny\n` }])
})

test('thinking is left out', () => {
  expect(extractCode('<think>function wrong() {}</think>function right() {}')).toEqual([
    { code: 'function right() {}\n' },
  ])
})

test('prose holds no code', () => {
  expect(extractCode('I am sorry, I cannot do that.')).toEqual([])
  expect(extractCode('')).toEqual([])
})

test('paths in a sentence', () => {
  expect(
    pathsNamed('Write `src/is-prime.js` so that test/is-prime.test.js, and e.g. main.py, pass.'),
  ).toEqual(['src/is-prime.js', 'test/is-prime.test.js', 'main.py'])
})

test('any text is taken in without a fault, in time that grows with its length', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => void extractCode(text)))
  for (const piece of [FENCE, '`', 'a.', 'a/', 'export ', '* ', '\n']) {
    extractCode(piece.repeat(50_000))
    pathsNamed(piece.repeat(50_000))
  }
})
