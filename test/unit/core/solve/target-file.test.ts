import { expect, test } from 'vitest'
import { scanImports } from '../../../../src/core/solve/import-scan.js'
import { chooseTarget, protectedPaths, type SuiteShape } from '../../../../src/core/solve/target-file.js'

function suite(part: Partial<SuiteShape> = {}): SuiteShape {
  return {
    files: [],
    command: ['node', 'test.js'],
    language: 'javascript',
    instructions: '',
    target: '',
    ...part,
  }
}

const importsIt = { path: 'test.js', text: "import { isPrime } from './is-prime.js'\n" }

test("the user's target comes first", () => {
  expect(chooseTarget(suite({ target: 'a.js', instructions: 'write b.js', files: [importsIt] }))).toBe('a.js')
})

test('then the one file that the instructions name, tests aside', () => {
  const instructions = 'Write src/prime.js so that test.js passes.'
  expect(chooseTarget(suite({ instructions, files: [importsIt] }))).toBe('src/prime.js')
})

test('then what the tests import, a missing file before one that is there', () => {
  expect(chooseTarget(suite({ files: [importsIt] }))).toBe('is-prime.js')
  const text = "import { a } from './a.js'\nimport { b } from './b.js'\n"
  const files = [
    { path: 'test.js', text },
    { path: 'a.js', text: '' },
  ]
  expect(chooseTarget(suite({ files }))).toBe('b.js')
})

test('then the one source file; at last solution.*', () => {
  expect(chooseTarget(suite({ files: [{ path: 'only.js', text: '' }] }))).toBe('only.js')
  expect(chooseTarget(suite({ language: 'python' }))).toBe('solution.py')
})

test.each([
  ['javascript', 'test/a.test.js', "const { x } = require('../lib/x')", 'lib/x.js'],
  ['typescript', 'a.test.ts', "import { x } from './x.js'", 'x.ts'],
  ['typescript', 'a.test.ts', "import { x } from './x'", 'x.ts'],
  ['javascript', 'test.mjs', "const { x } = await import('./x.mjs')", 'x.mjs'],
  ['python', 'test_x.py', 'import unittest\nfrom x import double\n', 'x.py'],
  ['python', 'tests/test_x.py', 'from pkg.x import (\n  a,\n  b,\n)\n', 'pkg/x.py'],
] as const)('%s: what %s imports', (language, path, text, target) => {
  expect(chooseTarget(suite({ language, command: ['run'], files: [{ path, text }] }))).toBe(target)
})

test('an import that leaves the suite names no target', () => {
  expect(chooseTarget(suite({ files: [{ path: 'test.js', text: "import x from '../../etc/x.js'" }] }))).toBe(
    'solution.js',
  )
})

test('tests are guarded, unless one is the target', () => {
  const files = ['check.js', 'a.test.js', 'lib.js'].map((path) => ({ path, text: '' }))
  const command = ['node', './check.js']
  expect([...protectedPaths(suite({ files, command }))]).toEqual(['check.js', 'a.test.js'])
  expect([...protectedPaths(suite({ files, command, target: 'check.js' }))]).toEqual(['a.test.js'])
})

test('how a module is taken', () => {
  const scan = (text: string) => scanImports({ path: 't.js', text }, 'javascript')
  expect(scan("import d, { a as b, type T } from './m.js'")).toEqual([
    { path: 'm.js', system: 'esm', names: ['a'], whole: 'd' },
  ])
  expect(scan("import * as m from './m.js'\nm.a(m.b)")).toEqual([
    { path: 'm.js', system: 'esm', names: ['a', 'b'] },
  ])
  expect(scan("const m = require('./m')\nm.a()")).toEqual([{ path: 'm', system: 'cjs', names: ['a'] }])
  expect(scan("const m = require('./m')\nm(1)")).toEqual([
    { path: 'm', system: 'cjs', names: [], whole: 'm' },
  ])
  expect(scan("const f = require('./m').f")).toEqual([{ path: 'm', system: 'cjs', names: ['f'] }])
  expect(scan("import fs from 'node:fs'\nimport type { T } from './t.js'")).toEqual([])
})

test('hostile text is scanned in time that grows with its length', () => {
  for (const piece of [
    'import ',
    'import {',
    'const {',
    'from . import ',
    '.',
    ' ',
    'import a, ',
    "require('./",
  ]) {
    scanImports({ path: 't.js', text: piece.repeat(30_000) }, 'javascript')
    scanImports({ path: 't.py', text: piece.repeat(30_000) }, 'python')
  }
})
