import { randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { isRefusal, type Refusal } from '../../../src/core/refusal.js'
import type {
  Language,
  Sandbox,
  SandboxFile,
  SandboxJob,
  SandboxLimits,
  SandboxReport,
} from '../../../src/ports/sandbox.js'
import { until } from '../../helpers/until.js'

export const LIMITS: SandboxLimits = {
  wallMs: 20_000,
  cpuMs: 10_000,
  memoryMib: 160,
  processes: 8,
  outputBytes: 64 * 1024,
}

/** A folder of the host with a secret in it, where the sandbox also keeps its temporary folders. */
export interface Room {
  readonly folder: string
  readonly secret: string
  readonly secretFile: string
  /** Folders of the sandbox that are there now. */
  leftovers(): readonly string[]
  remove(): void
}

export function createRoom(): Room {
  const before = process.env['TMPDIR']
  const folder = mkdtempSync(join(tmpdir(), 'edgecoder-test-'))
  chmodSync(folder, 0o755)
  const secret = `secret-${randomUUID()}`
  const secretFile = join(folder, 'secret.json')
  writeFileSync(secretFile, JSON.stringify(secret))
  writeFileSync(join(folder, 'secret.mjs'), `export default ${JSON.stringify(secret)}`)
  process.env['TMPDIR'] = folder
  process.env['EDGECODER_TEST_SECRET'] = secret
  return {
    folder,
    secret,
    secretFile,
    leftovers: () => readdirSync(folder).filter((name) => name.startsWith('edgecoder-sandbox-')),
    remove() {
      rmSync(folder, { recursive: true, force: true })
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
      delete process.env['EDGECODER_TEST_SECRET']
    },
  }
}

/** One program as a job: its language, the command and the files by name. */
export interface Program {
  readonly language?: Language
  readonly command: readonly string[]
  readonly files: Readonly<Record<string, string | Uint8Array>>
  readonly limits?: Partial<SandboxLimits>
}

export function jobOf({ language = 'javascript', command, files, limits }: Program): SandboxJob {
  return {
    language,
    command,
    files: Object.entries(files).map(([path, content]): SandboxFile => fileOf(path, content)),
    limits: { ...LIMITS, ...limits },
  }
}

function fileOf(path: string, content: string | Uint8Array): SandboxFile {
  return { path, content: typeof content === 'string' ? new TextEncoder().encode(content) : content }
}

/** Runs a program that the sandbox must accept. */
export async function reportOf(
  sandbox: Sandbox,
  program: Program,
  signal = AbortSignal.timeout(60_000),
): Promise<SandboxReport> {
  const report = await sandbox.run(jobOf(program), signal)
  if (isRefusal(report)) throw new Error(`refused: ${report.code} ${report.detail}`)
  return report
}

export async function refusalOf(sandbox: Sandbox, program: Program): Promise<Refusal> {
  const refused = await sandbox.run(jobOf(program), AbortSignal.timeout(60_000))
  expect(isRefusal(refused), `ran: ${JSON.stringify(refused)}`).toBe(true)
  if (!isRefusal(refused)) throw new Error('it ran')
  return refused
}

/** Processes of the whole machine that have this word in their command line. */
export function processesWith(marker: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker)
      } catch {
        return false
      }
    })
}

/** The kernel removes the dead in its own time, but it does. */
export async function noneWith(marker: string): Promise<void> {
  await until(`no process with ${marker}`, () => processesWith(marker).length === 0)
}
