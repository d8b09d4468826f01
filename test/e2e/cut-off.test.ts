import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import type { NetworkFile } from '../../src/index.js'
import { type CuttableWire, createCuttableWire } from '../helpers/cuttable-wire.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { until } from '../helpers/until.js'

let held: HeldTasks
let wire: CuttableWire

afterEach(async () => {
  await held?.close()
  await wire?.close()
})

/**
 * A mesh in which some reach the coordinator only through a wire.
 *
 * @returns what such a node is started with
 */
async function layOut(workers: number): Promise<Readonly<Record<string, string>>> {
  // A worker says at debug level what became of a lease it held.
  held = await createHeldTasks({ coordinators: 1, workers, gateways: 1 }, { EDGE_LOG_LEVEL: 'debug' })
  const { mesh } = held
  const { libp2pPort, peerId } = mesh.get('coordinator').node
  wire = await createCuttableWire(libp2pPort)
  const address = `/ip4/127.0.0.1/tcp/${wire.port}`
  const network: NetworkFile = JSON.parse(readFileSync(mesh.mesh.networkFile, 'utf8'))
  const path = join(mesh.dir, 'by-wire.json')
  writeFileSync(path, JSON.stringify({ ...network, bootstrap: [`${address}/p2p/${peerId}`] }))
  // Whoever asks around for the coordinator is told of the wire too.
  mesh.get('coordinator').start({ EDGE_ANNOUNCE: address })
  await mesh.get('coordinator').ready()
  return { EDGE_NETWORK_FILE: path }
}

it('a worker cut off from its coordinator loses its task to another, and comes back when it can', async () => {
  const byWire = await layOut(2)
  const { mesh } = held
  const cutOff = mesh.get('worker-1')
  cutOff.start(byWire)
  await mesh.start(['gateway', 'worker-1'])
  await held.submit('cut')
  expect(await held.running('cut')).toBe(cutOff)
  await mesh.start(['worker-2'])

  wire.cut('silent')
  await until('another attempt', () => held.begun('cut') === 2, 60_000)
  held.letGo('cut')
  await held.expectDoneOnce('cut', 2)
  expect((await held.task('cut')).worker?.peerId).toBe(mesh.get('worker-2').node.peerId)
  // Its gateway told it, as its coordinator could not.
  await cutOff.statusWhere('have nothing to do', ({ worker }) => worker?.running.length === 0)
  await cutOff.statusWhere('know that it is cut off', ({ ready }) => !ready)

  wire.heal()
  await cutOff.statusWhere('be ready again', ({ ready }) => ready)
  await mesh.kill('worker-2')
  held.letGo('after')
  await held.submit('after')
  await held.expectDoneOnce('after')
  expect((await held.task('after')).worker?.peerId).toBe(cutOff.node.peerId)
})

it('a gateway whose way to its coordinator is cut takes the result all the same, and goes on', async () => {
  const byWire = await layOut(1)
  const { mesh, gateway } = held
  gateway.start(byWire)
  await mesh.start(['gateway', 'worker'])
  await held.submit('cut')
  await held.running('cut')
  const before = (await gateway.status()).gateway?.coordinators[0]?.sinceMs

  wire.cut('closed')
  held.letGo('cut')
  await held.expectDoneOnce('cut', 1)
  wire.heal()
  await gateway.statusWhere(
    'be attached anew',
    ({ gateway: at }) => at?.coordinators.some(({ sinceMs }) => sinceMs !== before) === true,
  )
  held.letGo('after')
  await held.submit('after')
  await held.expectDoneOnce('after', 1)
  expect(held.begun('cut')).toBe(1)
})
