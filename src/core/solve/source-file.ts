/** A text file of a suite, by its "/"-separated relative path. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

export type SourceLanguage = 'javascript' | 'typescript' | 'python'

const PLAIN_PATH = /^[\w@+-][\w@+.-]*(?:\/[\w@+-][\w@+.-]*)*$/
const TEST_PATHS = [
  /(?:^|\/)(?:tests?|__tests__|spec)\//,
  /[._-](?:test|spec)\.[cm]?[jt]sx?$/,
  /(?:^|\/)(?:conftest\.py|tests?\.(?:[cm]?[jt]sx?|py))$/,
  /(?:^|\/)test_[^/]*\.py$|_test\.py$/,
]

/**
 * May an answer write to this path? Relative, plain characters, no part that starts with a dot, at most 512
 * bytes.
 */
export function isPlainPath(path: string): boolean {
  return path.length <= 512 && PLAIN_PATH.test(path)
}

/** Does the path look like a test, by the customs of node, vitest, unittest and pytest? */
export function isTestPath(path: string): boolean {
  return TEST_PATHS.some((pattern) => pattern.test(path))
}

export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

/** @returns the path that `relative` names when said in `folder`, or undefined when it leaves the suite */
export function resolvePath(folder: string, relative: string): string | undefined {
  const parts = folder === '' ? [] : folder.split('/')
  for (const part of relative.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return undefined
  }
  return parts.join('/')
}
