import { describe, expect, it } from 'vitest'
import { isRefusal } from '../../../src/core/refusal.js'
import type { Language } from '../../../src/ports/sandbox.js'
import { planCommand } from '../../../src/services/sandbox/command.js'

const plan = (language: Language, command: readonly string[], paths: readonly string[]) =>
  planCommand({ language, command, files: paths.map((path) => ({ path, content: new Uint8Array() })) })

describe('a job command', () => {
  it('finds the files that node --test would', () => {
    const paths = [
      'a.test.js',
      'a.js',
      'test.mjs',
      'test-x.cjs',
      'x_test.js',
      'lib/test/any.js',
      'attest.js',
      'b.test.txt',
    ]
    expect(plan('javascript', ['node', '--test'], paths)).toMatchObject({
      language: 'javascript',
      runs: ['a.test.js', 'lib/test/any.js', 'test-x.cjs', 'test.mjs', 'x_test.js'].map((entry) => ({
        mode: 'test',
        entry,
      })),
    })
  })

  it('finds the test files of a folder', () => {
    expect(
      plan('javascript', ['node', '--test', './tests/'], ['tests/a.test.js', 'tests/b.js', 'c.test.js']),
    ).toMatchObject({
      runs: [{ entry: 'tests/a.test.js' }],
    })
  })

  it('takes a TypeScript file for TypeScript whatever the job says', () => {
    expect(plan('javascript', ['node', 'a.ts'], ['a.ts'])).toMatchObject({ language: 'typescript' })
  })

  it('keeps the arguments of the program as they are', () => {
    expect(plan('javascript', ['node', '--no-warnings', 'a.js', '--test', '-x', '../up'], [])).toMatchObject({
      runs: [{ mode: 'script', entry: 'a.js', args: ['--test', '-x', '../up'] }],
    })
    expect(plan('python', ['python', '-u', '-m', 'unittest', 'discover', '-s', 'tests'], [])).toMatchObject({
      runs: [{ mode: 'module', entry: 'unittest', args: ['discover', '-s', 'tests'] }],
    })
    expect(plan('python', ['python3', '-m', 'pkg.tool', 'x'], ['pkg/tool.py'])).toMatchObject({
      runs: [{ entry: 'pkg.tool', args: ['x'] }],
    })
  })

  it.each([
    ['python', ['node', 'a.js']],
    ['javascript', ['python3', 'a.py']],
    ['python', ['python3', '-c', 'pass']],
    ['python', ['python3', '-m', 'pip', 'install', 'x']],
    ['python', ['python3', '-m', '../x']],
    ['python', ['python3']],
    ['javascript', ['node', '--import', 'data:,', 'a.js']],
    ['javascript', ['node', '--test', 'missing.test.js']],
    ['javascript', ['node', 'a\0.js']],
    ['javascript', ['node', 'a.js', 'x\0']],
    ['javascript', ['/usr/bin/node', 'a.js']],
    ['typescript', ['deno', 'install']],
    ['typescript', ['deno', 'run', '--config', 'x', 'a.ts']],
  ] as const)('is refused: %s %j', (language, command) => {
    const refused = plan(language, command, ['a.js', 'a.ts', 'a.py'])
    expect(isRefusal(refused) && refused.code).toBe('command-unsupported')
  })
})
