import { once } from 'node:events'
import { createServer } from 'node:net'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Log } from '../../ports/log.js'
import type { Language, Sandbox, SandboxJob, SandboxKind, SandboxReport } from '../../ports/sandbox.js'
import { createBubblewrapSandbox } from './bubblewrap-sandbox.js'
import { createDenoSandbox } from './deno-sandbox.js'

export interface DetectInit {
  readonly log: Log
  /** Only this kind; without it the stronger one that works. */
  readonly prefer?: SandboxKind
}

/**
 * Gives a sandbox that has just been seen to run a harmless program and to stop a harmful one, and never
 * anything less. Offers the languages whose harmless program really ran.
 *
 * @returns `no-sandbox` with what was tried and what to install
 */
export async function detectSandbox({ log, prefer }: DetectInit): Promise<Sandbox | Refusal> {
  const tried: string[] = []
  for (const kind of prefer === undefined ? (['bubblewrap', 'deno'] as const) : [prefer]) {
    const made = await create(kind, log).catch((error: unknown) => String(error))
    const why = typeof made === 'string' ? made : await distrust(made)
    if (typeof made !== 'string' && why === undefined) {
      log.info('sandbox-ready', { kind, languages: made.languages })
      return made
    }
    if (typeof made !== 'string') await made.close()
    tried.push(`${kind}: ${why}`)
    log.debug('sandbox-unfit', { kind, why })
  }
  return refusal('no-sandbox', `No sandbox works here. Tried ${tried.join('; ')}`.slice(0, 300), {
    next: 'Linux: apt install bubblewrap. Elsewhere: reinstall, so that the npm package deno has its binary.',
  })
}

async function create(kind: SandboxKind, log: Log): Promise<Sandbox | string> {
  if (kind === 'bubblewrap') return createBubblewrapSandbox()
  return (await createDenoSandbox({ log })) ?? 'the npm package deno has no binary for this machine'
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

/** @returns why this sandbox cannot be trusted, for a person; undefined when it can */
async function distrust(sandbox: Sandbox): Promise<string | undefined> {
  const faults = await Promise.all([
    ...sandbox.languages.map((language) => runs(sandbox, language)),
    stops(sandbox),
  ])
  return faults.find((fault) => fault !== undefined)
}

async function runs(sandbox: Sandbox, language: Language): Promise<string | undefined> {
  const report = await attempt(sandbox, { ...HARMLESS[language], language, limits: LIMITS })
  if (typeof report === 'string') return `${language}: ${report}`
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
