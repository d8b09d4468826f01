import { profiled } from './bench-mesh.js'
import { dispatchMesh, throughput } from './dispatch-mesh.js'
import type { Metrics } from './main.js'
import { median } from './quantile.js'

/** Tasks under way at once: for the speed, and for the delay, where nothing queues. */
const IN_FLIGHT = 64
const FEW = 4
const SHORT = { warmUpMs: 1_000, measuredMs: 3_000 }

/**
 * The whole path of a paid task: signed order, hold, assignment, completion by both signatures, settlement; all of it
 * durable, through one coordinator process with 64 tasks in flight. Beside it the same in a network without a ledger;
 * what payment adds to a task is told with 4 in flight.
 */
export async function bench(): Promise<Metrics> {
  const paid = await path(true)
  const unpaid = await path(false)
  return {
    tasks_per_s: paid.tasksPerS,
    added_ms_p50: paid.doneMsP50 - unpaid.doneMsP50,
    unpaid_done_ms_p50: unpaid.doneMsP50,
    cpu_ms_per_task: paid.cpuMsPerTask,
    unpaid_tasks_per_s: unpaid.tasksPerS,
  }
}

async function path(paid: boolean) {
  const { mesh, process, gatewayPeers, attachAll } = await dispatchMesh(2, paid)
  const name = paid ? 'paid' : 'unpaid'
  const few = await attachAll(gatewayPeers.slice(0, 1), FEW)
  const { doneMs } = await throughput(name, few, process.pid, SHORT)
  const many = await attachAll(gatewayPeers.slice(1), IN_FLIGHT)
  const measure = () => throughput(name, many, process.pid)
  const measured = paid ? await profiled(process, measure) : await measure()
  await mesh.close()
  return { ...measured, doneMsP50: median(doneMs) }
}
