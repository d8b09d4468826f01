import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { table } from '../print/table.js'
import { sessionOf } from '../session.js'

/** `edgecoder model …`: what can be asked for. */
export function registerModel(program: Command): void {
  const model = program.command('model').description('models of the mesh')
  model
    .command('list')
    .description('models that attached workers run, with measured speed')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const found = await connect(session, ['gateway']).call(ADMIN_ROUTES.models, { signal: session.signal })
      session.out.answer(found, () => {
        if (found.models.length === 0) return 'No attached worker runs a model.'
        return table(
          ['model', 'context', 'tokens/s', 'workers', 'free slots'],
          found.models.map((one) => [
            one.name,
            String(one.contextTokens),
            String(Math.round(one.tokensPerS)),
            String(one.workers),
            String(one.freeSlots),
          ]),
        )
      })
    })
}
