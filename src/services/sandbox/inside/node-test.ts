/**
 * Runs inside the sandbox, under Deno: the part of node:test that programs use, so that `node test.js`
 * gives the same exit code as under Node. Tests run one after another in the order they were written;
 * `only`, `concurrency` and name patterns have no effect. Prints TAP.
 */
import assert from 'node:assert'
import process from 'node:process'
import { mock } from 'node:test'

interface Options {
  readonly skip?: boolean | string
  readonly todo?: boolean | string
  readonly timeout?: number
}
type Done = (error?: unknown) => void
type TestBody = (context: Context, done: Done) => unknown
type Hook = (context: unknown, done: Done) => unknown
type HookName = 'before' | 'after' | 'beforeEach' | 'afterEach'

/** A suite, or a test while it runs: what its tests and hooks hang on. */
interface Scope {
  readonly parent: Scope | undefined
  readonly name: string
  readonly hooks: Record<HookName, Hook[]>
  readonly queue: (() => Promise<void>)[]
  failed: boolean
  begun: boolean
}

class Context {
  readonly #scope: Scope
  readonly name: string
  readonly mock = mock
  readonly assert = assert
  readonly signal = new AbortController().signal
  readonly before = hookOf('before', () => this.#scope)
  readonly after = hookOf('after', () => this.#scope)
  readonly beforeEach = hookOf('beforeEach', () => this.#scope)
  readonly afterEach = hookOf('afterEach', () => this.#scope)
  #skipped: string | undefined

  constructor(scope: Scope) {
    this.#scope = scope
    this.name = scope.name
  }

  get fullName(): string {
    const names = []
    for (let at: Scope | undefined = this.#scope; at?.parent; at = at.parent) names.unshift(at.name)
    return names.join(' > ')
  }

  /** Runs a sub-test at once; it counts for its parent. */
  readonly test = (...given: unknown[]): Promise<void> => {
    const { name, options, body } = readArguments(given)
    return runTest(this.#scope, name, options, body)
  }

  diagnostic(message: string): void {
    say(this.#scope, `# ${message}`)
  }

  skip(why = ''): void {
    this.#skipped = why
  }

  todo(why = ''): void {
    this.#skipped = why
  }

  get skipped(): boolean {
    return this.#skipped !== undefined
  }

  plan(): void {}
  runOnly(): void {}
}

const root = newScope('', undefined)
let current = root
let unfinished = 0
let count = 0
let last: Promise<void> = Promise.resolve()

process.once('beforeExit', () => {
  runHooks(root, 'after').catch((error: unknown) => {
    fail(root)
    report(root, 'not ok', error)
  })
})

/** 1 when a test failed, or had not ended when the program did. */
export function exitCode(): number {
  if (unfinished > 0) console.log('# a test was still waiting when the program ended')
  return root.failed || unfinished > 0 ? 1 : 0
}

function test(...given: unknown[]): Promise<void> {
  const { name, options, body } = readArguments(given)
  const scope = current
  return enqueue(scope, () => runTest(scope, name, options, body))
}

function suite(...given: unknown[]): Promise<void> {
  const { name, options, body } = readArguments(given)
  const parent = current
  const own = newScope(name, parent)
  let building: unknown
  let broken: { readonly error: unknown } | undefined
  current = own
  try {
    if (!options.skip) building = (body as Hook | undefined)?.(new Context(own), () => undefined)
  } catch (error) {
    broken = { error }
  } finally {
    current = parent
  }
  return enqueue(parent, () => runSuite(own, building, broken))
}

async function runSuite(own: Scope, building: unknown, broken?: { readonly error: unknown }) {
  own.begun = true
  try {
    if (broken !== undefined) throw broken.error
    await building
    await runHooks(own, 'before')
    for (const next of own.queue) await next()
    await runHooks(own, 'after')
    report(own, own.failed ? 'not ok' : 'ok')
  } catch (error) {
    fail(own)
    report(own, 'not ok', error)
  }
}

async function runTest(parent: Scope, name: string, options: Options, body: TestBody | undefined) {
  const own = newScope(name, parent)
  if (options.skip || body === undefined) return report(own, 'ok', undefined, '# SKIP')
  own.begun = true
  const context = new Context(own)
  let failure: { readonly error: unknown } | undefined
  try {
    await runHooks(parent, 'before')
    await runEach(parent, 'beforeEach', context)
    await within(options.timeout, callBody(body, context))
    await runHooks(own, 'after')
  } catch (error) {
    failure = { error }
  }
  try {
    await runEach(parent, 'afterEach', context)
  } catch (error) {
    failure ??= { error }
  }
  if (failure === undefined && !own.failed) {
    return report(own, 'ok', undefined, context.skipped ? '# SKIP' : '')
  }
  if (!options.todo) fail(own)
  report(own, 'not ok', failure?.error ?? new Error('a sub-test failed'), options.todo ? '# TODO' : '')
}

/** Root tests start when the program's first turn is over; those of a suite when it is their turn. */
function enqueue(scope: Scope, task: () => Promise<void>): Promise<void> {
  unfinished += 1
  const counted = async () => {
    await task()
    unfinished -= 1
  }
  if (scope !== root && !scope.begun) {
    scope.queue.push(counted)
    return Promise.resolve()
  }
  last = last.then(counted)
  return last
}

function callBody(body: TestBody, context: Context): unknown {
  if (body.length < 2) return body(context, () => undefined)
  return new Promise<void>((resolve, reject) => {
    body(context, (error) => (error === undefined || error === null ? resolve() : reject(error)))
  })
}

async function within(timeoutMs: number | undefined, work: unknown): Promise<unknown> {
  if (timeoutMs === undefined || !Number.isFinite(timeoutMs)) return work
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`test timed out after ${timeoutMs}ms`)), timeoutMs)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** `before` and `after` run once. */
async function runHooks(scope: Scope, name: 'before' | 'after'): Promise<void> {
  for (const hook of scope.hooks[name].splice(0)) await callBody(hook, new Context(scope))
}

async function runEach(scope: Scope, name: 'beforeEach' | 'afterEach', context: Context): Promise<void> {
  const scopes: Scope[] = []
  for (let at: Scope | undefined = scope; at; at = at.parent) scopes.push(at)
  const inOrder = name === 'beforeEach' ? scopes.reverse() : scopes
  for (const at of inOrder) for (const hook of at.hooks[name]) await callBody(hook, context)
}

function fail(scope: Scope): void {
  for (let at: Scope | undefined = scope; at; at = at.parent) at.failed = true
}

function report(scope: Scope, how: 'ok' | 'not ok', error?: unknown, directive = ''): void {
  say(scope, `${how} ${++count} - ${scope.name} ${directive}`.trimEnd())
  if (error === undefined) return
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  for (const line of text.split('\n')) say(scope, `  # ${line}`)
}

function say(scope: Scope, line: string): void {
  let depth = -1
  for (let at: Scope | undefined = scope; at; at = at.parent) depth += 1
  console.log(`${'    '.repeat(Math.max(0, depth - 1))}${line}`)
}

function newScope(name: string, parent: Scope | undefined): Scope {
  const hooks = { before: [], after: [], beforeEach: [], afterEach: [] }
  return { parent, name, hooks, queue: [], failed: false, begun: false }
}

function hookOf(name: HookName, scope: () => Scope) {
  return (hook: Hook) => {
    scope().hooks[name].push(hook)
  }
}

function readArguments(given: readonly unknown[]) {
  const body = given.find((part): part is TestBody => typeof part === 'function')
  const name = given.find((part) => typeof part === 'string') ?? body?.name
  const options: Options = Object.assign({}, ...given.filter((part) => typeof part === 'object'))
  return { name: name || '<anonymous>', options, body }
}

function variants(run: (...given: unknown[]) => Promise<void>) {
  return Object.assign(run, {
    skip: (...given: unknown[]) => run(...given, { skip: true }),
    todo: (...given: unknown[]) => run(...given, { todo: true }),
    only: run,
  })
}

const tests = variants(test)
const suites = variants(suite)
const scopeNow = () => current

/** What `import test from 'node:test'` gives. */
export const api = Object.assign(tests, {
  test: tests,
  it: variants((...given) => test(...given)),
  describe: suites,
  suite: suites,
  before: hookOf('before', scopeNow),
  after: hookOf('after', scopeNow),
  beforeEach: hookOf('beforeEach', scopeNow),
  afterEach: hookOf('afterEach', scopeNow),
  mock,
})

/** Its named exports. */
export const names: readonly string[] = Object.keys(api)
