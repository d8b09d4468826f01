import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { editScript } from '../../../../src/core/solve/edit-script.js'
import { unifiedDiff } from '../../../../src/core/solve/unified-diff.js'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'edgecoder-diff-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Few different lines, so that many of them match; the last line may lack its end. */
const text = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', 'c', '', '  d', '-e', '+f'), { maxLength: 30 }), fc.boolean())
  .map(([lines, ended]) => lines.join('\n') + (ended && lines.length > 0 ? '\n' : ''))

/** The new file as git makes it from the old one and the diff. */
function applied(before: string | undefined, diff: string): string {
  const work = mkdtempSync(join(folder, 'w-'))
  mkdirSync(join(work, 'src'))
  if (before !== undefined) writeFileSync(join(work, 'src/file.js'), before)
  // `apply` also works outside a repository; --unsafe-paths is not needed below the working folder.
  execFileSync('git', ['apply', '--whitespace=nowarn', '-'], {
    cwd: work,
    input: diff,
    env: { ...process.env, GIT_CEILING_DIRECTORIES: folder, GIT_DIR: join(work, 'none') },
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  const after = readFileSync(join(work, 'src/file.js'), 'utf8')
  rmSync(work, { recursive: true })
  return after
}

test('git apply makes the new text from the old one and the diff', () => {
  fc.assert(
    fc.property(text, text, (before, after) => {
      fc.pre(before !== after)
      expect(applied(before, unifiedDiff('src/file.js', before, after))).toBe(after)
    }),
    { numRuns: 60 },
  )
})

test('a new file comes from /dev/null', () => {
  fc.assert(
    fc.property(text, (after) => {
      fc.pre(after !== '')
      const diff = unifiedDiff('src/file.js', undefined, after)
      expect(diff).toContain('--- /dev/null\n+++ b/src/file.js\n')
      expect(applied(undefined, diff)).toBe(after)
    }),
    { numRuns: 20 },
  )
})

test('patch -p1 takes it too', () => {
  const work = mkdtempSync(join(folder, 'p-'))
  const before = `${Array.from({ length: 40 }, (_, i) => `line ${i}`).join('\n')}\n`
  const after = before.replace('line 3\n', 'line three\n').replace('line 30\n', '').replace('line 39', 'end')
  writeFileSync(join(work, 'file.js'), before)
  execFileSync('patch', ['-p1'], { cwd: work, input: unifiedDiff('file.js', before, after), stdio: 'pipe' })
  expect(readFileSync(join(work, 'file.js'), 'utf8')).toBe(after)
})

test('only what changed is in the diff', () => {
  const before = Array.from({ length: 100 }, (_, i) => `line ${i}\n`).join('')
  const diff = unifiedDiff('f.js', before, before.replace('line 50\n', 'fifty\n'))
  expect(diff.split('\n').filter((line) => /^[+-](?![+-])/.test(line))).toEqual(['-line 50', '+fifty'])
  expect(diff).toContain('@@ -48,7 +48,7 @@')
})

test('no difference, no diff', () => {
  expect(unifiedDiff('f.js', 'same\n', 'same\n')).toBe('')
})

const lines = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 40 })

test('an edit script rebuilds the new lines, and keeps as many as the longest common subsequence', () => {
  fc.assert(
    fc.property(lines, lines, (before, after) => {
      const edits = editScript(before, after)
      let kept = 0
      const rebuilt: string[] = []
      for (const edit of edits) {
        if (edit.type === 'keep') kept += edit.oldEnd - edit.oldStart
        const from =
          edit.type === 'keep'
            ? before.slice(edit.oldStart, edit.oldEnd)
            : after.slice(edit.newStart, edit.newEnd)
        rebuilt.push(...from)
      }
      expect(rebuilt).toEqual(after)
      expect(kept).toBe(longestCommon(before, after))
    }),
    { numRuns: 300 },
  )
})

test('past the bound the middle is replaced as a whole, still right', () => {
  const before = Array.from({ length: 3000 }, (_, i) => `old ${i}`)
  const after = Array.from({ length: 3000 }, (_, i) => `new ${i}`)
  expect(editScript(['x', ...before, 'y'], ['x', ...after, 'y'])).toEqual([
    { type: 'keep', oldStart: 0, oldEnd: 1, newStart: 0, newEnd: 1 },
    { type: 'replace', oldStart: 1, oldEnd: 3001, newStart: 1, newEnd: 3001 },
    { type: 'keep', oldStart: 3001, oldEnd: 3002, newStart: 3001, newEnd: 3002 },
  ])
})

/** The textbook table, as the reference. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const row = table[i] as number[]
      row[j] =
        a[i - 1] === b[j - 1]
          ? (table[i - 1]?.[j - 1] ?? 0) + 1
          : Math.max(table[i - 1]?.[j] ?? 0, row[j - 1] ?? 0)
    }
  }
  return table[a.length]?.[b.length] ?? 0
}
