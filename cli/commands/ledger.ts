import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { ledgerText } from '../print/ledger-text.js'
import { sessionOf } from '../session.js'

/** `edgecoder ledger …`: how the ledger of a coordinator stands. */
export function registerLedger(program: Command): void {
  const ledger = program.command('ledger').description('how the ledger of a coordinator stands')
  ledger
    .command('status')
    .description('its log, entries, root and the policy in force')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const status = await connect(session, ['coordinator']).call(ADMIN_ROUTES.ledgerStatus, { signal })
      session.out.answer(status, () => ledgerText(status))
    })
}
