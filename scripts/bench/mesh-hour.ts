/** One run of the mesh of `mesh-sim`; tells its parent what came of it. */
import '../../src/services/network/node-20.js'
import { simulateLargeMesh } from '../../test/simulation/large-mesh.js'

const [minutes] = process.argv.slice(2).map(Number)
const summary = await simulateLargeMesh({
  seed: 1,
  coordinators: 20,
  gateways: 20,
  workers: 10_000,
  seconds: 3_600,
  tasksPerS: 10,
  churnPerHour: 0.1,
  ...(minutes === undefined ? {} : { minutes }),
})
process.send?.(summary, () => process.exit(0))
