import { profiled } from './bench-mesh.js'
import { dispatchMesh, throughput } from './dispatch-mesh.js'
import type { Metrics } from './main.js'

const GATEWAYS = 8
/** Twice what the workers can hold, so that something always waits. */
const UNFINISHED = 800

/** Durable submit + assignment + completion through one coordinator process, with 200 workers, by 1 and by 8 gateways. */
export async function bench(): Promise<Metrics> {
  const { mesh, process, gatewayPeers, attachAll } = await dispatchMesh(GATEWAYS, false)
  const one = await attachAll(gatewayPeers.slice(0, 1), UNFINISHED)
  const byOne = await profiled(process, () => throughput('dispatch', one, process.pid))
  const eight = [...one, ...(await attachAll(gatewayPeers.slice(1), UNFINISHED))]
  const byEight = await throughput('dispatch', eight, process.pid)
  await mesh.close()
  return {
    tasks_per_s: byOne.tasksPerS,
    cpu_ms_per_task: byOne.cpuMsPerTask,
    tasks_per_s_8_gateways: byEight.tasksPerS,
    cpu_ms_per_task_8_gateways: byEight.cpuMsPerTask,
  }
}
