import { folderOf, resolvePath, type SourceFile, type SourceLanguage } from './source-file.js'

/** What one file wants of another file of the suite. */
export interface ImportWant {
  /** Resolved against the importing file; without extension when the import has none. */
  readonly path: string
  readonly system: 'esm' | 'cjs' | 'python'
  readonly names: readonly string[]
  /** The name under which the whole module or its default export is taken; absent = not taken. */
  readonly whole?: string
}

// Every repetition below is bounded: files come from strangers, and these run on the thread that keeps leases
// alive.
const NAME = '[A-Za-z_$][\\w$]{0,200}'
const STATIC_IMPORT =
  /\bimport\s{1,20}(?!type\b)([^'";]{1,600}?)\bfrom\s{0,20}['"](\.{1,2}\/[^'"\n]{1,512})['"]/g
const CALLED_IMPORT = new RegExp(
  `\\b(?:const|let|var)\\s{1,20}(\\{[^}]{0,600}\\}|${NAME})\\s{0,20}=\\s{0,20}` +
    `(await\\s{1,20}import|require)\\s{0,20}\\(\\s{0,20}['"](\\.{1,2}/[^'"\\n]{1,512})['"]\\s{0,20}\\)` +
    `(?:\\s{0,20}\\.(${NAME}))?`,
  'g',
)
const FROM_IMPORT = /^[ \t]*from[ \t]+([\w.]{1,200})[ \t]+import[ \t]+(?:\(([^)]{1,600})\)|([^\n#]{1,600}))/gm
const PLAIN_IMPORT = /^[ \t]*import[ \t]+([\w., \t]{1,500})$/gm
/** Modules that tests take from Python itself, never from the suite. */
const PYTHON_OWN = new Set(
  (
    '__future__ abc argparse array asyncio bisect calendar collections concurrent contextlib copy csv ' +
    'dataclasses datetime decimal doctest enum fractions functools gc glob hashlib heapq hypothesis ' +
    'importlib inspect io itertools json logging math multiprocessing numpy operator os pathlib pickle ' +
    'platform pprint pytest queue random re secrets shutil signal socket sqlite3 statistics string struct ' +
    'subprocess sys tempfile textwrap threading time timeit traceback types typing unittest urllib uuid ' +
    'warnings weakref xml zlib'
  ).split(' '),
)

/**
 * Finds by pattern, not by parsing, what a file imports from its own suite. Bare package names are left out.
 */
export function scanImports(file: SourceFile, language: SourceLanguage): readonly ImportWant[] {
  return language === 'python' ? scanPython(file) : scanJavaScript(file)
}

function scanJavaScript(file: SourceFile): ImportWant[] {
  const wants: ImportWant[] = []
  const folder = folderOf(file.path)
  const add = (clause: string, specifier: string, system: 'esm' | 'cjs', member?: string): void => {
    const path = resolvePath(folder, specifier)
    if (path === undefined || path === '') return
    if (member !== undefined) wants.push({ path, system, names: [member] })
    else wants.push({ path, system, ...parseClause(clause, file.text, system) })
  }
  for (const [, clause = '', specifier = ''] of file.text.matchAll(STATIC_IMPORT)) {
    add(clause, specifier, 'esm')
  }
  for (const [, clause = '', how = '', specifier = '', member] of file.text.matchAll(CALLED_IMPORT)) {
    add(clause, specifier, how === 'require' ? 'cjs' : 'esm', how === 'require' ? member : undefined)
  }
  return wants
}

/** Reads `a`, `{ b, c as d }`, `a, { b }` or `* as m`; in a `require`, `:` renames instead of `as`. */
function parseClause(
  clause: string,
  text: string,
  system: 'esm' | 'cjs',
): { names: readonly string[]; whole?: string } {
  const braces = /\{([^}]*)\}/.exec(clause)
  const names = (braces?.[1] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '' && !part.startsWith('type '))
    .map((part) => part.split(/\s+as\s+|\s*:\s*|\s*=\s*/)[0] ?? '')
  const outside = clause.replace(/\{[^}]*\}/, '').replace(/[,\s]+$/, '')
  const namespace = /^\*\s+as\s+(\S+)$/.exec(outside.trim())?.[1]
  if (namespace !== undefined) return { names: membersUsed(namespace, text) }
  const whole = /^[\w$]+$/.exec(outside.trim())?.[0]
  if (whole === undefined) return { names }
  // `const m = require('./m')` is a namespace when only its members are used.
  const members = system === 'cjs' ? membersUsed(whole, text) : []
  const called = new RegExp(`(?<![\\w$./])${escapeName(whole)}\\s*\\(`).test(text)
  return members.length > 0 && !called ? { names: members } : { names, whole }
}

function membersUsed(name: string, text: string): readonly string[] {
  const uses = text.matchAll(new RegExp(`(?<![\\w$./])${escapeName(name)}\\.(${NAME})`, 'g'))
  return [...new Set([...uses].map((use) => use[1] ?? ''))]
}

function escapeName(name: string): string {
  return name.replaceAll('$', '\\$')
}

function scanPython(file: SourceFile): ImportWant[] {
  const wants: ImportWant[] = []
  const folder = folderOf(file.path)
  const add = (module: string, names: readonly string[]): void => {
    const dots = /^\.*/.exec(module)?.[0].length ?? 0
    const rest = module.slice(dots)
    if (rest === '' || (dots === 0 && PYTHON_OWN.has(rest.split('.')[0] ?? ''))) return
    const base = dots === 0 ? '' : folder
    const path = resolvePath(base, `${'../'.repeat(Math.max(0, dots - 1))}${rest.replaceAll('.', '/')}`)
    if (path !== undefined) wants.push({ path: `${path}.py`, system: 'python', names })
  }
  for (const [, module = '', inParens, plain = ''] of file.text.matchAll(FROM_IMPORT)) {
    const names = (inParens ?? plain).split(',').map((part) => part.trim().split(/\s+as\s+/)[0] ?? '')
    add(
      module,
      names.filter((name) => /^\w+$/.test(name)),
    )
  }
  for (const [, modules = ''] of file.text.matchAll(PLAIN_IMPORT)) {
    for (const module of modules.split(',')) add(module.trim().split(/\s+as\s+/)[0] ?? '', [])
  }
  return wants
}
