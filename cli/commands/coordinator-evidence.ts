import { type Command, Option } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { connect } from '../connection.js'
import { evidenceText } from '../print/quality-text.js'
import { sessionOf } from '../session.js'
import { workerPeer } from '../worker-peer.js'

/** `edgecoder coordinator evidence|forgive`: workers whose results others refuted. */
export function registerEvidence(coordinator: Command): void {
  coordinator
    .command('evidence <worker>')
    .description('results of a worker (name or peer id) that others refuted, with who said what')
    .action(async (worker: string, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const params = { worker: await workerPeer(session, worker) }
      const route = ADMIN_ROUTES.coordinatorEvidence
      const evidence = await connect(session, ['coordinator']).call(route, { params, signal: session.signal })
      session.out.answer(evidence, () => evidenceText(evidence))
    })
  coordinator
    .command('forgive <worker>')
    .description('begin anew with a worker (name or peer id) that is suspended here for such results')
    .addOption(new Option('--yes', 'it gets work again, and its record here is forgotten'))
    .action(async (worker: string, options: { readonly yes?: boolean }, command: Command) => {
      const session = sessionOf(command)
      const params = { worker: await workerPeer(session, worker) }
      if (options.yes !== true) {
        throw new EdgeCoderError(
          'bad-request',
          `${worker} would get work again, and its record be forgotten`,
          {
            next: 'Look at it first: edgecoder coordinator evidence. Then add --yes.',
          },
        )
      }
      const route = ADMIN_ROUTES.coordinatorForgive
      const evidence = await connect(session, ['coordinator']).call(route, { params, signal: session.signal })
      session.out.answer(evidence, () => evidenceText(evidence))
    })
}
