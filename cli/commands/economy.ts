import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { FeeDrawRequestJson } from '../../src/bridge/schemas/economy.js'
import { checked } from '../checked.js'
import { connect } from '../connection.js'
import { credits, creditsText } from '../credits.js'
import { requireYes } from '../files.js'
import { whole } from '../number-option.js'
import { drawnText, feesText, pricesText, supplyText, windowsText } from '../print/economy-text.js'
import { sentOnce } from '../sent-once.js'
import { sessionOf } from '../session.js'

const FAILED = 1

interface DrawOptions {
  readonly to?: string
  readonly log?: string
  readonly id?: string
  readonly yes?: boolean
}

/** `edgecoder economy …`: what work costs, how credits are made, and where they are. */
export function registerEconomy(program: Command): void {
  const economy = program.command('economy').description('prices, issuance, and where all credits are')
  economy
    .command('windows')
    .description(
      'pricing and issuance windows, each computed again and compared with the ledger; ends with 1 when one differs',
    )
    .option('--limit <n>', 'most closed windows to list, of each sort', whole(1, 1_000), 12)
    .action(async (options: { readonly limit: number }, command: Command) => {
      const session = sessionOf(command)
      const windows = await connect(session, ['coordinator']).call(ADMIN_ROUTES.economyWindows, {
        query: { limit: options.limit },
        signal: session.signal,
      })
      session.out.answer(windows, () => windowsText(windows))
      const { pricing, issuance } = windows
      // One whose inputs are not here cannot be compared.
      const compared = [...pricing.closed, ...issuance.closed.filter(({ missing }) => missing === undefined)]
      if (compared.some(({ equal }) => !equal)) process.exitCode = FAILED
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
    .description('where all credits of the ledger are; ends with 1 unless they sum to nothing')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const supply = await connect(session, ['coordinator']).call(ADMIN_ROUTES.economySupply, { signal })
      session.out.answer(supply, () => supplyText(supply))
      if (supply.sum !== '0') process.exitCode = FAILED
    })
  registerFee(economy)
}

function registerFee(economy: Command): void {
  const fee = economy.command('fee').description('what the coordinator has earned')
  fee
    .command('list')
    .description('what was earned and not drawn, in each log that this coordinator writes')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const fees = await connect(session, ['coordinator']).call(ADMIN_ROUTES.economyFees, { signal })
      session.out.answer(fees, () => feesText(fees))
    })
  fee
    .command('draw')
    .argument('[credits]', 'how many, such as 25 or 0.5 (default: all that is there)', credits)
    .description('move what was earned to an account of the same home')
    .option('--to <account>', 'who gets it (default: the account that the coordinator is enrolled for)')
    .option('--log <name>', 'the log it was earned in (default: that of its own home)')
    .option('--id <id>', 'drawn again under the same id it is drawn once; one is made when left out')
    .option('--yes', 'yes, draw it')
    .action(async (amount: bigint | undefined, { to, log, id, yes }: DrawOptions, command: Command) => {
      const session = sessionOf(command)
      const what = amount === undefined ? 'All that was earned' : `${creditsText(amount)} credits`
      requireYes(yes, `${what} would go to ${to ?? 'the account that this coordinator is enrolled for'}`)
      const wanted = {
        id: id ?? randomUUID(),
        account: to,
        log,
        ...(amount === undefined ? {} : { amount: String(amount) }),
      }
      const body = checked(FeeDrawRequestJson, wanted, 'edgecoder economy fee draw --help')
      session.out.say(`drawing fees, as ${body.id}`)
      const drawn = await sentOnce(body.id, () =>
        connect(session, ['coordinator']).call(ADMIN_ROUTES.economyFeeDraw, { body, signal: session.signal }),
      )
      session.out.answer(drawn, () => drawnText(drawn))
    })
}
