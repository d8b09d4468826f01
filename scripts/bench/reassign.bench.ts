import { setTimeout as wait } from 'node:timers/promises'
import { isRefusal } from '../../src/core/refusal.js'
import type { Gateway } from '../../src/roles/gateway/gateway.js'
import { startOpenAiServer } from '../../test/helpers/openai-server.js'
import { until } from '../../test/helpers/until.js'
import { addressOf, layOutBenchMesh, networkIdOf } from './bench-mesh.js'
import { startGateway } from './local-roles.js'
import type { Metrics } from './main.js'
import { quantile } from './quantile.js'
import { STAY, scriptedEngine } from './scripted-engine.js'
import { identities, joinAll, joinNetwork } from './synthetic-peer.js'
import { attachWorker, type SyntheticWorker } from './synthetic-worker.js'

/** Workers killed, and as many made silent; each is a process of its own. */
const LOST = 5
/** Enough that those lost are fewer than the storm guard takes for a fault of the coordinator's own link. */
const TAKERS = 24
const BETWEEN_MS = 250
const SILENT_LIMIT_MS = 25_000
const ACCOUNT = 'bench'

/**
 * From the loss of a worker that runs a task until the next worker holds its lease: closed (the process is killed) and
 * silent (it is stopped, its connections stay open).
 */
export async function bench(): Promise<Metrics> {
  const [gatewayKey, ...takerKeys] = identities(1 + TAKERS)
  if (gatewayKey === undefined) throw new Error('no key for the gateway')
  const server = await startOpenAiServer({ engine: scriptedEngine() })
  const mesh = await layOutBenchMesh(
    { coordinators: 1, workers: 2 * LOST, gateways: 0 },
    { EDGE_ENGINE: server.url },
    { gateways: [gatewayKey.signer.peerId], workers: takerKeys.map(({ signer }) => signer.peerId) },
  )
  await mesh.start()
  const networkId = networkIdOf(mesh)
  const at = { networkId, coordinator: addressOf(mesh.get('coordinator')) }
  const gatewayPeer = await joinNetwork(gatewayKey, networkId, ['/ip4/127.0.0.1/tcp/0'])
  const gateway = await startGateway(gatewayPeer, { ...at, dir: mesh.dir })
  const taskOf = await keepBusy(gateway, 2 * LOST)

  const takenMs = new Map<string, number>()
  const takers: SyntheticWorker[] = []
  for (const peer of await joinAll(takerKeys, networkId)) {
    const leased = ({ header }: { readonly header?: { readonly id: string } | undefined }): void => {
      const task = header?.id ?? ''
      if (!takenMs.has(task)) takenMs.set(task, performance.now())
    }
    takers.push(await attachWorker(peer, { ...at, slots: 0, leased }))
  }
  for (const taker of takers) taker.offer(1)

  const lostMs = new Map<string, number>()
  const victims = [...mesh.nodes.values()].filter(({ node }) => node.mode === 'worker')
  const lose = async (some: typeof victims, signal: 'SIGKILL' | 'SIGSTOP'): Promise<readonly string[]> => {
    const tasks: string[] = []
    for (const victim of some) {
      const task = taskOf.get(victim.node.peerId)
      if (task === undefined) throw new Error(`${victim.node.name} runs no task`)
      tasks.push(task)
      lostMs.set(task, performance.now())
      victim.signal(signal)
      await wait(BETWEEN_MS)
    }
    return tasks
  }
  const silent = await lose(victims.slice(LOST), 'SIGSTOP')
  const closed = await lose(victims.slice(0, LOST), 'SIGKILL')
  await until('every task to have a new worker', () => takenMs.size === 2 * LOST, SILENT_LIMIT_MS)
  await mesh.close()
  await server.close()
  const tookMs = (tasks: readonly string[]): readonly number[] =>
    tasks.map((task) => (takenMs.get(task) ?? Number.NaN) - (lostMs.get(task) ?? Number.NaN))
  return { closed_ms_p99: quantile(tookMs(closed), 0.99), silent_ms_p99: quantile(tookMs(silent), 0.99) }
}

/** @returns the task that each worker runs, by its peer id */
async function keepBusy(gateway: Gateway, count: number): Promise<ReadonlyMap<string, string>> {
  const ids = Array.from({ length: count }, (_, number) => `task-${number}`)
  for (const id of ids) {
    const messages = [{ role: 'user', content: STAY }] as const
    const taken = await gateway.submit({ kind: 'chat', account: ACCOUNT, id, model: 'bench-model', messages })
    if (isRefusal(taken)) throw new Error(`not taken: ${taken.code} ${taken.detail}`)
  }
  const taskOf = new Map<string, string>()
  await until('every task to run', async () => {
    for (const id of ids) {
      const task = await gateway.task(ACCOUNT, id)
      if (task?.state === 'running' && task.worker !== undefined)
        taskOf.set(task.worker.peerId, `${ACCOUNT}:${id}`)
    }
    return taskOf.size === count
  })
  return taskOf
}
