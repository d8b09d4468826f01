import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { ADMIN_ROUTES, TASK_ROUTES } from '../../src/bridge/admin-client.js'
import type { NetworkFile } from '../../src/index.js'
import { type CuttableWire, createCuttableWire } from '../helpers/cuttable-wire.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { SignedNetwork } from '../helpers/signed-network.js'
import { until } from '../helpers/until.js'

/** Of what takes a quarter of a minute, on a machine that is busy. */
const WITHIN_MS = 90_000

let held: HeldTasks
let wire: CuttableWire

afterEach(async () => {
  await held?.close()
  await wire?.close()
})

/**
 * A paid mesh of two workers in which all others reach the coordinator only through a wire. It and the gateway run.
 *
 * @returns what a node is started with
 */
async function layOut(): Promise<Readonly<Record<string, string>>> {
  held = await createHeldTasks({ coordinators: 1, workers: 2, gateways: 1 })
  const { mesh } = held
  const network = await SignedNetwork.of(mesh)
  await network.openAccount('local')
  for (const [name, owner] of [
    ['worker-1', 'first'],
    ['worker-2', 'second'],
  ] as const) {
    await network.openAccount(owner, 'contributor')
    await network.enrol(name, owner)
  }
  await network.grant('local', 2_000_000n, 'grant')
  const { libp2pPort, peerId } = mesh.get('coordinator').node
  wire = await createCuttableWire(libp2pPort)
  const address = `/ip4/127.0.0.1/tcp/${wire.port}`
  const file: NetworkFile = JSON.parse(readFileSync(mesh.mesh.networkFile, 'utf8'))
  const path = join(mesh.dir, 'by-wire.json')
  writeFileSync(path, JSON.stringify({ ...file, bootstrap: [`${address}/p2p/${peerId}`] }))
  const byWire = { EDGE_NETWORK_FILE: path }
  // Whoever asks around for the coordinator is told of the wire too.
  mesh.get('coordinator').start({ EDGE_ANNOUNCE: address })
  await mesh.get('coordinator').ready()
  held.gateway.start(byWire)
  await held.gateway.ready()
  await network.funded('local')
  return byWire
}

async function wallet(account: string): Promise<{ readonly available: bigint; readonly held: bigint }> {
  const client = held.mesh.get('coordinator').client()
  const found = await client.call(ADMIN_ROUTES.wallet, { params: { account } })
  return { available: BigInt(found.available), held: BigInt(found.held) }
}

it.each([
  ['comes back', false],
  ['never comes back', true],
])(
  'a result that was delivered while the coordinator was cut off is paid; its worker %s',
  async (_, dies) => {
    const byWire = await layOut()
    const { mesh, gateway } = held
    const [coordinator, first, second] = [mesh.get('coordinator'), mesh.get('worker-1'), mesh.get('worker-2')]
    first.start(byWire)
    await first.ready()
    const messages = [{ role: 'user' as const, content: held.prompt('cut') }]
    const body = { kind: 'chat' as const, id: 'cut', messages, maxOutputTokens: 64 }
    await gateway.client().call(TASK_ROUTES.submit, { body })
    expect(await held.running('cut')).toBe(first)
    second.start(byWire)
    await second.ready()

    wire.cut('silent')
    held.letGo('cut')
    await held.expectDoneOnce('cut', 1)
    await until(
      'the coordinator to have given up both workers',
      async () => (await coordinator.status()).coordinator?.workers === 0,
      WITHIN_MS,
    )
    await held.standsAt(coordinator, 'cut', 'queued')
    expect((await wallet('first')).available).toBe(0n)
    if (dies) await mesh.kill('worker-1')

    wire.heal()
    await held.standsAt(coordinator, 'cut', 'done')
    await until('the first worker to be paid', async () => (await wallet('first')).available > 0n, WITHIN_MS)
    expect([(await wallet('second')).available, (await wallet('local')).held]).toEqual([0n, 0n])
    // Nobody else has begun it, and who may have been given it goes on.
    expect(held.begun('cut')).toBe(1)
    await second.statusWhere('be ready again', ({ ready }) => ready)
    held.letGo('after')
    await held.submit('after')
    await held.expectDoneOnce('after', 1)
  },
)
