import { once } from 'node:events'
import { createServer } from 'node:net'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { Language, Sandbox, SandboxJob, SandboxKind, SandboxReport } from '../../ports/sandbox.js'
import { createBubblewrapSandbox } from './bubblewrap-sandbox.js'
import { createDenoSandbox } from './deno-sandbox.js'
import { sweepJobFolders } from './job-folder.js'

export interface DetectInit {
  readonly log: Log
  /** Only this kind; without it the stronger one that works. */
  readonly prefer?: SandboxKind
  /** Keeps what is slow to make for the next start; a folder that only we may write to. */
  readonly cacheFolder?: string
}

/**
 * Gives a sandbox that has just been seen to run a harmless program and to stop a harmful one, and never
 * anything less. Offers the languages whose harmless program really ran.
 *
 * @returns `no-sandbox` with what was tried and what to install
 */
export async function detectSandbox(init: DetectInit): Promise<Sandbox | Refusal> {
  const { log, prefer } = init
  const tried: string[] = []
  await sweepJobFolders().catch((error: unknown) => log.debug('sandbox-sweep-failed', { why: String(error) }))
  for (const kind of prefer === undefined ? (['bubblewrap', 'deno'] as const) : [prefer]) {
    const made = await create(kind, init).catch((error: unknown) => String(error))
    const proven = typeof made === 'string' ? made : await prove(made, log)
    if (typeof proven !== 'string') {
      log.info('sandbox-ready', { kind, languages: proven.languages })
      return proven
    }
    if (typeof made !== 'string') await made.close()
    tried.push(`${kind}: ${proven}`)
  }
  return refusal('no-sandbox', `No sandbox works here. Tried ${tried.join('; ')}`.slice(0, 300), {
    next: 'Linux: apt install bubblewrap. Elsewhere: reinstall, so that the npm package deno has its binary.',
  })
}

async function create(kind: SandboxKind, { log, cacheFolder }: DetectInit): Promise<Sandbox | string> {
  if (kind === 'bubblewrap') return createBubblewrapSandbox()
  return createDenoSandbox({ log }, cacheFolder === undefined ? {} : { cacheFolder })
}

const LIMITS = { wallMs: 20_000, cpuMs: 20_000, memoryMib: 256, processes: 8, outputBytes: 65_536 }
const PROBE_MS = 90_000

/** Must pass: one program for each language. */
const HARMLESS: Readonly<Record<Language, Pick<SandboxJob, 'command' | 'files'>>> = {
  javascript: probe('node', 'probe.js', 'if (2 + 2 !== 4) process.exit(1)'),
  typescript: probe('node', 'probe.ts', 'const four: number = 2 + 2; if (four !== 4) process.exit(1)'),
  python: probe('python3', 'probe.py', 'assert 2 + 2 == 4'),
}

/** Must not pass: it does when it can read the host's users or reach the loopback port it is given. */
const HARMFUL = probe(
  'node',
  'probe.mjs',
  `import fs from 'node:fs'
   import net from 'node:net'
   try { fs.readFileSync('/etc/passwd'); process.exit(0) } catch {}
   const way = net.connect(Number(process.argv[2]), '127.0.0.1')
   way.on('connect', () => process.exit(0))
   way.on('error', () => process.exit(7))`,
)

/** @returns the sandbox with the languages that work; why it cannot be trusted, for a person, otherwise */
async function prove(sandbox: Sandbox, log: Log): Promise<Sandbox | string> {
  const faults = Promise.all(
    sandbox.languages.map(async (name) => [name, await runs(sandbox, name)] as const),
  )
  const [broken, unsafe] = [(await faults).filter(([, fault]) => fault !== undefined), await stops(sandbox)]
  if (unsafe !== undefined) return unsafe
  for (const [language, fault] of broken) log.warn('sandbox-language-unfit', { language, fault })
  const languages = sandbox.languages.filter((name) => !broken.some(([language]) => language === name))
  if (languages.length === 0) return broken[0]?.[1] ?? 'it runs no language'
  return broken.length === 0 ? sandbox : onlyWith(languages, sandbox)
}

function onlyWith(languages: readonly Language[], sandbox: Sandbox): Sandbox {
  return {
    kind: sandbox.kind,
    languages,
    async run(job, signal, onOutput) {
      if (languages.includes(job.language)) return sandbox.run(job, signal, onOutput)
      return refusal('language-missing', `This sandbox runs ${languages.join(', ')}; not ${job.language}.`)
    },
    close: () => sandbox.close(),
  }
}

async function runs(sandbox: Sandbox, language: Language): Promise<string | undefined> {
  const report = await attempt(sandbox, { ...HARMLESS[language], language, limits: LIMITS })
  if (typeof report === 'string') return report
  return report.verdict === 'passed' ? undefined : `a harmless ${language} program ended ${report.verdict}`
}

async function stops(sandbox: Sandbox): Promise<string | undefined> {
  const bait = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  try {
    await once(bait, 'listening')
    const address = bait.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const command = [...HARMFUL.command, port]
    const report = await attempt(sandbox, { ...HARMFUL, command, language: 'javascript', limits: LIMITS })
    if (typeof report === 'string') return report
    return report.verdict === 'failed' ? undefined : `a harmful program ended ${report.verdict}`
  } finally {
    bait.close()
  }
}

async function attempt(sandbox: Sandbox, job: SandboxJob): Promise<SandboxReport | string> {
  try {
    const report = await sandbox.run(job, AbortSignal.timeout(PROBE_MS))
    return isRefusal(report) ? report.detail : report
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function probe(program: string, path: string, source: string): Pick<SandboxJob, 'command' | 'files'> {
  return { command: [program, path], files: [{ path, content: new TextEncoder().encode(source) }] }
}
