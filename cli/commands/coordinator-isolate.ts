import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { isolationsText } from '../print/node-text.js'
import { sessionOf } from '../session.js'
import { workerOf } from '../worker-name.js'

/** `edgecoder coordinator isolate|release|isolations`: peers that this coordinator has nothing to do with. */
export function registerIsolate(coordinator: Command): void {
  coordinator
    .command('isolate <peer>')
    .description(
      'cut a worker (name or peer id), gateway or coordinator (peer id) off here, over restarts too',
    )
    .requiredOption('--reason <text>', 'for whoever asks why; at most 256 characters')
    .action(async (peer: string, { reason }: { readonly reason: string }, command: Command) => {
      const session = sessionOf(command)
      const body = { peer: await workerOf(session, peer), reason }
      const route = ADMIN_ROUTES.coordinatorIsolate
      const said = await connect(session, ['coordinator']).call(route, { body, signal: session.signal })
      session.out.say('It is cut off at this coordinator; for all of them an admin signs a node-state.')
      session.out.answer(said, () => isolationsText(said))
    })
  coordinator
    .command('release <peer>')
    .description('let a peer (name or peer id) in again')
    .action(async (peer: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const params = { peer: await workerOf(session, peer) }
      const route = ADMIN_ROUTES.coordinatorRelease
      const said = await connect(session, ['coordinator']).call(route, { params, signal: session.signal })
      session.out.answer(said, () => isolationsText(said))
    })
  coordinator
    .command('isolations')
    .description('peers that are cut off here, since when and why')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const route = ADMIN_ROUTES.coordinatorIsolations
      const said = await connect(session, ['coordinator']).call(route, { signal: session.signal })
      session.out.answer(said, () => isolationsText(said))
    })
}
