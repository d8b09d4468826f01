import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { TASK_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { gatedEngine } from '../helpers/gated-engine.js'
import { type OpenAiServer, startOpenAiServer } from '../helpers/openai-server.js'
import { createProcessMesh, type ProcessMesh } from '../helpers/process-mesh.js'
import { mountSmallDisk, type SmallDisk } from '../helpers/small-disk.js'
import { until } from '../helpers/until.js'

const KIB = 1024
const MOST_TASKS = 2_000

let server: OpenAiServer
let mesh: ProcessMesh
const disks = new Map<string, SmallDisk>()

beforeAll(async () => {
  server = await startOpenAiServer({ engine: gatedEngine() })
  mesh = await createProcessMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: server.url, EDGE_SANDBOX: 'none' },
  )
  for (const name of ['coordinator', 'gateway']) {
    const disk = mountSmallDisk(join(mesh.get(name).node.dataDir, 'store'))
    if (disk !== undefined) disks.set(name, disk)
  }
}, 60_000)

afterAll(async () => {
  for (const node of mesh.nodes.values()) await node.end()
  for (const disk of disks.values()) disk.remove()
  await mesh.close()
  await server?.close()
})

/** The tasks of each test wait until it starts the worker itself. */
beforeEach(async () => {
  await mesh.kill('worker')
  await mesh.start(['coordinator', 'gateway'])
}, 60_000)

/** @returns the code of the refusal, or undefined when it was acknowledged */
async function submit(id: string, contentBytes: number): Promise<string | undefined> {
  const messages = [{ role: 'user' as const, content: `${id} ${'x'.repeat(contentBytes)}` }]
  try {
    await mesh
      .get('gateway')
      .client()
      .call(TASK_ROUTES.submit, { body: { kind: 'chat', id, messages } })
    return undefined
  } catch (error) {
    if (error instanceof EdgeCoderError) return error.code
    throw error
  }
}

async function stateOf(id: string): Promise<string> {
  return (await mesh.get('gateway').client().call(TASK_ROUTES.show, { params: { id } })).state
}

it.for([
  // Headers are small, so its disk takes many.
  ['coordinator', 64, 16 * KIB],
  ['gateway', 8 * KIB, 64 * KIB],
] as const)(
  'the disk of the %s fills up: refusals say so, what was acknowledged is done later, and it recovers',
  { timeout: 120_000 },
  async ([name, bytes, left], { skip }) => {
    const disk = disks.get(name)
    if (disk === undefined) {
      console.warn('NOT TESTED: a full disk')
      return skip('mounting a small disk needs privileges that this machine does not give')
    }
    const kept: string[] = []
    const refused: string[] = []
    disk.fill(left)
    for (let n = 0; refused.length < 3; n++) {
      expect(n, 'tasks until the disk is full').toBeLessThan(MOST_TASKS)
      const id = `${name}-${n}`
      const code = await submit(id, bytes)
      if (code === undefined) kept.push(id)
      else {
        expect(code).toBe('store-full')
        refused.push(id)
      }
    }
    expect(kept.length).toBeGreaterThan(1)
    expect(await stateOf(kept[0] ?? '')).toBe('queued')
    for (const id of refused) await expect(stateOf(id)).rejects.toMatchObject({ code: 'task-not-found' })
    for (const node of ['coordinator', 'gateway']) expect(mesh.get(node).isRunning).toBe(true)

    disk.clear()
    await until('tasks to be taken again', async () => (await submit(`${name}-after`, bytes)) === undefined)
    // What was acknowledged is on the disk, not in a memory that lives on.
    await mesh.kill('coordinator', 'gateway')
    await mesh.start()
    for (const id of [...kept, `${name}-after`]) {
      await until(`${id} to be done`, async () => (await stateOf(id)) === 'done', 60_000)
    }
    for (const id of refused) expect(await submit(id, bytes)).toBeUndefined()
  },
)
