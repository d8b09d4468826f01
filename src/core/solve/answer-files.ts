import { extractCode } from './code-block.js'
import { makeImportable } from './make-importable.js'
import { isPlainPath, type SourceFile } from './source-file.js'
import { chooseTarget, protectedPaths, type SuiteShape, testWants } from './target-file.js'

/** Most files one answer may write. */
const MAX_FILES = 64

/**
 * The files that an answer writes, importable by the tests. Tests, paths that leave the suite and hidden
 * files are never written; code without a name goes to the target.
 *
 * @returns empty when the answer holds no usable code
 */
export function answerFiles(
  suite: SuiteShape,
  answer: string,
  target: string = chooseTarget(suite),
): readonly SourceFile[] {
  const guarded = protectedPaths(suite)
  const wants = testWants(suite, guarded)
  const files = new Map<string, string>()
  for (const block of extractCode(answer)) {
    const path = block.path === undefined ? target : block.path.replace(/^\.\//, '')
    if (!isPlainPath(path) || guarded.has(path) || files.size >= MAX_FILES) continue
    const wanted = wants.filter((want) => want.path === path)
    files.set(path, makeImportable(block.code, path, wanted))
  }
  return [...files].map(([path, text]) => ({ path, text }))
}
