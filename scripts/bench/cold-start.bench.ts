import { get, type IncomingMessage } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { NodeProcess } from '../../test/helpers/process-mesh.js'
import { layOutBenchMesh } from './bench-mesh.js'
import type { Metrics } from './main.js'
import { median } from './quantile.js'

const LOOK_AGAIN_MS = 5
const ROUNDS = 5
const LONGEST_MS = 30_000

/** From the start of a process until it can really get or serve work (/readyz says 200); medians of several starts. */
export async function bench(): Promise<Metrics> {
  const mesh = await layOutBenchMesh({ coordinators: 1, workers: 1, gateways: 1 })
  const start = (name: string, settings = {}) => readyMs(mesh.get(name), settings)
  const coordinator = await several(async () => {
    await mesh.get('coordinator').end()
    return start('coordinator')
  })
  const gateway = await several(async () => {
    await mesh.get('gateway').end()
    return start('gateway')
  })
  const startWorker = async (settings: Record<string, string>) => {
    await mesh.get('worker').end()
    return start('worker', settings)
  }
  const worker = await several(() => startWorker({ EDGE_ENGINE: 'none', EDGE_SANDBOX: 'auto' }))
  const modelled = await several(() => startWorker({ EDGE_ENGINE: 'auto' }))
  await mesh.close()
  return {
    ready_ms: coordinator,
    gateway_ready_ms: gateway,
    worker_ready_ms: worker,
    worker_demo_model_ready_ms: modelled,
  }
}

async function several(measure: () => Promise<number>): Promise<number> {
  const all: number[] = []
  while (all.length < ROUNDS) all.push(await measure())
  return median(all)
}

async function readyMs(node: NodeProcess, settings: Readonly<Record<string, string>>): Promise<number> {
  const startedMs = performance.now()
  node.start(settings)
  while (!(await isReady(node.node.adminPort))) {
    if (performance.now() - startedMs > LONGEST_MS)
      throw new Error(`${node.node.name} is not ready:\n${node.log}`)
    await wait(LOOK_AGAIN_MS)
  }
  return performance.now() - startedMs
}

/** Plain HTTP: fetch would take a good share of the time that is measured. */
function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = get({ host: '127.0.0.1', port, path: '/readyz' }, (answer: IncomingMessage) => {
      answer.resume().on('end', () => resolve(answer.statusCode === 200))
    })
    asked.on('error', () => resolve(false))
  })
}
