import { setTimeout as wait } from 'node:timers/promises'
import { addressOf, layOutBenchMesh, networkIdOf, profiled, profiling } from './bench-mesh.js'
import type { Metrics } from './main.js'
import { cpuMs, mainThreadCpuMs } from './process-usage.js'
import { attachGateway, type SyntheticGateway } from './synthetic-gateway.js'
import { identities, joinAll, type SyntheticPeer } from './synthetic-peer.js'
import { attachWorker } from './synthetic-worker.js'

const WORKERS = 200
const GATEWAYS = 8
/** Twice what the workers can hold, so that something always waits. */
const UNFINISHED = 800
const WARM_UP_MS = 3_000
const MEASURED_MS = 7_000

/** Durable submit + assignment + completion through one coordinator process, with 200 workers, by 1 and by 8 gateways. */
export async function bench(): Promise<Metrics> {
  const [workerKeys, gatewayKeys] = [identities(WORKERS), identities(GATEWAYS)]
  const mesh = await layOutBenchMesh({ coordinators: 1, workers: 0, gateways: 0 }, profiling(), {
    workers: workerKeys.map(({ signer }) => signer.peerId),
    gateways: gatewayKeys.map(({ signer }) => signer.peerId),
  })
  await mesh.start()
  const process = mesh.get('coordinator')
  const at = { networkId: networkIdOf(mesh), coordinator: addressOf(process) }
  const gatewayPeers = await joinAll(gatewayKeys, at.networkId)
  const signers = new Map(gatewayPeers.map(({ signer }) => [signer.peerId, signer]))
  const workerPeers = await joinAll(workerKeys, at.networkId)
  for (const peer of workerPeers) {
    await attachWorker(peer, {
      ...at,
      slots: 1,
      leased(lease, worker) {
        const gateway = signers.get(lease.header?.gateway ?? '')
        if (gateway !== undefined) worker.finish(lease, gateway)
      },
    })
  }
  const attachAll = (peers: readonly SyntheticPeer[]) =>
    Promise.all(peers.map((peer) => attachGateway(peer, { ...at, unfinished: UNFINISHED / peers.length })))
  const measure = (gateways: readonly SyntheticGateway[]) => throughput(gateways, process.pid)
  const one = await attachAll(gatewayPeers.slice(0, 1))
  const byOne = await profiled(process, () => measure(one))
  const byEight = await measure([...one, ...(await attachAll(gatewayPeers.slice(1)))])
  await mesh.close()
  return {
    tasks_per_s: byOne.tasksPerS,
    cpu_ms_per_task: byOne.cpuMsPerTask,
    tasks_per_s_8_gateways: byEight.tasksPerS,
    cpu_ms_per_task_8_gateways: byEight.cpuMsPerTask,
  }
}

async function throughput(gateways: readonly SyntheticGateway[], pid: number) {
  for (const gateway of gateways) gateway.start()
  await wait(WARM_UP_MS)
  const used = () => ({ all: cpuMs(pid), main: mainThreadCpuMs(pid), driver: cpuMs(process.pid) })
  const done = () => gateways.reduce((sum, gateway) => sum + gateway.done, 0)
  const before = { done: done(), used: used(), atMs: performance.now() }
  await wait(MEASURED_MS)
  const tasks = done() - before.done
  const after = used()
  const tookMs = performance.now() - before.atMs
  await Promise.all(gateways.map((gateway) => gateway.stop()))
  const share = (of: keyof typeof after): string =>
    `${Math.round((100 * (after[of] - before.used[of])) / tookMs)} %`
  process.stderr.write(
    `dispatch: ${gateways.length} gateways, ${tasks} tasks; of a core: coordinator ${share('all')} ` +
      `(main thread ${share('main')}), this driver ${share('driver')}\n`,
  )
  return { tasksPerS: tasks / (tookMs / 1000), cpuMsPerTask: (after.all - before.used.all) / tasks }
}
