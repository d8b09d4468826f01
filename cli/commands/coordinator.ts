import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { whole } from '../number-option.js'
import { meshText } from '../print/mesh-text.js'
import { coordinatorText, peersText, queueText, workersText } from '../print/node-text.js'
import { qualityText } from '../print/quality-text.js'
import { sessionOf } from '../session.js'
import { registerDrain } from './coordinator-drain.js'
import { registerIsolate } from './coordinator-isolate.js'
import { registerPause } from './coordinator-pause.js'
import { registerSuspensions } from './coordinator-suspensions.js'

/** `edgecoder coordinator …`: how a coordinator and its queue stand. */
export function registerCoordinator(program: Command): void {
  const coordinator = program
    .command('coordinator')
    .description('how a coordinator and its queue stand, and when it rests')
  registerPause(coordinator)
  registerDrain(coordinator)
  registerIsolate(coordinator)
  registerSuspensions(coordinator)
  coordinator
    .command('status')
    .description('counts of workers, gateways and tasks')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const route = ADMIN_ROUTES.coordinatorStatus
      const status = await connect(session, ['coordinator']).call(route, { signal: session.signal })
      session.out.answer(status, () => coordinatorText(status))
    })
  coordinator
    .command('queue')
    .description('what waits and runs, by class and by task')
    .option('--limit <n>', 'most tasks to list', whole(1, 1_000), 100)
    .action(async (options: { readonly limit: number }, command: Command) => {
      const session = sessionOf(command)
      const queue = await connect(session, ['coordinator']).call(ADMIN_ROUTES.coordinatorQueue, {
        query: { limit: options.limit },
        signal: session.signal,
      })
      session.out.answer(queue, () => queueText(queue))
    })
  coordinator
    .command('workers')
    .description('attached workers and those lately gone')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const route = ADMIN_ROUTES.coordinatorWorkers
      const workers = await connect(session, ['coordinator']).call(route, { signal: session.signal })
      session.out.answer(workers, () => workersText(workers))
    })
  coordinator
    .command('quality')
    .description('what became of attempts since it started: first tries, retries, waits, failures by worker')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const route = ADMIN_ROUTES.coordinatorQuality
      const quality = await connect(session, ['coordinator']).call(route, { signal: session.signal })
      session.out.answer(quality, () => qualityText(quality))
    })
  coordinator
    .command('mesh')
    .description('how it is woven into the mesh: addresses, relays, DHT, gossip')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const client = connect(session, ['coordinator'])
      const mesh = await client.call(ADMIN_ROUTES.mesh, { signal: session.signal })
      session.out.answer(mesh, () => meshText(mesh))
    })
  coordinator
    .command('peers')
    .description('peers connected now')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const route = ADMIN_ROUTES.coordinatorPeers
      const peers = await connect(session, ['coordinator']).call(route, { signal: session.signal })
      session.out.answer(peers, () => peersText(peers))
    })
}
