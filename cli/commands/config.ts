import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { loadConfig } from '../../src/node/config.js'
import { readNetworkFile } from '../../src/node/network-file.js'
import { connect } from '../connection.js'
import { table } from '../print/table.js'
import { sessionOf } from '../session.js'
import { settingsFile, withSettings } from '../settings-file.js'

interface FileOptions {
  readonly settings?: string
}

/** `edgecoder config …`: settings and where each came from. */
export function registerConfig(program: Command): void {
  const config = program.command('config').description('settings and where each came from')
  withSettings(config.command('show'))
    .description(
      'each setting with its origin, as a node started here would have it; with --node, as a running one has it',
    )
    .action(async (options: FileOptions, command: Command) => {
      const session = sessionOf(command)
      const settings =
        command.optsWithGlobals<{ readonly node?: string }>().node === undefined
          ? load(options).entries
          : (await connect(session, []).call(ADMIN_ROUTES.config, { signal: session.signal })).settings
      session.out.answer({ settings }, () =>
        table(
          ['setting', 'value', 'from', 'what it is'],
          settings.map(({ name, value, origin, help }) => [name, value, origin, help]),
        ),
      )
    })
  withSettings(config.command('validate'))
    .description('check settings and network file without starting anything')
    .action((options: FileOptions, command: Command) => {
      const { out } = sessionOf(command)
      const { networkFile } = load(options).config
      const network = networkFile === undefined ? undefined : readNetworkFile(networkFile)
      const text = network === undefined ? 'EDGE_NETWORK_FILE is not set' : `network ${network.id}`
      out.answer({ valid: true, network: network?.id }, () => `The settings are valid (${text}).`)
    })
}

function load({ settings }: FileOptions): ReturnType<typeof loadConfig> {
  return loadConfig({ flags: {}, env: process.env, ...settingsFile(settings) })
}
