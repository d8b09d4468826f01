/** One run of the mesh of `mesh-sim`; tells its parent what came of it, and what it took. */
import '../../src/services/network/node-20.js'
import { type LargeMeshSummary, simulateLargeMesh } from '../../test/simulation/large-mesh.js'

export interface MeshHour extends LargeMeshSummary {
  /** Of this process, from its start. */
  readonly cpuS: number
  /** The most that was resident at one time. */
  readonly rssMb: number
}

const summary = await simulateLargeMesh({
  seed: 1,
  coordinators: 20,
  gateways: 20,
  workers: 10_000,
  seconds: 3_600,
  tasksPerS: 10,
  churnPerHour: 0.1,
})
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
const hour: MeshHour = { ...summary, cpuS: (userCPUTime + systemCPUTime) / 1e6, rssMb: maxRSS / 1024 }
process.send?.(hour, () => process.exit(0))
