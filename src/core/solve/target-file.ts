import { pathsNamed } from './code-block.js'
import { type ImportWant, scanImports } from './import-scan.js'
import { isPlainPath, isTestPath, type SourceFile, type SourceLanguage } from './source-file.js'

/** What is known of a suite before any answer. */
export interface SuiteShape {
  readonly files: readonly SourceFile[]
  readonly command: readonly string[]
  readonly language: SourceLanguage
  readonly instructions: string
  /** The file to write, as the user said; empty = not said. */
  readonly target: string
}

const DEFAULT_NAME = { javascript: 'solution.js', typescript: 'solution.ts', python: 'solution.py' } as const
const SOURCE = {
  javascript: /\.[cm]?jsx?$/,
  typescript: /\.(?:[cm]?ts|tsx)$/,
  python: /\.py$/,
} as const
/** Longest text that is searched for imports. */
const SCANNED_CHARS = 256 * 1024

/**
 * Files that an answer must not write: submitted ones that the command names or that look like tests. Never
 * the target.
 */
export function protectedPaths(
  suite: Pick<SuiteShape, 'command' | 'target'> & { readonly files: readonly Pick<SourceFile, 'path'>[] },
): ReadonlySet<string> {
  const inCommand = new Set(suite.command.map((word) => word.replace(/^\.\//, '')))
  const paths = suite.files.map((file) => file.path)
  return new Set(paths.filter((path) => path !== suite.target && (inCommand.has(path) || isTestPath(path))))
}

/**
 * The file that code without a name goes to. Chosen by the first that tells: the user's target, the one
 * source file that the instructions name, what the tests import (a missing file before an existing one), the
 * one source file submitted, `solution.*`.
 */
export function chooseTarget(suite: SuiteShape): string {
  const guarded = protectedPaths(suite)
  const isSource = (path: string): boolean =>
    isPlainPath(path) && !guarded.has(path) && !isTestPath(path) && SOURCE[suite.language].test(path)
  const named = pathsNamed(suite.instructions.slice(0, SCANNED_CHARS)).filter(isSource)
  const submitted = new Set(suite.files.map((file) => file.path))
  const wanted = [...new Set(testWants(suite, guarded).map((want) => want.path))].filter(isSource)
  const sources = [...submitted].filter(isSource)
  return (
    (suite.target === '' ? undefined : suite.target) ??
    (named.length === 1 ? named[0] : undefined) ??
    wanted.find((each) => !submitted.has(each)) ??
    wanted[0] ??
    (sources.length === 1 ? sources[0] : undefined) ??
    DEFAULT_NAME[suite.language]
  )
}

/**
 * What the guarded files (the tests) import from the suite; with no test among them, what any file imports.
 */
export function testWants(suite: SuiteShape, guarded = protectedPaths(suite)): readonly ImportWant[] {
  const tests = suite.files.filter((file) => guarded.has(file.path))
  const submitted = new Set(suite.files.map((file) => file.path))
  return (tests.length > 0 ? tests : suite.files)
    .flatMap((file) =>
      scanImports({ path: file.path, text: file.text.slice(0, SCANNED_CHARS) }, suite.language),
    )
    .map((want) => ({ ...want, path: completed(want.path, submitted, suite.language) }))
}

/**
 * The file behind an import: `./x` may be x.ts, x.js or x/index.js, and TypeScript's `./x.js` may be x.ts.
 */
function completed(path: string, submitted: ReadonlySet<string>, language: SourceLanguage): string {
  if (language === 'python') {
    const inPackage = path.replace(/\.py$/, '/__init__.py')
    return !submitted.has(path) && submitted.has(inPackage) ? inPackage : path
  }
  const own = language === 'typescript' ? '.ts' : '.js'
  const asTypeScript = path.replace(/\.([cm]?)js(x?)$/, '.$1ts$2')
  const bare = !/\.[cm]?[jt]sx?$/.test(path)
  const guesses = bare
    ? [`${path}${own}`, `${path}.js`, `${path}.ts`, `${path}.mjs`, `${path}/index${own}`]
    : [path, asTypeScript]
  const first = bare ? `${path}${own}` : language === 'typescript' ? asTypeScript : path
  return guesses.find((guess) => submitted.has(guess)) ?? first
}
