import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { isRefusal } from '../../src/core/refusal.js'
import { loadConfig } from '../../src/node/config.js'
import { listenOf } from '../../src/node/listen.js'
import { MODES } from '../../src/node/mode.js'
import { readNetworkFile } from '../../src/node/network-file.js'
import type { Config } from '../../src/node/settings.js'
import { connectTo } from '../connection.js'
import { freePort } from '../local-mesh/free-port.js'
import { type Session, sessionOf } from '../session.js'
import { settingsFile } from '../settings-file.js'

/** One thing looked at. */
interface Finding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  readonly next?: string
}

const FAILED = 1

/** `edgecoder doctor`: looks at everything a node needs, and says for each fault what to do. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('look for what keeps a node from working, and say what to do')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const findings = await examine(session)
      const faults = findings.filter((finding) => !finding.ok)
      session.out.answer({ ok: faults.length === 0, findings }, () =>
        findings
          .map(({ check, ok, detail, next }) => {
            const hint = next === undefined ? '' : `\n       next: ${next}`
            return `${ok ? 'ok   ' : 'FAULT'}  ${check}: ${detail}${hint}`
          })
          .join('\n'),
      )
      if (faults.length > 0) process.exitCode = FAILED
    })
}

async function examine(session: Session): Promise<readonly Finding[]> {
  const dataDir = session.dataDir(['gateway', 'worker', 'coordinator'])
  const running = await nodeFinding(dataDir, session)
  const settings = settingsFinding()
  const sandboxAndEngine = await capabilityFindings(settings.config)
  return [
    nodeVersion(),
    settings.finding,
    folderFinding(dataDir),
    ...sandboxAndEngine,
    ...(settings.config === undefined ? [] : await ports(settings.config, running)),
    ...running,
  ]
}

function nodeVersion(): Finding {
  const { node } = process.versions
  const [major = 0, minor = 0] = node.split('.').map(Number)
  const ok = major > 20 || (major === 20 && minor >= 19)
  return { check: 'Node.js', ok, detail: node, ...(ok ? {} : { next: 'Install Node.js 20.19 or newer.' }) }
}

/** What a node started here would be, and whether it could start. */
function settingsFinding(): { readonly finding: Finding; readonly config?: Config } {
  try {
    const { config } = loadConfig({ flags: {}, env: process.env, ...settingsFile() })
    const { networkFile } = config
    const network =
      networkFile === undefined
        ? 'no network file is set (a local mesh makes its own)'
        : `network ${readNetworkFile(networkFile).id}`
    return { finding: { check: 'settings', ok: true, detail: `valid; ${network}` }, config }
  } catch (error) {
    return { finding: { check: 'settings', ok: false, ...reasonOf(error) } }
  }
}

function folderFinding(dataDir: string): Finding {
  const existing = existsSync(dataDir) ? dataDir : dirname(dataDir)
  try {
    if (existsSync(existing)) accessSync(existing, constants.W_OK)
    const key = join(dataDir, 'identity.key')
    const open = existsSync(key) && (statSync(key).mode & 0o077) !== 0
    if (!open) return { check: 'data folder', ok: true, detail: dataDir }
    return { check: 'data folder', ok: false, detail: `others may read ${key}`, next: `chmod 600 ${key}` }
  } catch {
    const next = 'Run as the user it belongs to, or set EDGE_DATA_DIR.'
    return { check: 'data folder', ok: false, detail: `${existing} cannot be written`, next }
  }
}

async function capabilityFindings(config?: Config): Promise<readonly Finding[]> {
  const { probeCapabilities } = await import('../../src/index.js')
  const { engine, sandbox } = await probeCapabilities(config?.engine ?? 'auto', config?.engineKey)
  const sandboxFinding = isRefusal(sandbox)
    ? { check: 'sandbox', ok: false, ...reasonOf(sandbox) }
    : { check: 'sandbox', ok: true, detail: `${sandbox.kind}: ${sandbox.languages.join(', ')}` }
  const engineFinding = isRefusal(engine)
    ? { check: 'engine', ok: false, ...reasonOf(engine) }
    : { check: 'engine', ok: true, detail: `${engine.kind}: ${engine.models.join(', ')}` }
  return [sandboxFinding, engineFinding]
}

/** The ports that a node started here would take, unless a node of ours has them. */
async function ports(config: Config, running: readonly Finding[]): Promise<readonly Finding[]> {
  if (running.some((finding) => finding.check === 'node' && finding.ok)) return []
  return Promise.all(
    wantedPorts(config).map(async ({ name, port, setting }) => {
      const free = (await freePort(port)) === port
      const detail = `port ${port} (${name}) is ${free ? 'free' : 'taken by another process'}`
      return { check: 'port', ok: free, detail, ...(free ? {} : { next: `Choose another with ${setting}.` }) }
    }),
  )
}

interface WantedPort {
  readonly name: string
  readonly port: number
  readonly setting: string
}

/** By the settings and the mode; ports that the system chooses are no worry. */
function wantedPorts(config: Config): readonly WantedPort[] {
  const mode = MODES[config.mode]
  const libp2p = listenOf(config, mode).map((address) =>
    Number(/\/(?:tcp|udp)\/(\d+)/.exec(address)?.[1] ?? 0),
  )
  return [
    { name: 'admin API', port: config.adminPort, setting: 'EDGE_ADMIN_PORT' },
    ...(mode.gateway ? [{ name: 'bridge', port: config.bridgePort, setting: 'EDGE_BRIDGE_PORT' }] : []),
    ...libp2p.map((port) => ({ name: 'libp2p', port, setting: 'EDGE_LISTEN' })),
  ].filter(({ port }) => port !== 0)
}

async function nodeFinding(dataDir: string, { signal }: Session): Promise<readonly Finding[]> {
  try {
    const status = await connectTo(dataDir).call(ADMIN_ROUTES.status, { signal })
    const node = {
      check: 'node',
      ok: true,
      detail: `${status.agentId} (${status.roles.join(', ')}) is running`,
    }
    const faults = status.notReady.map(({ role, why }) => ({
      check: role,
      ok: false,
      detail: why.message,
      ...(why.next === undefined ? {} : { next: why.next }),
    }))
    return [node, ...faults]
  } catch (error) {
    if (!(error instanceof EdgeCoderError)) throw error
    return [{ check: 'node', ok: false, ...reasonOf(error) }]
  }
}

function reasonOf(error: unknown): { readonly detail: string; readonly next?: string } {
  if (isRefusal(error))
    return { detail: error.detail, ...(error.next === undefined ? {} : { next: error.next }) }
  if (!(error instanceof EdgeCoderError)) return { detail: String(error) }
  return { detail: error.message, ...(error.next === undefined ? {} : { next: error.next }) }
}
