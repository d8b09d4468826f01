import { profiled } from './bench-mesh.js'
import { dispatchMesh, throughput } from './dispatch-mesh.js'
import type { Metrics } from './main.js'
import { median } from './quantile.js'

/** Tasks under way at once: for the speed, and for the delay, where nothing queues. */
const IN_FLIGHT = 64
const FEW = 4
const SHORT = { warmUpMs: 500, measuredMs: 1_500 }
/** Paid and unpaid in turns, so that what else the machine does falls upon both; the first turn warms both up. */
const TURNS = 4

/**
 * The whole path of a paid task: signed order, hold, assignment, completion by both signatures, settlement; all of it
 * durable, through one coordinator process with 64 tasks in flight. Beside it the same in a network without a ledger;
 * what payment adds to a task is told with 4 in flight.
 */
export async function bench(): Promise<Metrics> {
  const paid = await path(true)
  const unpaid = await path(false)
  const added: number[] = []
  const unpaidMs: number[] = []
  for (let turn = 0; turn < TURNS; turn++) {
    const [withPay, without] = [median(await paid.few()), median(await unpaid.few())]
    if (turn === 0) continue
    added.push(withPay - without)
    unpaidMs.push(without)
  }
  const many = { unpaid: await unpaid.many(), paid: await paid.many() }
  await paid.close()
  await unpaid.close()
  return {
    tasks_per_s: many.paid.tasksPerS,
    added_ms_p50: median(added),
    unpaid_done_ms_p50: median(unpaidMs),
    cpu_ms_per_task: many.paid.cpuMsPerTask,
    unpaid_tasks_per_s: many.unpaid.tasksPerS,
    unpaid_cpu_ms_per_task: many.unpaid.cpuMsPerTask,
  }
}

async function path(isPaid: boolean) {
  const { mesh, process, gatewayPeers, attachAll } = await dispatchMesh(2, isPaid)
  const name = isPaid ? 'paid' : 'unpaid'
  const fewAtOnce = await attachAll(gatewayPeers.slice(0, 1), FEW)
  return {
    few: async () => (await throughput(name, fewAtOnce, process.pid, SHORT)).doneMs,
    async many() {
      const manyAtOnce = await attachAll(gatewayPeers.slice(1), IN_FLIGHT)
      const measure = () => throughput(name, manyAtOnce, process.pid)
      return isPaid ? await profiled(process, measure) : await measure()
    },
    close: () => mesh.close(),
  }
}
