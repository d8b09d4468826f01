import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { NetworkFile } from '../../src/index.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import type { NodeStatus } from '../helpers/process-mesh.js'
import { until } from '../helpers/until.js'

/** A search of the DHT that comes too early ends after 15 s, and the next one is a while later. */
const SEARCHES_MS = 240_000
/** On a busy machine it takes several. */
const FOUND_MS = 150_000

let held: HeldTasks
let lonely: Readonly<Record<string, string>>

beforeAll(async () => {
  held = await createHeldTasks({ coordinators: 2, workers: 1, gateways: 1 })
  const { mesh } = held
  const network: NetworkFile = JSON.parse(readFileSync(mesh.mesh.networkFile, 'utf8'))
  const gateway = held.gateway.node
  const path = join(mesh.dir, 'gateway-only.json')
  const bootstrap = [`/ip4/127.0.0.1/tcp/${gateway.libp2pPort}/p2p/${gateway.peerId}`]
  writeFileSync(path, JSON.stringify({ ...network, bootstrap }))
  lonely = { EDGE_NETWORK_FILE: path }
}, 120_000)

afterAll(() => held?.close())

/** Coordinators that the worker is attached to, once it is to at least one and `is` holds. */
async function coordinators(is: (peerIds: readonly string[]) => boolean): Promise<readonly string[]> {
  const idsOf = ({ worker }: NodeStatus) => worker?.coordinators.map(({ peerId }) => peerId) ?? []
  return until(
    'the worker to be attached so',
    async () => {
      const ids = idsOf(await held.mesh.get('worker').status())
      return ids.length > 0 && is(ids) && ids
    },
    FOUND_MS,
  )
}

it(
  'a worker finds a coordinator it was never told of by DHT, and goes on when that one is lost',
  async () => {
    const { mesh } = held
    await mesh.start(['coordinator-1', 'coordinator-2', 'gateway'])
    mesh.get('worker').start(lonely)
    const [found] = await coordinators(() => true)
    held.letGo('first')
    await held.submit('first')
    await held.expectDoneOnce('first')

    const lost = mesh.byPeer(found)
    expect(lost.node.mode).toBe('coordinator')
    await lost.end()
    await coordinators((peerIds) => !peerIds.includes(lost.node.peerId))
    await held.gateway.statusWhere(
      'be attached to the other',
      ({ gateway }) => gateway?.coordinators.some(({ peerId }) => peerId !== found) === true,
    )
    held.letGo('second')
    await held.submit('second')
    await held.expectDoneOnce('second')
  },
  SEARCHES_MS,
)

it(
  'and remembers it: started again while nobody else is there, it is back',
  async () => {
    const { mesh } = held
    const worker = mesh.get('worker')
    const before = await coordinators(() => true)
    await worker.end('SIGTERM')
    await held.gateway.end()
    worker.start(lonely)
    expect(await coordinators(() => true)).toEqual(before)
  },
  SEARCHES_MS,
)
