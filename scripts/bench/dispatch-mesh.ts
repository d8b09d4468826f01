import { setTimeout as wait } from 'node:timers/promises'
import { SignedNetwork } from '../../test/helpers/signed-network.js'
import { addressOf, layOutBenchMesh, networkIdOf, profiling } from './bench-mesh.js'
import { cpuMs, mainThreadCpuMs } from './process-usage.js'
import { attachGateway, type SyntheticGateway } from './synthetic-gateway.js'
import { identities, joinAll, type SyntheticPeer } from './synthetic-peer.js'
import { attachWorker } from './synthetic-worker.js'

const WORKERS = 200
const TIMES = { warmUpMs: 3_000, measuredMs: 7_000 }
/** Accounts that synthetic gateways order for, and more credits than a bench can spend. */
const ACCOUNTS = 10
const CREDITS = 10n ** 15n

/** One coordinator process, and 200 workers in this process that finish every task at once. */
export async function dispatchMesh(gateways: number, paid: boolean) {
  const [workerKeys, gatewayKeys] = [identities(WORKERS), identities(gateways)]
  const workers = workerKeys.map(({ signer }) => signer.peerId)
  const own = { workers, gateways: gatewayKeys.map(({ signer }) => signer.peerId) }
  const mesh = await layOutBenchMesh({ coordinators: 1, workers: 0, gateways: 0 }, profiling(), own)
  if (paid) await sign(await SignedNetwork.of(mesh, own.gateways), workers)
  await mesh.start()
  const process = mesh.get('coordinator')
  const at = { networkId: networkIdOf(mesh), coordinator: addressOf(process) }
  const gatewayPeers = await joinAll(gatewayKeys, at.networkId)
  const signers = new Map(gatewayPeers.map(({ signer }) => [signer.peerId, signer]))
  for (const peer of await joinAll(workerKeys, at.networkId)) {
    await attachWorker(peer, {
      ...at,
      slots: 1,
      leased(lease, worker) {
        const gateway = signers.get(lease.header?.gateway ?? '')
        if (gateway !== undefined) worker.finish(lease, gateway)
      },
    })
  }
  const attachAll = (peers: readonly SyntheticPeer[], unfinished: number) =>
    Promise.all(peers.map((peer) => attachGateway(peer, { ...at, unfinished: unfinished / peers.length })))
  return { mesh, process, gatewayPeers, attachAll }
}

async function sign(network: SignedNetwork, workers: readonly string[]): Promise<void> {
  await network.openAccount('lender', 'contributor')
  for (let n = 0; n < ACCOUNTS; n++) {
    await network.openAccount(`account-${n}`)
    await network.grant(`account-${n}`, CREDITS, `grant-${n}`)
  }
  for (const [n, peer] of workers.entries()) await network.enrolPeer(peer, `bench-${n}`, 'lender')
}

export interface Throughput {
  readonly tasksPerS: number
  readonly cpuMsPerTask: number
  /** From the order of a task to the word that it is done, as the gateway sees it. */
  readonly doneMs: readonly number[]
}

export async function throughput(
  what: string,
  gateways: readonly SyntheticGateway[],
  pid: number,
  { warmUpMs, measuredMs } = TIMES,
): Promise<Throughput> {
  for (const gateway of gateways) gateway.start()
  await wait(warmUpMs)
  const used = () => ({ all: cpuMs(pid), main: mainThreadCpuMs(pid), driver: cpuMs(process.pid) })
  const done = () => gateways.reduce((sum, gateway) => sum + gateway.done, 0)
  for (const gateway of gateways) gateway.doneMs.length = 0
  const before = { done: done(), used: used(), atMs: performance.now() }
  await wait(measuredMs)
  const tasks = done() - before.done
  const after = used()
  const tookMs = performance.now() - before.atMs
  const doneMs = gateways.flatMap((gateway) => gateway.doneMs)
  await Promise.all(gateways.map((gateway) => gateway.stop()))
  const share = (of: keyof typeof after): string =>
    `${Math.round((100 * (after[of] - before.used[of])) / tookMs)} %`
  process.stderr.write(
    `${what}: ${gateways.length} gateways, ${tasks} tasks; of a core: coordinator ${share('all')} ` +
      `(main thread ${share('main')}), this driver ${share('driver')}\n`,
  )
  return {
    tasksPerS: tasks / (tookMs / 1000),
    cpuMsPerTask: (after.all - before.used.all) / tasks,
    doneMs,
  }
}
