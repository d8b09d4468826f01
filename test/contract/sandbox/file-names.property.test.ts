import { posix } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fileNameFault, refuseFiles } from '../../../src/services/sandbox/file-names.js'

const none = new Uint8Array()
const hostile = fc.array(
  fc.constantFrom(
    '..',
    '.',
    '/',
    '',
    '\\',
    '\0',
    '\n',
    ':',
    'a',
    'A',
    'é',
    'e\u0301',
    ' ',
    '\u202e',
    '\ud800',
    'ſ',
    'x'.repeat(150),
  ),
  { maxLength: 24 },
)

describe('names of submitted files', () => {
  it('that are let in stay in their folder', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile.map((parts) => parts.join('')),
          fc.string({ unit: 'binary' }),
        ),
        (path) => {
          fc.pre(fileNameFault(path) === undefined)
          const joined = posix.join('/job', path)
          expect(joined).toBe(`/job/${path}`)
          expect(posix.normalize(path)).toBe(path)
          expect(Buffer.from(path).toString()).toBe(path)
          expect(path).not.toMatch(/[\p{Cc}\\:]/u)
          expect(Buffer.byteLength(path)).toBeLessThanOrEqual(512)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('that are plain are let in', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9_. -]{0,20}[A-Za-z0-9_-]$/)
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), (parts) => {
        expect(fileNameFault(parts.join('/'))).toBeUndefined()
      }),
    )
  })

  it('never hide one another, whatever the file system folds', () => {
    const names = fc.array(
      fc.constantFrom('a', 'A', 'b', 'a/b', 'A/b', 'a/B', 'é', 'e\u0301', 'É', 'ﬁ', 'fi', 'a/b/c'),
    )
    fc.assert(
      fc.property(names, (paths) => {
        const refused = refuseFiles(paths.map((path) => ({ path, content: none })))
        const folded = paths.map((path) => path.normalize('NFKC').toLowerCase())
        const clash = folded.some(
          (path, at) => folded.indexOf(path) !== at || folded.some((other) => other.startsWith(`${path}/`)),
        )
        expect(refused?.code).toBe(clash ? 'bad-file-name' : undefined)
      }),
    )
  })

  it.each([
    '/a',
    'a//b',
    'a/',
    '../a',
    'a/..',
    './a',
    'a\0',
    'a\nb',
    'C:a',
    'a\\b',
    'a ',
    'a.',
    ' a',
    '',
    '\u202ea',
    `${'d/'.repeat(16)}a`,
    'x'.repeat(201),
  ])('refuses %j', (path) => {
    expect(refuseFiles([{ path, content: none }])?.code).toBe('bad-file-name')
  })

  it('are bounded in number and size', () => {
    const many = (count: number, bytes: number) =>
      Array.from({ length: count }, (_, at) => ({ path: `f${at}`, content: new Uint8Array(bytes) }))
    expect(refuseFiles(many(1024, 1))).toBeUndefined()
    expect(refuseFiles(many(1025, 0))?.code).toBe('too-many-files')
    expect(refuseFiles(many(3, 3 * 1024 * 1024))?.code).toBe('payload-too-large')
  })
})
