/**
 * Runs inside the sandbox, under Deno: starts a JavaScript or TypeScript program as Node would. It is the
 * entry of the module graph, and the program comes in by a computed import only: Deno does not ask for
 * permission to read what its entry imports by a literal.
 *
 * Arguments: mark, file of the node:test replacement, job folder, mode, entry, arguments.
 */
import { existsSync, readFileSync, writeSync } from 'node:fs'
import Module from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import vm from 'node:vm'

/** What Deno's node:module has and the typings of Node 20 lack. */
interface Hooks {
  _load(file: string, parent: null, isMain: boolean): unknown
  stripTypeScriptTypes(source: string, options: { mode: 'transform' }): string
  registerHooks(hooks: {
    resolve(specifier: string, context: HookContext, next: NextResolve): HookResult
    load(url: string, context: HookContext, next: NextLoad): HookResult
  }): void
}
interface HookContext {
  readonly conditions?: readonly string[]
  readonly parentURL?: string
}
interface HookResult {
  readonly url?: string
  readonly format?: string
  readonly source?: string
  readonly shortCircuit?: boolean
}
type NextResolve = (specifier: string, context: HookContext) => HookResult
type NextLoad = (url: string, context: HookContext) => HookResult

const hooks: Hooks = Object.assign(Module)
const [mark = '', testFile = '', folder = '', mode, entry = '', ...args] = process.argv.slice(2)
const file = path.join(folder, entry)
const TEST_URL = 'edgecoder:node-test'
const NODE_TEST = Symbol.for('edgecoder.node-test')

const test: { exitCode(): number; names: readonly string[]; api: unknown } = await import(
  pathToFileURL(testFile).href
)
Reflect.set(globalThis, NODE_TEST, test.api)
hooks.registerHooks({ resolve, load })

process.chdir(folder)
process.argv.splice(0, process.argv.length, 'node', file, ...args)
const { Deno } = globalThis as { Deno?: object }
if (Deno !== undefined) Object.defineProperty(Deno, 'args', { value: Object.freeze(args), enumerable: true })
// The real one asks for a permission at every reading.
const env = { HOME: '/tmp', PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', TMPDIR: folder, NO_COLOR: '1' }
Object.defineProperty(process, 'env', { value: env, writable: true, configurable: true })

process.on('exit', (code) => {
  // As in `node --test`: whatever ended a test file badly, the command ends with 1.
  const failed = code !== 0 || test.exitCode() !== 0
  if (failed && (code === 0 || mode === 'test')) process.exitCode = 1
})

writeSync(1, `${mark}\n`)
if (isCommonJs(file)) hooks._load(file, null, true)
else await import(pathToFileURL(file).href)

/** node:test from Deno runs nothing outside `deno test`; a program whose tests do not run would pass. */
function resolve(specifier: string, context: HookContext, next: NextResolve): HookResult {
  // Node's own modules also go by their bare names.
  const bare = !specifier.startsWith('node:') && Module.isBuiltin(specifier)
  if (bare) return next(`node:${specifier}`, context)
  if (specifier === 'node:test' && context.conditions?.includes('require') !== true) {
    return { url: TEST_URL, format: 'module', shortCircuit: true }
  }
  const parent = context.parentURL ?? ''
  const required = context.conditions?.includes('require') === true
  if (required) return foundOrThrow(specifier, parent, () => next(mappedToSource(specifier, parent), context))
  // With any load hook in place Deno takes a package's name for a file beside the importer.
  const named = parent.startsWith('file:') && /^(#|@?\w)/.test(specifier) && !URL.canParse(specifier)
  if (!named) return next(mappedToSource(specifier, parent), context)
  const find = () => pathToFileURL(Module.createRequire(parent).resolve(specifier)).href
  return next(foundOrThrow(specifier, parent, find), context)
}

function load(url: string, context: HookContext, next: NextLoad): HookResult {
  const api = `globalThis[Symbol.for(${JSON.stringify(NODE_TEST.description)})]`
  if (url === TEST_URL) {
    const names = test.names.map((name) => `export const ${name} = api.${name};`).join('')
    return {
      format: 'module',
      source: `const api = ${api}; export default api; ${names}`,
      shortCircuit: true,
    }
  }
  if (url === 'node:test') {
    return { format: 'commonjs', source: `module.exports = ${api}`, shortCircuit: true }
  }
  // With any load hook in place Deno reads a required JSON file as a script.
  if (url.startsWith('file:') && url.endsWith('.json') && context.conditions?.includes('require')) {
    return { format: 'json', source: readFileSync(fileURLToPath(url), 'utf8'), shortCircuit: true }
  }
  return next(url, context)
}

/** Node's words and code for what is not there; programs catch it to do without. */
function foundOrThrow<T>(specifier: string, parent: string, find: () => T): T {
  try {
    return find()
  } catch {
    const error = new Error(`Cannot find module '${specifier}' imported from ${parent}`)
    throw Object.assign(error, { code: 'MODULE_NOT_FOUND' })
  }
}

/** "./sum" and "./sum.js" name sum.ts when a TypeScript file says so, as tsc and bundlers have it. */
function mappedToSource(specifier: string, parent: string): string {
  if (!/^\.\.?\//.test(specifier) || !parent.startsWith('file:') || !/\.[cm]?tsx?$/.test(parent)) {
    return specifier
  }
  const target = fileURLToPath(new URL(specifier, parent))
  if (!target.startsWith(folder) || existsSync(target)) return specifier
  const written = target.replace(/\.([cm]?)js$/, '.$1ts')
  const found = [written, `${target}.ts`, `${target}.tsx`, `${target}.js`, `${target}/index.ts`].find(
    (path) => path !== target && existsSync(path),
  )
  return found === undefined ? specifier : pathToFileURL(found).href
}

/** Node's rule: the ending, then the nearest package.json, then whether it reads as a script. */
function isCommonJs(file: string): boolean {
  if (/\.c[jt]s$/.test(file)) return true
  if (/\.m[jt]s$/.test(file) || !existsSync(file)) return false
  const type = packageType(path.dirname(file))
  return type === undefined ? readsAsScript(file) : type === 'commonjs'
}

function packageType(from: string): string | undefined {
  for (let at = from; at.startsWith(folder); at = path.dirname(at)) {
    try {
      const found: unknown = JSON.parse(readFileSync(path.join(at, 'package.json'), 'utf8'))
      const type = typeof found === 'object' && found !== null && 'type' in found ? found.type : undefined
      return typeof type === 'string' ? type : undefined
    } catch {
      // None here, or it cannot be read: look further up, inside the job's folder only.
    }
  }
  return undefined
}

function readsAsScript(file: string): boolean {
  try {
    const source = readFileSync(file, 'utf8').replace(/^#!.*/, '')
    const plain = /\.tsx?$/.test(file) ? hooks.stripTypeScriptTypes(source, { mode: 'transform' }) : source
    new vm.Script(`(function (exports, require, module, __filename, __dirname) {${plain}\n})`)
    return true
  } catch {
    return false
  }
}
