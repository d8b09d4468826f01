import type { Refusal } from '../core/refusal.js'

export type SandboxKind = 'bubblewrap' | 'deno'
export type Language = 'javascript' | 'typescript' | 'python'

export interface SandboxFile {
  /** Relative, "/"-separated; absolute paths, "..", empty parts, NUL and control characters are refused. */
  readonly path: string
  readonly content: Uint8Array
}

export interface SandboxLimits {
  readonly wallMs: number
  readonly cpuMs: number
  readonly memoryMib: number
  readonly processes: number
  /** stdout and stderr together; more ends the run with verdict `output`. */
  readonly outputBytes: number
}

export interface SandboxJob {
  readonly files: readonly SandboxFile[]
  /** Program and arguments, no shell. */
  readonly command: readonly string[]
  readonly language: Language
  readonly limits: SandboxLimits
}

/**
 * How a run ended. `passed` = exit code 0; `failed` = any other; the rest name the bound that ended it;
 * `killed` = a signal.
 */
export type Verdict =
  | 'passed'
  | 'failed'
  | 'wall-time'
  | 'cpu-time'
  | 'memory'
  | 'processes'
  | 'output'
  | 'killed'

export interface SandboxReport {
  readonly verdict: Verdict
  /** 128 + n when signal n ended it. */
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly truncated: boolean
  readonly durationMs: number
  readonly cpuMs: number
  readonly sandbox: SandboxKind
}

/**
 * Runs strangers' code. Contract and escapes: test/contract/sandbox. Never falls back to running on the host.
 */
export interface Sandbox {
  readonly kind: SandboxKind
  readonly languages: readonly Language[]
  /**
   * Refuses (`bad-file-name`, `command-unsupported`, `too-many-files`) before anything runs.
   *
   * @param onOutput called as output comes, with the bytes so far: the sign that the run makes headway
   * @throws EdgeCoderError `sandbox-failed` when the sandbox itself broke, `cancelled` when `signal` aborts
   */
  run(
    job: SandboxJob,
    signal: AbortSignal,
    onOutput?: (totalBytes: number) => void,
  ): Promise<SandboxReport | Refusal>
  close(): Promise<void>
}
