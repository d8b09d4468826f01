import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { TINY_CODER_PATH } from '../helpers/tiny-coder.js'
import { until } from '../helpers/until.js'

const MODEL = 'tiny-coder'
const FILE = readFileSync(TINY_CODER_PATH)
const SHA = createHash('sha256').update(FILE).digest('hex')
/** Nobody answers there. */
const SOURCE = 'http://127.0.0.1:1/tiny-coder.gguf'
const LENDERS = ['worker-1', 'worker-2'] as const
const FETCHER = 'worker-3'
const WITHIN_MS = 120_000
/** The least that terms allow: the file takes a quarter of a minute. */
const SLOW = { EDGE_LISTEN: '/ip4/127.0.0.1/tcp/0', EDGE_UPLOAD_KIB_PER_S: '64' }

let mesh: ProcessMesh
let folder: string

beforeAll(async () => {
  mesh = await createProcessMesh(
    { coordinators: 1, workers: 3, gateways: 0 },
    { EDGE_SANDBOX: 'none', EDGE_ENGINE: TINY_CODER_PATH },
  )
  folder = join(mesh.get(FETCHER).node.dataDir, 'models')
  const network = await SignedNetwork.of(mesh)
  await network.openAccount('lender', 'contributor')
  for (const name of [...LENDERS, FETCHER]) await network.enrol(name, 'lender')
  await network.say('model-sources', {
    models: [{ name: MODEL, digest: Buffer.from(SHA, 'hex'), source: SOURCE }],
    unlisted: 'allowed',
    untold: 'allowed',
  })
  mesh.get('coordinator').start()
  await mesh.get('coordinator').ready()
  for (const name of LENDERS) mesh.get(name).start(SLOW)
  mesh.get(FETCHER).start({ EDGE_ENGINE: 'none' })
  await mesh.get(FETCHER).answers()
}, 180_000)

afterAll(async () => {
  await mesh?.close()
})

function model(...args: readonly string[]) {
  return mesh.cli(['--node', FETCHER, '--json', 'model', ...args])
}

async function pulled() {
  const { pulls } = await mesh.get(FETCHER).client().call(ADMIN_ROUTES.modelPulls)
  return pulls.at(-1)
}

/** Begins the pull, again as long as no lender is known yet. @returns what is here by then */
async function partHere(leastBytes: number) {
  return until(
    'a part to be here',
    async () => {
      const pull = await pulled()
      if (pull?.state === 'fetching' && pull.from !== '' && pull.bytes >= leastBytes) return pull
      if (pull?.state !== 'fetching') await model('pull', MODEL, '--from', 'peers', '--no-wait')
      return undefined
    },
    WITHIN_MS,
  )
}

function partBytes(): number {
  const path = join(folder, `${SHA}.part`)
  return existsSync(path) ? readFileSync(path).length : 0
}

describe('a model that peers lend', { timeout: 300_000 }, () => {
  let first = ''

  it('is said to be lent by who has it, and its source cannot be reached', async () => {
    for (const name of LENDERS) {
      const { worker } = await mesh
        .get(name)
        .statusWhere(
          'lend its file',
          ({ worker: { lends } = {} }) => lends?.files.length === 1 && lends.why === undefined,
        )
      expect(worker?.lends).toEqual({
        files: [{ digest: SHA, bytes: FILE.length, models: [MODEL] }],
        uploads: [],
        sentBytes: 0,
      })
    }
    const fromSource = await model('pull', MODEL, '--from', 'source')
    expect([fromSource.code, fromSource.stdout]).toEqual([5, expect.stringContaining('unreachable')])
  })

  it('goes on where it was when the worker that fetches it is killed and comes back', async () => {
    await partHere(150_000)
    await mesh.get(FETCHER).end()
    const beforeBytes = partBytes()
    expect(beforeBytes).toBeGreaterThanOrEqual(150_000)
    expect(readdirSync(folder)).toEqual([`${SHA}.part`])
    mesh.get(FETCHER).start({ EDGE_ENGINE: 'none' })
    await mesh.get(FETCHER).answers()
    const pull = await partHere(1)
    expect(pull.bytes).toBeGreaterThanOrEqual(beforeBytes)
    first = pull.from
  })

  it('comes from another peer when the one that gives it is killed', async () => {
    const pull = await partHere(partBytes() + 1)
    first = pull.from
    const killed = mesh.byPeer(first)
    expect(LENDERS).toContain(killed.node.name)
    await killed.end()
    expect(partBytes()).toBeLessThan(FILE.length)
    const done = await until(
      'the file to be here',
      async () => {
        const now = await pulled()
        return now?.state === 'fetching' ? undefined : now
      },
      WITHIN_MS,
    )
    expect(done).toMatchObject({ state: 'done', bytes: FILE.length, ofBytes: FILE.length })
    const other = LENDERS.map((name) => mesh.get(name)).find(({ node }) => node.peerId !== first)
    expect(done?.from).toBe(other?.node.peerId)
    expect(readdirSync(folder)).toEqual([`${MODEL}.gguf`])
    expect(readFileSync(join(folder, `${MODEL}.gguf`)).equals(FILE)).toBe(true)
    const metrics = await (await fetch(`http://127.0.0.1:${other?.node.adminPort}/metrics`)).text()
    expect(metrics).toMatch(/^edgecoder_model_lent_bytes_total [1-9]/m)
    const own = await (await fetch(`http://127.0.0.1:${mesh.get(FETCHER).node.adminPort}/metrics`)).text()
    expect(own).toMatch(/^edgecoder_model_fetched_bytes_total\{from="peer"\} [1-9]/m)
  })

  it('is lent on by who fetched it, once that can be dialled, and it is found here before it is fetched', async () => {
    const lent = await model('lent')
    expect(lent.json()).toMatchObject({ files: [{ digest: SHA }], why: { code: 'unreachable' } })
    const again = await model('pull', MODEL)
    expect(again.json()).toMatchObject({ state: 'done', from: '', next: expect.stringContaining(folder) })
    const audit = await mesh.cli(['--node', FETCHER, 'audit', 'list'])
    expect(audit.stdout).toContain('model-pulled')
  })

  it('is lent no more once the contributor says so, at once', async () => {
    const name = LENDERS.find((each) => mesh.get(each).isRunning) ?? ''
    const set = await mesh.cli(['--node', name, 'node', 'terms', 'set', 'uploadKibPerS=0'])
    expect(set.code).toBe(0)
    const { worker } = await mesh.get(name).status()
    expect(worker?.lends?.why?.code).toBe('model-missing')
    const sentBytes = worker?.lends?.sentBytes
    rmSync(join(folder, `${MODEL}.gguf`))
    const pull = await model('pull', MODEL, '--from', 'peers')
    // One says no, and the other one is gone.
    expect([3, 5]).toContain(pull.code)
    expect(pull.stdout).toContain('the last of 2 lenders')
    expect(readdirSync(folder)).toEqual([])
    expect((await mesh.get(name).status()).worker?.lends?.sentBytes).toBe(sentBytes)
  })
})
