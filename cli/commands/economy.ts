import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { connect } from '../connection.js'
import { whole } from '../number-option.js'
import { pricesText, supplyText, windowsText } from '../print/economy-text.js'
import { sessionOf } from '../session.js'

/** `edgecoder economy …`: what work costs, how credits are made, and where they are. */
export function registerEconomy(program: Command): void {
  const economy = program.command('economy').description('prices, issuance, and where all credits are')
  economy
    .command('windows')
    .description('pricing and issuance windows, each computed again and compared with the ledger')
    .option('--limit <n>', 'most closed windows to list, of each sort', whole(1, 1_000), 12)
    .action(async (options: { readonly limit: number }, command: Command) => {
      const session = sessionOf(command)
      const windows = await connect(session, ['coordinator']).call(ADMIN_ROUTES.economyWindows, {
        query: { limit: options.limit },
        signal: session.signal,
      })
      session.out.answer(windows, () => windowsText(windows))
    })
  economy
    .command('prices')
    .description('list prices, the multiplier of the open window, and what each class of models costs now')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const prices = await connect(session, ['coordinator']).call(ADMIN_ROUTES.economyPrices, { signal })
      session.out.answer(prices, () => pricesText(prices))
    })
  economy
    .command('supply')
    .description('where all credits of the ledger are: they sum to nothing')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const supply = await connect(session, ['coordinator']).call(ADMIN_ROUTES.economySupply, { signal })
      session.out.answer(supply, () => supplyText(supply))
    })
}
