import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { scanImports } from '../../../../src/core/solve/import-scan.js'
import { makeImportable } from '../../../../src/core/solve/make-importable.js'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'edgecoder-importable-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Writes both files and runs the test for real. */
function runs(code: string, path: string, testPath: string, testText: string): string {
  const wants = scanImports({ path: testPath, text: testText }, 'javascript')
  const work = mkdtempSync(join(folder, 'w-'))
  writeFileSync(join(work, path), makeImportable(code, path, wants))
  writeFileSync(join(work, testPath), testText)
  return execFileSync(process.execPath, [testPath], { cwd: work, encoding: 'utf8', stdio: 'pipe' }).trim()
}

const bare = 'function add(a, b) { return a + b; }\n'

describe('ESM', () => {
  const named = "import { add } from './add.mjs'\nconsole.log(add(1, 2))"
  test.each([
    ['a bare function', bare],
    ['a bare arrow', 'const add = (a, b) => a + b\n'],
    ['exported already', `export ${bare}`],
    ['exported in a list', `${bare}export { add }\n`],
    ['CommonJS', `${bare}module.exports = { add };\n`],
    ['CommonJS, by name', `${bare}exports.add = add\n`],
    ['another name for the only function', 'function sum(a, b) { return a + b; }\n'],
  ])('%s, taken by name', (_, code) => {
    expect(runs(code, 'add.mjs', 'test.mjs', named)).toBe('3')
  })

  test.each([
    ['a bare function', bare],
    ['exported by name only', `export ${bare}`],
    ['the default already', `export default ${bare}`],
    ['of another name', 'function plus(a, b) { return a + b }\n'],
  ])('%s, taken as the default', (_, code) => {
    expect(runs(code, 'add.mjs', 'test.mjs', "import add from './add.mjs'\nconsole.log(add(1, 2))")).toBe('3')
  })

  test('two functions and a class', () => {
    const code = `${bare}class Point {}\nconst zero = 0\n`
    const text = "import { add, Point, zero } from './m.mjs'\nconsole.log(add(1, 2), typeof Point, zero)"
    expect(runs(code, 'm.mjs', 'test.mjs', text)).toBe('3 function 0')
  })
})

describe('CommonJS', () => {
  const named = "const { add } = require('./add.cjs')\nconsole.log(add(1, 2))"
  test.each([
    ['a bare function', bare],
    ['exported the ESM way', `export ${bare}`],
    ['exported the ESM way, in a list', `${bare}export { add }\n`],
    ['exported the ESM way, renamed', 'function plus(a, b) { return a + b }\nexport { plus as add }\n'],
    ['CommonJS already', `${bare}module.exports = { add }\n`],
  ])('%s, taken by name', (_, code) => {
    expect(runs(code, 'add.cjs', 'test.cjs', named)).toBe('3')
  })

  test.each([
    ['a bare function', bare],
    ['a default export', `export default ${bare}`],
    ['a nameless default export', 'export default function (a, b) { return a + b }\n'],
  ])('%s, taken whole', (_, code) => {
    expect(
      runs(code, 'add.cjs', 'test.cjs', "const add = require('./add.cjs')\nconsole.log(add(1, 2))"),
    ).toBe('3')
  })

  test('members of the whole', () => {
    expect(runs(bare, 'm.cjs', 'test.cjs', "const m = require('./m.cjs')\nconsole.log(m.add(1, 2))")).toBe(
      '3',
    )
  })
})

test('a .js file follows its importer', () => {
  const esm = [{ path: 'a.js', system: 'esm' as const, names: ['add'] }]
  const cjs = [{ path: 'a.js', system: 'cjs' as const, names: ['add'] }]
  expect(makeImportable(bare, 'a.js', esm)).toBe(`${bare}\nexport { add }\n`)
  expect(makeImportable(bare, 'a.js', cjs)).toBe(`${bare}\nmodule.exports.add = add\n`)
})

test('a typed arrow of another name serves the only want', () => {
  const code = 'const plus = (a: number, b: number): number => a + b\n'
  const wants = [{ path: 'a.ts', system: 'esm' as const, names: ['add'] }]
  expect(makeImportable(code, 'a.ts', wants)).toBe(`${code}\nexport { plus as add }\n`)
})

test('what nobody imports, Python, and what is not there stay as they are', () => {
  expect(makeImportable(bare, 'a.js', [])).toBe(bare)
  expect(makeImportable('def f(): pass\n', 'a.py', [{ path: 'a.py', system: 'python', names: ['f'] }])).toBe(
    'def f(): pass\n',
  )
  const two = `${bare}function other() {}\n`
  expect(makeImportable(two, 'a.js', [{ path: 'a.js', system: 'esm', names: ['absent'] }])).toBe(two)
})
