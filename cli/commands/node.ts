import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { SETTINGS, type SettingName } from '../../src/node/settings.js'
import { connect } from '../connection.js'
import { waiting } from '../goes-on.js'
import { isGone } from '../local-mesh/stop-mesh.js'
import { nodeStatusText, peersText, whyIdleText } from '../print/node-text.js'
import { readAdminFile, sessionOf } from '../session.js'
import { settingsFile, withSettings } from '../settings-file.js'
import { registerEnroll } from './node-enroll.js'
import { registerLogs } from './node-logs.js'
import { registerTerms } from './node-terms.js'

/** The most that EDGE_DRAIN_MS allows, and what stopping takes besides. */
const LONGEST_DRAIN_MS = 3_660_000
const STOPS = { what: 'The node goes on stopping.', next: 'edgecoder node status' }

/** `edgecoder node …`: run a node in the foreground, and ask a running one. */
export function registerNode(program: Command): void {
  const node = program.command('node').description('run a node, and ask a running one')
  registerStart(node)
  registerLogs(node)
  registerEnroll(node)
  registerTerms(node)
  node
    .command('status')
    .description('what the node does and whether it can get work')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const status = await connect(session, ['worker']).call(ADMIN_ROUTES.status, { signal: session.signal })
      session.out.answer(status, () => nodeStatusText(status))
    })
  node
    .command('why-idle')
    .description('why the worker gets no work, the nearest cause first')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const why = await connect(session, ['worker']).call(ADMIN_ROUTES.whyIdle, { signal: session.signal })
      session.out.answer(why, () => whyIdleText(why))
    })
  node
    .command('peers')
    .description('peers connected now')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const peers = await connect(session, ['worker']).call(ADMIN_ROUTES.peers, { signal: session.signal })
      session.out.answer(peers, () => peersText(peers))
    })
  node
    .command('id')
    .description('the peer id of a data folder, made at the first call; network files list it')
    .addOption(new Option('--data-dir <dir>', SETTINGS.dataDir.help).default(SETTINGS.dataDir.fallback))
    .action(async (options: { readonly dataDir: string }, command: Command) => {
      const { out } = sessionOf(command)
      const { identityFileOf, loadIdentity } = await import('../../src/index.js')
      const { peerId } = (await loadIdentity(identityFileOf(resolve(options.dataDir)))).signer
      out.answer({ peerId }, () => peerId)
    })
  node
    .command('stop')
    .description('let running attempts finish, then stop')
    .option('--wait', 'return once its process has ended')
    .action(async (options: { readonly wait?: boolean }, command: Command) => {
      const session = sessionOf(command)
      const { pid } = readAdminFile(session.dataDir(['worker']))
      await connect(session, ['worker']).call(ADMIN_ROUTES.stop, { body: {}, signal: session.signal })
      const stopped =
        options.wait === true &&
        (await waiting(session, STOPS, () => isGone(pid, LONGEST_DRAIN_MS, session.signal)))
      session.out.answer({ stopping: true, stopped }, () => (stopped ? 'stopped' : 'stopping'))
    })
}

function registerStart(node: Command): void {
  const start = withSettings(node.command('start')).description(
    'run a node until SIGTERM; the first drains, the second quits',
  )
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { env, fallback, help } = SETTINGS[name]
    const usual = fallback === undefined || fallback === '' ? '' : `, default ${fallback}`
    start.option(`${flagOf(name)} <value>`, `${help} (${env}${usual})`)
  }
  start.action(async (options: Readonly<Record<string, string>>) => {
    const { settings, ...flags } = options
    const { createNode, loadConfig } = await import('../../src/index.js')
    const loaded = loadConfig({
      flags,
      env: process.env,
      ...settingsFile(settings),
    })
    const running = await createNode(loaded)
    const signalled = stopSignals()
    // A node that waits for its policy can be stopped, too.
    await Promise.race([running.start(), signalled.first, running.stopRequested])
    await Promise.race([signalled.first, running.stopRequested])
    await running.stop(signalled.second)
    // Native handles of engines may linger; everything of ours is closed.
    process.exit(0)
  })
}

/** `bridgePort` → `--bridge-port` */
function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/**
 * The first SIGTERM or Ctrl-C drains; the second cuts the drain short; the third ends the process at once.
 */
function stopSignals(): { readonly first: Promise<void>; readonly second: AbortSignal } {
  const first = Promise.withResolvers<void>()
  const second = new AbortController()
  let count = 0
  const onSignal = () => {
    count++
    if (count === 1) first.resolve()
    else if (count === 2) second.abort()
    else process.exit(1)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return { first: first.promise, second: second.signal }
}
