import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** What one run of the CLI said. */
export interface CliRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** stdout as one JSON value. */
  json<T = unknown>(): T
  /** stdout as NDJSON. */
  lines<T = unknown>(): readonly T[]
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Called with all of stdout so far, whenever more came. */
  readonly onStdout?: (stdout: string) => void
}

/** The environment of the tests without settings of ours that the caller's shell may hold. */
export function plainEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(EDGE|AGENT)_/.test(name))
  return { ...Object.fromEntries(kept), NO_COLOR: '1' }
}

/** Runs the built CLI to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...plainEnv(), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text
    options.onStdout?.(said.stdout)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(runOf(code, said)))
  })
}

function runOf(code: number | null, said: { readonly stdout: string; readonly stderr: string }): CliRun {
  const read = (text: string) => {
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new Error(`not JSON: ${text}\nstderr: ${said.stderr}`, { cause })
    }
  }
  return {
    code,
    ...said,
    json: () => read(said.stdout),
    lines: () => said.stdout.trimEnd().split('\n').map(read),
  }
}
