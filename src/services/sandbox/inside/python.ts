/**
 * Runs inside the sandbox, under Deno: a Python program in Pyodide. Python code can reach the JavaScript
 * around it (`import js`), so Deno's permissions are the wall: the Pyodide folder, ours and the job's can
 * be read, nothing else.
 *
 * Arguments: mark, Pyodide folder, snapshot file or "", job folder, mode, entry, arguments. With the mode
 * `snapshot` writes a memory snapshot of a started interpreter to the entry, from which others start faster.
 */
import { readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

/** The part of Pyodide's API used here; the underscored names belong to the pinned version. */
interface Pyodide {
  readonly FS: {
    mkdirTree(path: string): void
    writeFile(path: string, content: Uint8Array): void
    chdir(path: string): void
  }
  runPython(source: string): unknown
  readonly globals: { get(name: string): { callPromising(...given: unknown[]): Promise<unknown> } }
  setStdin(options: { stdin: () => null }): void
  setStdout(options: { write(bytes: Uint8Array): number }): void
  setStderr(options: { write(bytes: Uint8Array): number }): void
  makeMemorySnapshot(): Uint8Array
}

/** Where the job's files lie for the program. */
const HOME = '/home/job'
const PRELUDE = `
import sys

def edgecoder_run(mode, entry, args, home, pause):
    import os, runpy, time, traceback, types, random
    random.seed()
    # Emscripten's own turns round and round.
    time.sleep = lambda seconds: pause(seconds * 1000)
    os.environ.clear()
    os.environ.update(HOME=home, PATH="/usr/bin:/bin", LANG="C.UTF-8", TMPDIR="/tmp")
    sys.argv = [entry if mode == "script" else "-m", *args]
    target = os.path.join(home, entry)
    sys.path.insert(0, os.path.dirname(target) if mode == "script" else home)
    code = 0
    try:
        if mode == "script":
            with open(target, "rb") as file:
                program = compile(file.read(), target, "exec")
            main = types.ModuleType("__main__")
            main.__dict__.update(__file__=target, __builtins__=__builtins__)
            sys.modules["__main__"] = main
            exec(program, main.__dict__)
        else:
            runpy.run_module(entry, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, int):
            code = end.code & 255
        elif end.code is not None:
            print(end.code, file=sys.stderr)
            code = 1
    except BaseException as error:
        traceback.print_exception(error.with_traceback(error.__traceback__.tb_next))
        code = 1
    import atexit
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass
    return code
`
/** What most programs and their tests import; in the snapshot it costs nothing. */
const WARM = 'import random, unittest, json, re, dataclasses, typing, collections, itertools, functools, math'

const [mark = '', pyodideFolder = '', snapshot = '', folder = '', mode, entry = '', ...args] =
  process.argv.slice(2)
const { loadPyodide } = await import(pathToFileURL(path.join(pyodideFolder, 'pyodide.mjs')).href)
const python: Pyodide = await loadPyodide({
  indexURL: `${pyodideFolder}/`,
  ...(mode === 'snapshot' ? { _makeSnapshot: true } : {}),
  ...(snapshot === '' ? {} : { _loadSnapshot: readFileSync(snapshot) }),
})
if (mode === 'snapshot') makeSnapshot()
else await runProgram()

function makeSnapshot(): void {
  python.runPython(WARM)
  writeFileSync(entry, python.makeMemorySnapshot())
  writeSync(1, `${mark}\n`)
}

async function runProgram(): Promise<void> {
  python.setStdin({ stdin: () => null })
  python.setStdout({ write: (bytes) => writeAll(1, bytes) })
  python.setStderr({ write: (bytes) => writeAll(2, bytes) })
  copyIn(folder, HOME)
  python.FS.chdir(HOME)
  python.runPython(PRELUDE)
  const run = python.globals.get('edgecoder_run')
  python.runPython('del edgecoder_run')
  writeSync(1, `${mark}\n`)
  // Promising: with its stack switched, Python can wait for JavaScript, as asyncio.run does.
  const code = await run.callPromising(mode, entry, args, HOME, pause)
  process.exit(typeof code === 'number' ? code : 1)
}

function pause(ms: number): void {
  if (ms < 0) throw new RangeError('sleep length must be non-negative')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function copyIn(from: string, to: string): void {
  python.FS.mkdirTree(to)
  for (const item of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, item.name), `${to}/${item.name}`]
    if (item.isDirectory()) copyIn(source, target)
    else python.FS.writeFile(target, readFileSync(source))
  }
}

function writeAll(fd: 1 | 2, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at)
  return bytes.length
}
