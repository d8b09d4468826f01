import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../cli/local-mesh/free-port.js'
import { openLevelStore } from '../../src/services/store/level-store.js'
import { CLI, plainEnv } from '../helpers/cli.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'

let dir: string
let mesh: ProcessMesh
let squatter: Server
let takenPort: number

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'edgecoder-bad-'))
  mesh = await createProcessMesh({ coordinators: 1, workers: 0, gateways: 1 })
  takenPort = await freePort()
  squatter = createServer().listen(takenPort, '127.0.0.1')
  await mesh.start()
}, 60_000)

afterAll(async () => {
  squatter?.close()
  await mesh?.close()
  rmSync(dir, { recursive: true, force: true })
})

interface Start {
  readonly code: number | null
  readonly output: string
}

/** Starts a gateway of its own that ought not to come up; one that does is ended, and has no code. */
function start(settings: Readonly<Record<string, string>>): Promise<Start> {
  const good = {
    EDGE_RUNTIME_MODE: 'gateway',
    EDGE_DATA_DIR: join(dir, 'node'),
    EDGE_NETWORK_FILE: mesh.mesh.networkFile,
    EDGE_LISTEN: '/ip4/127.0.0.1/tcp/0',
    EDGE_ADMIN_PORT: '0',
    EDGE_BRIDGE_PORT: '0',
    EDGE_MDNS: 'false',
    EDGE_LOG_FORMAT: 'json',
  }
  const env = { ...plainEnv(), ...good, ...settings }
  const child = spawn(process.execPath, [CLI, 'node', 'start'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const note = (bytes: Buffer): void => {
    output += bytes
    if (output.includes('node-started')) child.kill('SIGKILL')
  }
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, output }))
  })
}

/** Says what and why, and what to do next; no stack, no word of a bug. */
function expectClear(run: Start, why: RegExp, next: RegExp): void {
  const [what = '', then = ''] = run.output.trimEnd().split('\n').slice(-2)
  expect(what).toMatch(/^error: /)
  expect(what).toMatch(why)
  expect(then).toMatch(/^next: {2}/)
  expect(then).toMatch(next)
  expect(run.output).not.toMatch(/\n {4}at /)
  expect(run.code).toBeGreaterThan(0)
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(dir, name)
  writeFileSync(path, content)
  return path
}

const HERE = '/ip4/127.0.0.1/tcp'

describe('a port in use', () => {
  it.each([
    ['the admin API', (port: number) => ({ EDGE_ADMIN_PORT: `${port}` }), /EDGE_ADMIN_PORT/],
    ['the bridge', (port: number) => ({ EDGE_BRIDGE_PORT: `${port}` }), /EDGE_BRIDGE_PORT/],
    ['libp2p', (port: number) => ({ EDGE_LISTEN: `${HERE}/${port}` }), /another port to listen on/],
    [
      'libp2p by WebSocket',
      (port: number) => ({ EDGE_LISTEN: `${HERE}/0,${HERE}/${port}/ws` }),
      /another port/,
    ],
  ])('of %s is named', async (_name, settings, next) => {
    expectClear(await start(settings(takenPort)), new RegExp(`[Pp]ort ${takenPort} .*taken`), next)
  })
})

describe('settings', () => {
  it.each([
    ['EDGE_LISTEN', `${HERE}/99999`, /EDGE_LISTEN: ".*99999" is not a multiaddr/],
    ['EDGE_LISTEN', '/ip4/127.0.0.1/udp/4400', /Cannot listen on .*udp\/4400: .*udp\/4400/],
    ['EDGE_ANNOUNCE', 'example.org:4400', /EDGE_ANNOUNCE: "example.org:4400" is not a multiaddr/],
    ['EDGE_NETWORK_FILE', '/dev/null', /cannot read the network file \/dev\/null: .*JSON/],
    ['EDGE_BRIDGE_HOST', '192.0.2.1', /cannot listen on 192.0.2.1 .*EADDRNOTAVAIL/],
  ])('%s=%s is refused by name', async (name, value, why) => {
    expectClear(await start({ [name]: value }), why, /./)
  })
})

describe('the data folder', () => {
  it('of a node that runs is left alone', async () => {
    const { dataDir } = mesh.get('gateway').node
    expectClear(
      await start({ EDGE_DATA_DIR: dataDir }),
      /Another process has .*store open/,
      /Stop that process/,
    )
    expect((await mesh.get('gateway').status()).peerId).toBe(mesh.get('gateway').node.peerId)
  })

  it('below a file is no folder', async () => {
    const below = join(file('plain', ''), 'data')
    expectClear(await start({ EDGE_DATA_DIR: below }), /data folder .*ENOTDIR/, /EDGE_DATA_DIR/)
  })
})

/** A data folder as a coordinator leaves it that has worked for a while, with every kind of file in it. */
async function usedFolder(): Promise<string> {
  const used = join(dir, 'used')
  await mesh.get('coordinator').end('SIGTERM')
  cpSync(mesh.get('coordinator').node.dataDir, used, { recursive: true })
  for (const name of ['store', 'peers']) {
    // Opened again, what was in the log becomes a table.
    const store = await openLevelStore(join(used, name))
    // Bytes that LevelDB does not compress.
    const value = randomBytes(2_000)
    for (const key of ['~', '~~', '~~~']) await store.commit([{ type: 'put', key, value }])
    await store.close()
  }
  return used
}

const KINDS = /^(CURRENT|MANIFEST-\d+|\d+\.log|\d+\.ldb)$/

const DAMAGES: readonly (readonly [name: string, hurt: (bytes: Buffer) => Buffer | undefined])[] = [
  ['gone', () => undefined],
  ['empty', () => Buffer.alloc(0)],
  ['cut in half', (bytes) => bytes.subarray(0, bytes.length >> 1)],
  ['with a bit flipped', (bytes) => flipped(bytes)],
]

/** Where something of ours is, or in the middle: not in what nobody reads. */
function flipped(bytes: Buffer): Buffer {
  const ours = bytes.indexOf('12D3KooW')
  const at = ours < 0 ? bytes.length >> 1 : ours + 20
  bytes[at] = (bytes[at] ?? 0) ^ 4
  return bytes
}

/**
 * LevelDB cannot tell a log that is gone or cut from what a crash leaves of what was never acknowledged; and what
 * libp2p knows of peers is read when it is needed, and learnt again.
 */
const PASSABLE = /\.log (gone|empty|cut in half)$|^peers\/(\d+\.|CURRENT gone)/

describe('a damaged folder', () => {
  it('is a clear error, whichever file it is, and nothing in it is thrown away', async () => {
    const used = await usedFolder()
    const files = [
      'identity.key',
      ...['store', 'peers'].flatMap((name) =>
        readdirSync(join(used, name))
          .filter((each) => KINDS.test(each))
          .map((each) => join(name, each)),
      ),
    ]
    expect(files.map((name) => name.replace(/\d+/, 'N'))).toEqual(
      expect.arrayContaining(['store/N.ldb', 'store/N.log', 'store/MANIFEST-N', 'peers/CURRENT']),
    )
    const cases = files.flatMap((name) => DAMAGES.map(([damage, hurt]) => ({ name, damage, hurt })))
    const waiting = cases.filter(({ name, damage }) => !PASSABLE.test(`${name} ${damage}`))
    const run = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await damaged(used, next)
    }
    await Promise.all([run(), run(), run()])
  }, 120_000)

  async function damaged(
    used: string,
    { name, damage, hurt }: { name: string; damage: string; hurt: (bytes: Buffer) => Buffer | undefined },
  ): Promise<void> {
    const folder = join(dir, `${name} ${damage}`.replaceAll('/', '-'))
    cpSync(used, folder, { recursive: true })
    const path = join(folder, name)
    const left = hurt(readFileSync(path))
    if (left === undefined) rmSync(path)
    else writeFileSync(path, left)
    const before = readdirSync(join(folder, 'store')).filter((each) => each.endsWith('.ldb'))
    const run = await start({ EDGE_DATA_DIR: folder, EDGE_RUNTIME_MODE: 'coordinator' })
    expect([name, damage, run.code, run.output]).toEqual([
      name,
      damage,
      1,
      expect.stringMatching(/^error: /m),
    ])
    expectClear(run, /damaged|does not match|is missing|holds no Ed25519|is that of/, /backup/)
    const after = readdirSync(join(folder, 'store')).filter((each) => each.endsWith('.ldb'))
    expect(after).toEqual(expect.arrayContaining(before))
  }
})
