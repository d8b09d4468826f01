import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { isRefusal } from '../../src/core/refusal.js'
import { loadConfig } from '../../src/node/config.js'
import { readNetworkFile } from '../../src/node/network-file.js'
import type { Config } from '../../src/node/settings.js'
import { connectTo } from '../connection.js'
import { folderFindings } from '../doctor/data-folder.js'
import { type Finding, fault, findingText, good, reasonOf } from '../doctor/finding.js'
import { listeningFindings, wantedPortFindings } from '../doctor/ports.js'
import { runningFindings } from '../doctor/running-node.js'
import { type Session, sessionOf } from '../session.js'
import { settingsFile } from '../settings-file.js'

const FAILED = 1

/** `edgecoder doctor`: looks at everything a node needs, and says for each fault what to do. */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'look for what keeps a node from working, and say what to do; ends with 1 when it finds a fault',
    )
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const findings = await examine(session)
      const faults = findings.filter((finding) => !finding.ok)
      session.out.answer({ ok: faults.length === 0, findings }, () => findings.map(findingText).join('\n'))
      if (faults.length > 0) process.exitCode = FAILED
    })
}

async function examine(session: Session): Promise<readonly Finding[]> {
  const dataDir = session.dataDir(['gateway', 'worker', 'coordinator'])
  const here = [nodeVersion(), ...folderFindings(dataDir), ...(await auditFindings(dataDir))]
  try {
    return [...here, ...(await ofRunning(dataDir, session))]
  } catch (error) {
    if (!(error instanceof EdgeCoderError)) throw error
    return [...here, ...(await ofStopped()), { check: 'node', ok: false, ...reasonOf(error) }]
  }
}

function nodeVersion(): Finding {
  const { node } = process.versions
  const [major = 0, minor = 0] = node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return good('Node.js', node)
  return fault('Node.js', node, 'Install Node.js 20.19 or newer.')
}

async function auditFindings(dataDir: string): Promise<readonly Finding[]> {
  const { auditLogOf, auditorOf, checkAuditAt } = await import('../../src/node/audit-files.js')
  const path = auditLogOf(dataDir)
  if (!existsSync(path)) return []
  try {
    // A key that cannot be read is a finding of its own.
    const peerId = await auditorOf(dataDir).catch(() => undefined)
    const { records, faultCount } = await checkAuditAt(path, peerId === undefined ? {} : { peerId })
    if (faultCount === 0) return [good('audit log', `${records} records, the chain is whole`)]
    return [
      fault(
        'audit log',
        `its chain is broken in ${faultCount} places`,
        'edgecoder audit verify shows where.',
      ),
    ]
  } catch (error) {
    if (!(error instanceof EdgeCoderError)) throw error
    return [{ check: 'audit log', ok: false, ...reasonOf(error) }]
  }
}

/** By its own settings, and by what it knows. @throws EdgeCoderError when no node runs there, or it does not answer */
async function ofRunning(dataDir: string, { signal }: Session): Promise<readonly Finding[]> {
  const client = connectTo(dataDir)
  const status = await client.call(ADMIN_ROUTES.status, { signal })
  const { addresses, bridgeUrl, network } = status
  return [
    good('settings', `those of the running node; network ${network}`),
    ...(await runningFindings(client, status, signal)),
    ...(await listeningFindings(addresses, bridgeUrl)),
  ]
}

/** What a node started here would be, and whether it could start. */
async function ofStopped(): Promise<readonly Finding[]> {
  const { finding, config } = settingsFinding()
  return [
    finding,
    ...(await capabilityFindings(config)),
    ...(config === undefined ? [] : await wantedPortFindings(config)),
  ]
}

function settingsFinding(): { readonly finding: Finding; readonly config?: Config } {
  try {
    const { config } = loadConfig({ flags: {}, env: process.env, ...settingsFile() })
    const { networkFile } = config
    const network =
      networkFile === undefined
        ? 'no network file is set (a local mesh makes its own)'
        : `network ${readNetworkFile(networkFile).id}`
    return { finding: good('settings', `valid; ${network}`), config }
  } catch (error) {
    return { finding: { check: 'settings', ok: false, ...reasonOf(error) } }
  }
}

async function capabilityFindings(config?: Config): Promise<readonly Finding[]> {
  const { probeCapabilities } = await import('../../src/index.js')
  const { engine, sandbox } = await probeCapabilities(config?.engine ?? 'auto', config?.engineKey)
  return [
    isRefusal(sandbox)
      ? { check: 'sandbox', ok: false, ...reasonOf(sandbox) }
      : good('sandbox', `${sandbox.kind}: ${sandbox.languages.join(', ')}`),
    isRefusal(engine)
      ? { check: 'engine', ok: false, ...reasonOf(engine) }
      : good('engine', `${engine.kind}: ${engine.models.join(', ')}`),
  ]
}
