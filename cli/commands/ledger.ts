import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { ledgerText } from '../print/ledger-text.js'
import { sessionOf } from '../session.js'
import { registerLedgerCheck } from './ledger-check.js'
import { registerLedgerMend } from './ledger-mend.js'
import { registerLedgerVerify } from './ledger-verify.js'

/** `edgecoder ledger …`: how the ledger of a coordinator stands, whether it is right, and proofs of it. */
export function registerLedger(program: Command): void {
  const ledger = program
    .command('ledger')
    .description('the ledger of a coordinator: how it stands, and proofs')
  ledger
    .command('status')
    .description('its log, entries, root and the policy in force; who holds it')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const status = await connect(session, ['coordinator']).call(ADMIN_ROUTES.ledgerStatus, { signal })
      session.out.answer(status, () => ledgerText(status))
    })
  registerLedgerVerify(ledger)
  registerLedgerCheck(ledger)
  registerLedgerMend(ledger)
}
