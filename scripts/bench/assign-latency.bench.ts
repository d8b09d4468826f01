import { isRefusal } from '../../src/core/refusal.js'
import { protocolIds } from '../../src/wire/protocol-ids.js'
import { addressOf, layOutBenchMesh, networkIdOf, profiled, profiling } from './bench-mesh.js'
import { withLeaseWatch } from './lease-watch.js'
import { startGateway, startWorker } from './local-roles.js'
import type { Metrics } from './main.js'
import { quantile } from './quantile.js'
import { scriptedEngine } from './scripted-engine.js'
import { identities, joinNetwork } from './synthetic-peer.js'

const WORKERS = 8
const WARM_UP = 50
const TASKS = 400
const LONGEST_MS = 25_000
const LISTEN = ['/ip4/127.0.0.1/tcp/0']

/**
 * From submit at the gateway until a worker holds the lease: tasks one after the other, workers idle. Gateway and
 * workers are real roles in this process, so that one clock sees both ends; the coordinator is a process of its own.
 */
export async function bench(): Promise<Metrics> {
  const keys = identities(WORKERS + 1)
  const ids = keys.map(({ signer }) => signer.peerId)
  const [gatewayKey, ...workerKeys] = keys
  if (gatewayKey === undefined) throw new Error('no key for the gateway')
  const size = { coordinators: 1, workers: 0, gateways: 0 }
  const mesh = await layOutBenchMesh(size, profiling(), { gateways: ids.slice(0, 1), workers: ids.slice(1) })
  await mesh.start()
  const networkId = networkIdOf(mesh)
  const at = { networkId, coordinator: addressOf(mesh.get('coordinator')) }
  const gateway = await startGateway(await joinNetwork(gatewayKey, networkId, LISTEN), {
    ...at,
    dir: mesh.dir,
  })

  const leases = new Map<string, (atMs: number) => void>()
  const leased = (taskId: string, atMs: number): void => leases.get(taskId)?.(atMs)
  for (const key of workerKeys) {
    const peer = await joinNetwork(key, networkId)
    const network = withLeaseWatch(peer.network, protocolIds(networkId).worker, leased)
    await startWorker(peer, { ...at, engine: scriptedEngine(), network })
  }

  async function one(number: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>()
    const [account, id] = ['bench', `task-${number}`]
    leases.set(`${account}:${id}`, resolve)
    const askedMs = performance.now()
    const messages = [{ role: 'user', content: 'hello' }] as const
    const taken = await gateway.submit({ kind: 'chat', account, id, model: 'bench-model', messages })
    if (isRefusal(taken)) throw new Error(`not taken: ${taken.code} ${taken.detail}`)
    const tookMs = (await promise) - askedMs
    leases.delete(`${account}:${id}`)
    for await (const _ of gateway.events(account, id, { signal: AbortSignal.timeout(20_000) }));
    return tookMs
  }

  for (let number = 0; number < WARM_UP; number++) await one(number)
  const tookMs = await profiled(mesh.get('coordinator'), async () => {
    const all: number[] = []
    const endMs = performance.now() + LONGEST_MS
    while (all.length < TASKS && performance.now() < endMs) all.push(await one(WARM_UP + all.length))
    return all
  })
  await mesh.close()
  return { p50_ms: quantile(tookMs, 0.5), p99_ms: quantile(tookMs, 0.99) }
}
