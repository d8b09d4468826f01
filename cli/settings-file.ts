import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import type { Command } from 'commander'
import { type ConfigSources, DEFAULT_ENV_FILE } from '../src/node/config.js'

/**
 * `--settings <path>`, for commands that read settings. It cannot be called --env-file: Node.js takes that
 * option for itself wherever it stands on the command line.
 */
export function withSettings(command: Command): Command {
  return command.option(
    '--settings <path>',
    `settings file (default EDGE_ENV_FILE, else ${DEFAULT_ENV_FILE} when it exists)`,
  )
}

/** A file that was named must be there; the default one need not. */
export function settingsFile(given?: string): Pick<ConfigSources, 'file' | 'fileRequired'> {
  const named = given ?? process.env['EDGE_ENV_FILE']
  return { file: named ?? DEFAULT_ENV_FILE, fileRequired: named !== undefined }
}

/** The data folder of the node that this machine's settings file is for; undefined = none is set, or we may not read it. */
export function settledDataDir(): string | undefined {
  try {
    return parseEnv(readFileSync(settingsFile().file, 'utf8'))['EDGE_DATA_DIR']
  } catch {
    return undefined
  }
}
