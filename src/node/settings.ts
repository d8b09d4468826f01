import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { type TermName, termFault } from '../core/terms/terms.js'

const port = z.coerce.number().int().min(0).max(65_535)
const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
)
const milliseconds = (least: number, most: number) => z.coerce.number().int().min(least).max(most)

export const RUNTIME_MODES = [
  'worker',
  'coordinator',
  'gateway',
  'control-plane',
  'inference',
  'all-in-one',
] as const

interface Setting<S extends z.ZodType> {
  /** Name in the environment and in the env file. */
  readonly env: string
  /** Value when nobody set one; undefined = unset. */
  readonly fallback: string | undefined
  readonly schema: S
  readonly secret: boolean
  readonly help: string
}

function setting<S extends z.ZodType>(
  env: string,
  fallback: string | undefined,
  schema: S,
  help: string,
  secret = false,
): Setting<S> {
  return { env, fallback, schema, help, secret }
}

/** One of the terms on which a worker's machine is lent; they can be changed while it runs, too. */
function term(name: TermName, env: string, fallback: string, help: string): Setting<z.ZodString> {
  const schema = z.string().superRefine((text, context) => {
    const fault = termFault(name, text)
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
  })
  return setting(env, fallback, schema, help)
}

/** Every setting of a node. Order: flag over environment over env file over the default here. */
export const SETTINGS = {
  mode: setting('EDGE_RUNTIME_MODE', 'worker', z.enum(RUNTIME_MODES), 'what this peer does'),
  agentId: setting(
    'AGENT_ID',
    'node',
    z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, '1 to 64 of A-Z a-z 0-9 . _ -'),
    'name its owner knows this node by',
  ),
  registrationToken: setting(
    'AGENT_REGISTRATION_TOKEN',
    undefined,
    z.string().min(1).optional(),
    'token by which this node asks to be enrolled, made by a coordinator',
    true,
  ),
  registrationTokenFile: setting(
    'AGENT_REGISTRATION_TOKEN_FILE',
    undefined,
    z.string().min(1).optional(),
    'file that holds the token instead, mode 0600',
  ),
  dataDir: setting(
    'EDGE_DATA_DIR',
    join(homedir(), '.edgecoder', 'node'),
    z.string().min(1),
    'folder of its key and store',
  ),
  networkFile: setting(
    'EDGE_NETWORK_FILE',
    undefined,
    z.string().min(1).optional(),
    'the network to join (JSON; see docs/OPERATING.md)',
  ),
  listen: setting(
    'EDGE_LISTEN',
    undefined,
    list.optional(),
    'libp2p multiaddrs to listen on, comma-separated',
  ),
  announce: setting('EDGE_ANNOUNCE', '', list, 'multiaddrs to tell others instead of the ones listened on'),
  bootstrap: setting('EDGE_BOOTSTRAP', '', list, 'further bootstrap multiaddrs, comma-separated'),
  mdns: setting('EDGE_MDNS', 'true', flag, 'find peers on the local network'),
  adminPort: setting(
    'EDGE_ADMIN_PORT',
    '4301',
    port,
    'port of the local admin API (loopback only); 0 = any free one',
  ),
  bridgeHost: setting(
    'EDGE_BRIDGE_HOST',
    '127.0.0.1',
    z.string().min(1),
    'address the HTTP bridge of a gateway binds',
  ),
  bridgePort: setting('EDGE_BRIDGE_PORT', '4310', port, 'port of the HTTP bridge; 0 = any free one'),
  slots: setting(
    'EDGE_SLOTS',
    '1',
    z.coerce.number().int().min(1).max(64),
    'tasks a worker runs at the same time',
  ),
  engine: setting(
    'EDGE_ENGINE',
    'auto',
    z.string().min(1),
    'auto, none, an OpenAI-compatible URL, or a GGUF path',
  ),
  engineKey: setting('EDGE_ENGINE_KEY', undefined, z.string().optional(), 'API key of the engine URL', true),
  engineThreads: setting(
    'EDGE_ENGINE_THREADS',
    undefined,
    z.coerce.number().int().min(1).max(256).optional(),
    'threads of the embedded engine; default: cores - 1',
  ),
  sandbox: setting(
    'EDGE_SANDBOX',
    'auto',
    z.enum(['auto', 'bubblewrap', 'deno', 'none']),
    'what runs strangers’ code; never the host itself',
  ),
  priceFloorMicrocredits: term(
    'priceFloorMicrocredits',
    'EDGE_PRICE_FLOOR_MICROCREDITS',
    '0',
    'least price a worker takes for a task',
  ),
  hours: term(
    'hours',
    'EDGE_HOURS',
    'always',
    'worker: when it works, by the local clock, such as mon-fri 18:00-08:00, sat-sun 00:00-24:00',
  ),
  idleMinutes: term(
    'idleMinutes',
    'EDGE_IDLE_MINUTES',
    '0',
    'worker: works once nobody used the machine for so long; 0 = also while it is used',
  ),
  cpuPercent: term('cpuPercent', 'EDGE_CPU_PERCENT', '100', 'worker: share of the cores, in whole cores'),
  memoryMib: term(
    'memoryMib',
    'EDGE_MEMORY_MIB',
    '0',
    'worker: most memory that a program in the sandbox may have; 0 = what its task asks for',
  ),
  batteryPercent: term(
    'batteryPercent',
    'EDGE_BATTERY_PERCENT',
    '100',
    'worker: least charge to work on battery; 100 = never on battery, 0 = at any charge',
  ),
  hottestC: term(
    'hottestC',
    'EDGE_HOTTEST_C',
    '0',
    'worker: works up to this temperature, in °C; 0 = at any',
  ),
  ownFirst: term(
    'ownFirst',
    'EDGE_OWN_FIRST',
    'true',
    'worker: tasks of its owner’s account go before those of others',
  ),
  uploadKibPerS: term(
    'uploadKibPerS',
    'EDGE_UPLOAD_KIB_PER_S',
    '1024',
    'worker that listens: most KiB a second at which it lends model files to other workers; 0 = none',
  ),
  leaseMs: setting(
    'EDGE_LEASE_MS',
    '45000',
    milliseconds(1_000, 600_000),
    'coordinator: how long a lease lasts without headway',
  ),
  sliceIdleMs: setting(
    'EDGE_SLICE_IDLE_MS',
    '1800000',
    milliseconds(60_000, 604_800_000),
    'coordinator: after how long without use credits of another home go back to it',
  ),
  drainMs: setting(
    'EDGE_DRAIN_MS',
    '30000',
    milliseconds(0, 3_600_000),
    'on stop: how long running attempts may finish',
  ),
  logLevel: setting(
    'EDGE_LOG_LEVEL',
    'info',
    z.enum(['debug', 'info', 'warn', 'error']),
    'least level logged',
  ),
  logFormat: setting(
    'EDGE_LOG_FORMAT',
    'auto',
    z.enum(['auto', 'json', 'text']),
    'auto = text on a terminal',
  ),
} as const

export type SettingName = keyof typeof SETTINGS

/** A node's settings, checked. */
export type Config = { readonly [K in SettingName]: z.output<(typeof SETTINGS)[K]['schema']> }
