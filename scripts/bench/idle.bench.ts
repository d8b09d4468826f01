import { setTimeout as wait } from 'node:timers/promises'
import { addressOf, layOutBenchMesh, networkIdOf } from './bench-mesh.js'
import type { Metrics } from './main.js'
import { rssMib } from './process-usage.js'
import { identities, joinAll } from './synthetic-peer.js'
import { attachWorker } from './synthetic-worker.js'

const WORKERS = 200
const SETTLE_MS = 8_000

/** Memory of processes that have nothing to do: a worker without a model, a coordinator of few and of many peers. */
export async function bench(): Promise<Metrics> {
  const keys = identities(WORKERS)
  const mesh = await layOutBenchMesh(
    { coordinators: 1, workers: 1, gateways: 1 },
    { EDGE_ENGINE: 'none', EDGE_SANDBOX: 'auto' },
    { workers: keys.map(({ signer }) => signer.peerId) },
  )
  const rss = (name: string): number => rssMib(mesh.get(name).pid)
  await mesh.start()
  await wait(SETTLE_MS)
  const [coordinator, worker, gateway] = [rss('coordinator'), rss('worker'), rss('gateway')]
  const at = { networkId: networkIdOf(mesh), coordinator: addressOf(mesh.get('coordinator')) }
  for (const peer of await joinAll(keys, at.networkId))
    await attachWorker(peer, { ...at, slots: 1, leased() {} })
  await wait(SETTLE_MS)
  const crowded = rss('coordinator')
  await mesh.close()
  return {
    worker_rss_mib: worker,
    coordinator_rss_mib: coordinator,
    gateway_rss_mib: gateway,
    coordinator_rss_mib_200_workers: crowded,
  }
}
