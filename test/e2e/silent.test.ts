import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { createHeldTasks, type HeldTasks } from '../helpers/held-tasks.js'
import { until } from '../helpers/until.js'

let held: HeldTasks

beforeAll(async () => {
  held = await createHeldTasks(
    { coordinators: 1, workers: 2, gateways: 1 },
    // A worker says at debug level what became of a lease it held.
    { EDGE_LOG_LEVEL: 'debug' },
  )
  await held.mesh.start()
}, 120_000)

afterAll(() => held?.close())

it('a worker that falls silent loses its task to another, and its late result is refused', async () => {
  const { mesh } = held
  const coordinator = mesh.get('coordinator')
  await held.submit('silent')
  const silent = await held.running('silent')
  silent.signal('SIGSTOP')
  await until('another attempt', () => held.begun('silent') === 2, 60_000)
  const workers = await coordinator.client().call(ADMIN_ROUTES.coordinatorWorkers)
  expect(workers.workers.find(({ peerId }) => peerId === silent.node.peerId)?.liveness ?? 'lost').toBe('lost')

  held.letGo('silent')
  await held.expectDoneOnce('silent', 2)
  const by = (await held.task('silent')).worker?.peerId
  expect(by).not.toBe(silent.node.peerId)

  silent.signal('SIGCONT')
  await until('the late result to be refused', () => silent.log.includes('stale-fence'))
  await silent.statusWhere('have nothing to do', (status) => status.worker?.running.length === 0)
  await silent.statusWhere('be ready again', (status) => status.ready)
  await held.expectDoneOnce('silent', 2)
  expect((await held.task('silent')).worker?.peerId).toBe(by)
}, 120_000)

it('a coordinator that is silent for a while loses nothing', async () => {
  const { mesh } = held
  const coordinator = mesh.get('coordinator')
  await held.submit('held')
  const worker = await held.running('held')
  coordinator.signal('SIGSTOP')
  await worker.statusWhere('notice that its coordinator is silent', (status) => !status.ready)
  coordinator.signal('SIGCONT')
  await worker.statusWhere('attach again', (status) => status.ready)
  await held.gateway.statusWhere('be attached', (status) => status.ready)
  await held.submit('next')
  held.letGo('held')
  held.letGo('next')
  await held.expectDoneOnce('held', 1)
  await held.expectDoneOnce('next', 1)
  expect(held.begun('held')).toBe(1)
  await held.standsAt(coordinator, 'held', 'done')
}, 120_000)
