import type { Command } from 'commander'
import { LOCAL_ACCOUNT } from '../../src/bridge/admin/admin-routes.js'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { walletText } from '../print/ledger-text.js'
import { sessionOf } from '../session.js'

/** `edgecoder wallet …`: credits of an account. */
export function registerWallet(program: Command): void {
  const wallet = program.command('wallet').description('credits of an account')
  wallet
    .command('balance [account]')
    .description('what can be spent and what is reserved, as a coordinator has it (default: --account)')
    .action(async (account: string | undefined, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const params = { account: account ?? session.account ?? LOCAL_ACCOUNT }
      const found = await connect(session, ['coordinator']).call(ADMIN_ROUTES.wallet, { params, signal })
      session.out.answer(found, () => walletText(found))
    })
}
