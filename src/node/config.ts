import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { EdgeCoderError } from '../core/errors.js'
import { type Config, SETTINGS, type SettingName } from './settings.js'

export type Origin = 'flag' | 'environment' | 'file' | 'default'

/** One setting as `edgecoder config show` prints it; secrets are masked. */
export interface ConfigEntry {
  readonly name: string
  readonly value: string
  readonly origin: Origin
  readonly help: string
}

export interface LoadedConfig {
  readonly config: Config
  readonly entries: readonly ConfigEntry[]
}

export interface ConfigSources {
  /** By setting name, as given on the command line. */
  readonly flags: Partial<Record<SettingName, string>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path of the env file; a missing file is an error only when `fileRequired`. */
  readonly file: string
  readonly fileRequired: boolean
}

export const DEFAULT_ENV_FILE = '/etc/edgecoder/edgecoder.env'

const NAMES = Object.keys(SETTINGS) as SettingName[]
const BY_ENV = new Map<string, SettingName>(NAMES.map((name) => [SETTINGS[name].env, name]))

/**
 * @throws EdgeCoderError `bad-config`: names the setting, where it was set, why it is wrong and the nearest
 * known one
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const file = readEnvFile(sources.file, sources.fileRequired)
  for (const key of Object.keys(file)) refuseUnknown(key, sources.file, Number.POSITIVE_INFINITY)
  // Other programs have EDGE_… variables too; only a likely slip of the keyboard is an error there.
  for (const key of Object.keys(sources.env)) refuseUnknown(key, 'the environment', 3)

  const entries: ConfigEntry[] = []
  const values: Record<string, unknown> = {}
  for (const name of NAMES) {
    const { env, fallback, schema, secret, help } = SETTINGS[name]
    const [text, origin] = firstSet([
      [sources.flags[name], 'flag'],
      [sources.env[env], 'environment'],
      [file[env], 'file'],
      [fallback, 'default'],
    ])
    const parsed = schema.safeParse(text)
    if (!parsed.success) {
      const why = parsed.error.issues.map((issue) => issue.message).join('; ')
      throw new EdgeCoderError('bad-config', `${env}="${secret ? '…' : text}" (from ${origin}): ${why}`, {
        next: `${env}: ${help}. \`edgecoder config show\` lists every setting.`,
      })
    }
    values[name] = parsed.data
    entries.push({ name: env, value: secret && text !== undefined ? '(set)' : (text ?? ''), origin, help })
  }
  // Each value was made by the schema of its own row.
  return { config: values as Config, entries }
}

function firstSet(
  candidates: readonly (readonly [string | undefined, Origin])[],
): [string | undefined, Origin] {
  for (const [text, origin] of candidates) if (text !== undefined) return [text, origin]
  return [undefined, 'default']
}

function readEnvFile(path: string, required: boolean): Readonly<Record<string, string | undefined>> {
  try {
    return parseEnv(readFileSync(path, 'utf8')) as Record<string, string>
  } catch (cause) {
    if (!required && cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return {}
    throw new EdgeCoderError('bad-config', `cannot read the settings file ${path}`, {
      cause,
      next: 'Check the path and its permissions.',
    })
  }
}

function refuseUnknown(key: string, where: string, withinDistance: number): void {
  if (!/^(EDGE|AGENT)_/.test(key) || BY_ENV.has(key) || key === 'EDGE_ENV_FILE') return
  const [nearest, distance] = nearestName(key)
  if (distance > withinDistance) return
  throw new EdgeCoderError('bad-config', `unknown setting ${key} in ${where}`, {
    next: `Did you mean ${nearest}? \`edgecoder config show\` lists every setting.`,
  })
}

function nearestName(key: string): [name: string, distance: number] {
  let best: [string, number] = ['', Number.POSITIVE_INFINITY]
  for (const name of BY_ENV.keys()) {
    const distance = editDistance(key, name)
    if (distance < best[1]) best = [name, distance]
  }
  return best
}

/** Levenshtein distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
