import type { Verdict } from '../../../src/ports/sandbox.js'
import type { Program } from './bench-room.js'

interface Ordinary {
  readonly name: string
  readonly program: Program
  readonly verdict: Verdict
  readonly exitCode: number
  readonly stdout?: string
}

const node = (source: string, args: readonly string[] = []): Program => ({
  command: ['node', 'a.js', ...args],
  files: { 'a.js': source },
})
const python = (source: string, args: readonly string[] = []): Program => ({
  language: 'python',
  command: ['python3', 'a.py', ...args],
  files: { 'a.py': source },
})
const tests = (
  command: readonly string[],
  files: Program['files'],
  language: Program['language'] = 'javascript',
) => ({ language, command, files }) satisfies Program

const SUM_TESTS = `import test, { describe, it, beforeEach } from 'node:test'
import assert from 'node:assert/strict'
import { sum } from './lib/sum.js'
let before = 0
beforeEach(() => { before += 1 })
test('sum', async (t) => { await t.test('small', () => assert.equal(sum(1, 2), 3)) })
describe('sums', () => { it('hooks', () => assert.equal(before, 3)); it.skip('later', () => assert.fail()) })
test('callback', (t, done) => setTimeout(done, 5))
test('known', { todo: true }, () => assert.fail())`
const UNITTEST = `import unittest
from lib import add
class Adds(unittest.TestCase):
    def test_small(self):
        self.assertEqual(add(1, 2), 3)
if __name__ == "__main__":
    unittest.main()
`

/** Programs that must end the same on every sandbox. */
export const ORDINARY: readonly Ordinary[] = [
  {
    name: 'JavaScript with arguments, as a CommonJS main program',
    program: node('if (require.main === module) console.log(process.argv.slice(2).join("+"))', [
      '1',
      'a b',
      '-x',
    ]),
    verdict: 'passed',
    exitCode: 0,
    stdout: '1+a b+-x\n',
  },
  { name: 'an exit code', program: node('process.exit(3)'), verdict: 'failed', exitCode: 3 },
  {
    name: 'an exit code set for later',
    program: node('process.exitCode = 5'),
    verdict: 'failed',
    exitCode: 5,
  },
  {
    name: 'an exit code that looks like a signal',
    program: node('process.exit(77)'),
    verdict: 'failed',
    exitCode: 77,
  },
  { name: 'an uncaught error', program: node('throw new Error("x")'), verdict: 'failed', exitCode: 1 },
  {
    name: 'a rejected promise',
    program: node('Promise.reject(new Error("x"))'),
    verdict: 'failed',
    exitCode: 1,
  },
  { name: 'a syntax error', program: node('let = ;'), verdict: 'failed', exitCode: 1 },
  {
    name: 'a program that is not there',
    program: { command: ['node', 'b.js'], files: { 'a.js': '' } },
    verdict: 'failed',
    exitCode: 1,
  },
  {
    name: 'ES modules and CommonJS together, timers, promises and files of its own',
    program: {
      command: ['node', './src/main.js'],
      files: {
        'src/main.js': `import fs from 'fs'; import path from 'node:path'; import old from './old.cjs'
          import { a } from './ring-a.js'; import json from './value.json' with { type: 'json' }
          if (json.value !== old.value) throw new Error('json')
          const here = path.basename(path.dirname(new URL(import.meta.url).pathname))
          fs.writeFileSync('out.txt', 'written')
          await new Promise((resolve) => setTimeout(resolve, 5))
          console.log(here, old.value, a(), fs.readFileSync('data/in.txt', 'utf8'), fs.readFileSync('out.txt', 'utf8'))`,
        'src/old.cjs': 'module.exports = { value: require("./value.json").value }',
        'src/value.json': '{"value": 42}',
        'src/ring-a.js':
          'import { b } from "./ring-b.js"; export const a = () => b(); export const one = () => 1',
        'src/ring-b.js': 'import { one } from "./ring-a.js"; export const b = () => one()',
        'data/in.txt': 'read',
        'package.json': '{"type": "module"}',
      },
    },
    verdict: 'passed',
    exitCode: 0,
    stdout: 'src 42 1 read written\n',
  },
  {
    name: 'the environment it may change',
    program: node('process.env.MODE = "x"; console.log(process.env.MODE, process.env.NONE)'),
    verdict: 'passed',
    exitCode: 0,
    stdout: 'x undefined\n',
  },
  {
    name: 'an empty stdin',
    program: node('process.stdin.on("data", () => {}).on("end", () => console.log("end"))'),
    verdict: 'passed',
    exitCode: 0,
    stdout: 'end\n',
  },
  {
    name: 'node:test that passes, run as a program',
    program: tests(['node', 'a.test.mjs'], {
      'a.test.mjs': SUM_TESTS,
      'lib/sum.js': 'export const sum = (a, b) => a + b',
    }),
    verdict: 'passed',
    exitCode: 0,
  },
  {
    name: 'node:test that fails, run as a program',
    program: tests(['node', 'a.test.mjs'], {
      'a.test.mjs': SUM_TESTS,
      'lib/sum.js': 'export const sum = (a, b) => a - b',
    }),
    verdict: 'failed',
    exitCode: 1,
  },
  {
    name: 'node --test over several files, one of which fails',
    program: tests(['node', '--test'], {
      'a.test.js': `const test = require('node:test'); test('a', () => {})`,
      'test/b.js': `const test = require('node:test'); test('b', () => { throw new Error('b') })`,
      'other.js': 'process.exit(0)',
    }),
    verdict: 'failed',
    exitCode: 1,
  },
  {
    name: 'node --test of a file that leaves early',
    program: tests(['node', '--test', 'a.js', 'b.js'], {
      'a.js': 'process.exit(0)',
      'b.js': 'process.exit(7)',
    }),
    verdict: 'failed',
    exitCode: 1,
  },
  {
    name: 'node --test that passes',
    program: tests(['node', '--test', 'a.js'], { 'a.js': `require('node:test').it('a', async () => {})` }),
    verdict: 'passed',
    exitCode: 0,
  },
  {
    name: 'a test that never ends its promise',
    program: node(`require('node:test')('a', () => new Promise(() => {}))`),
    verdict: 'failed',
    exitCode: 1,
  },
  {
    name: 'TypeScript with types, an enum and imports without endings',
    program: tests(
      ['node', 'src/a.ts', 'x'],
      {
        'src/a.ts': `import { twice } from './twice'; import { one } from './one.js'; import type { N } from './one.js'
          enum Kind { A = 1 } const n: N = one
          if (twice(Kind.A) !== n + 1) throw new Error('wrong'); console.log(process.argv[2])`,
        'src/twice.ts': 'export const twice = (n: number): number => 2 * n',
        'src/one.ts': 'export type N = number; export const one: N = 1',
      },
      'typescript',
    ),
    verdict: 'passed',
    exitCode: 0,
    stdout: 'x\n',
  },
  {
    name: 'TypeScript tests that fail',
    program: tests(
      ['node', '--test', 'a.test.ts'],
      {
        'a.test.ts': `import { test } from 'node:test'; test('a', (): void => { throw new Error('x' as string) })`,
      },
      'typescript',
    ),
    verdict: 'failed',
    exitCode: 1,
  },
  {
    name: 'deno run',
    program: tests(
      ['deno', 'run', '-A', 'a.ts', 'y'],
      { 'a.ts': 'if (import.meta.main) console.log(Deno.args[0] as string)' },
      'typescript',
    ),
    verdict: 'passed',
    exitCode: 0,
    stdout: 'y\n',
  },
  {
    name: 'Python with arguments, files and an exit code',
    program: {
      language: 'python',
      command: ['python3', 'pkg/main.py', 'x'],
      files: {
        'pkg/main.py': `import os, sys, other
open("out.txt", "w").write("written")
print(sys.argv, __name__, other.VALUE, open("in.txt").read(), open("out.txt").read())
sys.exit(4)`,
        'pkg/other.py': 'VALUE = 1',
        'in.txt': 'read',
      },
    },
    verdict: 'failed',
    exitCode: 4,
    stdout: "['pkg/main.py', 'x'] __main__ 1 read written\n",
  },
  { name: 'a Python exception', program: python('raise ValueError("x")'), verdict: 'failed', exitCode: 1 },
  {
    name: 'a Python exit with words',
    program: python('raise SystemExit("bye")'),
    verdict: 'failed',
    exitCode: 1,
  },
  {
    name: 'asyncio, dataclasses and typing',
    program: python(`import asyncio
from asyncio import sleep as pause
from time import sleep as rest
from dataclasses import dataclass
@dataclass
class Point:
    x: int
async def main() -> Point:
    await pause(0.01)
    return Point(3)
rest(0.01)
print(asyncio.run(main()))`),
    verdict: 'passed',
    exitCode: 0,
    stdout: 'Point(x=3)\n',
  },
  {
    name: 'unittest that passes',
    program: tests(
      ['python3', '-m', 'unittest'],
      { 'test_a.py': UNITTEST, 'lib.py': 'def add(a, b): return a + b' },
      'python',
    ),
    verdict: 'passed',
    exitCode: 0,
  },
  {
    name: 'unittest that fails',
    program: tests(
      ['python3', 'test_a.py'],
      { 'test_a.py': UNITTEST, 'lib.py': 'def add(a, b): return a - b' },
      'python',
    ),
    verdict: 'failed',
    exitCode: 1,
  },
]
