import { type Refusal, refusal } from '../../core/refusal.js'
import type { Language, SandboxJob } from '../../ports/sandbox.js'
import { fileNameFault } from './file-names.js'

/** One process to start: a file, or for `module` a Python module, with its arguments. */
export interface Run {
  readonly mode: 'script' | 'test' | 'module' | 'snapshot'
  readonly entry: string
  readonly args: readonly string[]
}

/** A checked command. */
export interface Plan {
  /** `typescript` also for JavaScript files of a TypeScript job: they may import each other. */
  readonly language: Language
  /** Run in order, each in a process of its own, as `node --test` does with its files. */
  readonly runs: readonly Run[]
}

/** Short enough to reach the user whole: what crosses the wire has a bound. */
const SUPPORTED =
  'node FILE · node --test [FILES] · deno run FILE · python3 FILE · ' +
  'python3 -m unittest · python3 -m MODULE (arguments may follow)'

/** Bytes of all arguments together. */
const ARGS_BYTES = 64 * 1024
/** Test files of one command: each costs a process start. */
const TEST_FILES = 32
/** Options that change nothing here, so that usual commands work as they are written. */
const NODE_IGNORED = /^--(experimental-strip-types|enable-source-maps|no-warnings|test-reporter=\w+)$/
const DENO_IGNORED = /^(-A|--allow-[a-z-]+(=.*)?|--no-check|--quiet|-q)$/
const PYTHON_IGNORED = /^-[uB]$/
const PYTHON_MODULES = ['unittest', 'doctest']

/**
 * Reads a job's command: the same few forms on every sandbox, so that a verdict does not depend on where
 * it ran.
 *
 * @returns `command-unsupported` with the forms that are supported
 */
export function planCommand(job: Pick<SandboxJob, 'command' | 'files' | 'language'>): Plan | Refusal {
  const [program, ...args] = job.command
  if (args.some((arg) => arg.includes('\0')) || Buffer.byteLength(args.join('')) > ARGS_BYTES) {
    return unsupported(`arguments hold a NUL or are over ${ARGS_BYTES} bytes`)
  }
  const paths = job.files.map((file) => file.path)
  const script = job.language === 'python' ? undefined : program
  if (script === 'node') return planNode(args, paths, job.language)
  if (script === 'deno') return planDeno(args, job.language)
  if (job.language === 'python' && (program === 'python3' || program === 'python')) {
    return planPython(args, paths)
  }
  return unsupported(`its first word is no program for ${job.language}`)
}

function planNode(args: readonly string[], paths: readonly string[], language: Language): Plan | Refusal {
  const { options, rest } = splitOptions(args)
  const odd = options.findIndex((option) => option !== '--test' && !NODE_IGNORED.test(option))
  if (odd >= 0) return unsupported(`option ${odd + 1} of node is none it takes here`)
  if (!options.includes('--test')) {
    const run = scriptRun(rest)
    return 'refused' in run ? run : { language: languageOf([run.entry], language), runs: [run] }
  }
  const files = testFiles(rest, paths)
  if (!Array.isArray(files)) return files
  return {
    language: languageOf(files, language),

    runs: files.map((entry) => ({ mode: 'test', entry, args: [] })),
  }
}

function planDeno(args: readonly string[], language: Language): Plan | Refusal {
  const [verb, ...more] = args
  if (verb !== 'run') return unsupported('deno can only run a file')
  const { options, rest } = splitOptions(more)
  const odd = options.findIndex((option) => !DENO_IGNORED.test(option))
  if (odd >= 0) return unsupported(`option ${odd + 1} of deno run is none it takes here`)
  const run = scriptRun(rest)
  if ('refused' in run) return run
  // Deno's own manners need Deno, whatever the file's language: both sandboxes start the same program.
  return { language: language === 'javascript' ? 'typescript' : language, runs: [run] }
}

function planPython(args: readonly string[], paths: readonly string[]): Plan | Refusal {
  const from = args.findIndex((arg) => !PYTHON_IGNORED.test(arg))
  const [first, second, ...rest] = from < 0 ? [] : args.slice(from)
  if (first !== '-m') {
    const run = scriptRun(from < 0 ? [] : args.slice(from))
    return 'refused' in run ? run : { language: 'python', runs: [run] }
  }
  const own = (second ?? '').replaceAll('.', '/')
  const submitted = [`${own}.py`, `${own}/__main__.py`].some((path) => paths.includes(path))
  if (second === undefined || !(submitted || PYTHON_MODULES.includes(second))) {
    return unsupported('its python module is neither submitted nor built in')
  }
  return { language: 'python', runs: [{ mode: 'module', entry: second, args: rest }] }
}

function scriptRun(args: readonly string[]): Run | Refusal {
  const [file = '', ...rest] = args
  const entry = plain(file)
  const why = file.startsWith('-') ? 'it is an option' : fileNameFault(entry)
  if (why !== undefined) return unsupported(`the name of its program file: ${why}`)
  return { mode: 'script', entry, args: rest }
}

function plain(file: string): string {
  return file.replace(/^(\.\/+)+/, '')
}

function splitOptions(args: readonly string[]): { options: readonly string[]; rest: readonly string[] } {
  const end = args.findIndex((arg) => !arg.startsWith('-') || arg === '--')
  if (end < 0) return { options: args, rest: [] }
  return { options: args.slice(0, end), rest: args.slice(args[end] === '--' ? end + 1 : end) }
}

/** Names that `node --test` looks for by itself, TypeScript endings included. */
const TEST_NAME = /(^|\/)(test|test-[^/]*|[^/]*[.\-_]test)\.[cm]?[jt]s$/
const IN_TEST_FOLDER = /(^|\/)test\/([^/]+\/)*[^/]+\.[cm]?[jt]s$/

function testFiles(asked: readonly string[], paths: readonly string[]): string[] | Refusal {
  const found = new Set<string>()
  const byName = paths.filter((path) => TEST_NAME.test(path) || IN_TEST_FOLDER.test(path))
  for (const [at, file] of asked.map(plain).entries()) {
    const folder = file.endsWith('/') ? file : `${file}/`
    const within = paths.includes(file) ? [file] : byName.filter((path) => path.startsWith(folder))
    if (within.length === 0) return unsupported(`test file ${at + 1} was not submitted`)
    for (const path of within) found.add(path)
  }
  if (asked.length === 0) for (const path of byName) found.add(path)
  // Node passes when there is nothing to test; a task must not.
  if (found.size === 0) return unsupported('no submitted file is named like a test')
  if (found.size > TEST_FILES)
    return unsupported(`${found.size} test files; ${TEST_FILES} fit in one command`)
  return [...found].sort()
}

function languageOf(entries: readonly string[], asked: Language): Language {
  return entries.some((entry) => /\.[cm]?tsx?$/.test(entry)) ? 'typescript' : asked
}

/** @param why quotes no word of the command: refusals pass the coordinator, which must not see what users send */
function unsupported(why: string): Refusal {
  return refusal('command-unsupported', `Command not supported: ${why}.`, {
    next: `Use one of: ${SUPPORTED}`,
  })
}
