import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { LOCAL_ACCOUNT } from '../../src/bridge/admin/admin-routes.js'
import { ADMIN_ROUTES, type AdminClient, WALLET_ROUTES } from '../../src/bridge/admin-client.js'
import { TransferRequestJson } from '../../src/bridge/schemas/wallet.js'
import { checked } from '../checked.js'
import { confirmed } from '../confirm.js'
import { connect, connectTo } from '../connection.js'
import { credits, creditsText } from '../credits.js'
import { whole } from '../number-option.js'
import { historyText, transferText, walletText } from '../print/wallet-text.js'
import { sentOnce } from '../sent-once.js'
import { type Session, sessionOf } from '../session.js'

interface HistoryOptions {
  readonly limit: number
  readonly cursor?: number
}

interface TransferOptions {
  readonly id?: string
  readonly note?: string
  readonly yes?: boolean
  readonly dryRun?: boolean
}

/** `edgecoder wallet …`: credits of an account. */
export function registerWallet(program: Command): void {
  const wallet = program.command('wallet').description('credits of an account')
  wallet
    .command('balance [account]')
    .description('what can be spent and what is reserved, by a gateway or coordinator (default: --account)')
    .action(async (account: string | undefined, _options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { client, params, isGateway } = await asked(session, account)
      const { signal } = session
      const found = isGateway
        ? await client.call(WALLET_ROUTES.balance, { signal })
        : await client.call(ADMIN_ROUTES.wallet, { params, signal })
      session.out.answer(found, () => walletText(found))
    })
  wallet
    .command('history [account]')
    .description('what came and went, newest first (default: --account)')
    .option('--limit <n>', 'most rows to list', whole(1, 200), 20)
    .option('--cursor <entry>', 'go on where the last page ended', whole(1, Number.MAX_SAFE_INTEGER))
    .action(async (account: string | undefined, options: HistoryOptions, command: Command) => {
      const session = sessionOf(command)
      const { client, params, isGateway } = await asked(session, account)
      const input = { query: { limit: options.limit, cursor: options.cursor }, signal: session.signal }
      const page = isGateway
        ? await client.call(WALLET_ROUTES.history, input)
        : await client.call(ADMIN_ROUTES.walletHistory, { ...input, params })
      session.out.answer(page, () => historyText(page))
    })
  registerTransfer(wallet)
}

function registerTransfer(wallet: Command): void {
  wallet
    .command('transfer')
    .argument('<to>', 'the account that is paid')
    .argument('<credits>', 'how many, such as 25 or 0.5; to six places', credits)
    .description('send credits of --account to another account, through a gateway; asks first')
    .option('--note <text>', 'words for who is paid; whoever keeps the ledger can read them')
    .option('--id <id>', 'sent again under the same id it is paid once; one is made when left out')
    .option('--yes', 'yes, send it')
    .option('--dry-run', 'show what would be sent, and send nothing')
    .action(async (to: string, amount: bigint, options: TransferOptions, command: Command) => {
      const session = sessionOf(command)
      const body = checked(
        TransferRequestJson,
        {
          id: options.id ?? randomUUID(),
          to,
          amount: String(amount),
          ...(options.note === undefined ? {} : { note: options.note }),
        },
        'edgecoder wallet transfer --help',
      )
      if (options.dryRun === true) {
        session.out.answer(body, () => JSON.stringify(body, null, 2))
        return
      }
      const from = session.account ?? LOCAL_ACCOUNT
      const what = `${creditsText(BigInt(body.amount))} credits from ${from} to ${to}`
      if (options.yes !== true) await confirmed(`Send ${what}?`)
      session.out.say(`sending ${what}, as transfer ${body.id}`)
      const sent = await sentOnce(body.id ?? '', () =>
        connect(session, ['gateway']).call(WALLET_ROUTES.transfer, { body, signal: session.signal }),
      )
      session.out.answer(sent, () => transferText(sent, what))
    })
}

interface Asked {
  readonly client: AdminClient
  readonly params: { readonly account: string }
  readonly isGateway: boolean
}

/** A gateway knows wallets by its coordinator; a coordinator by its own ledger. */
async function asked(session: Session, named: string | undefined): Promise<Asked> {
  const account = named ?? session.account ?? LOCAL_ACCOUNT
  const client = connectTo(session.dataDir(['gateway', 'coordinator']), account)
  const { roles } = await client.call(ADMIN_ROUTES.status, { signal: session.signal })
  return { client, params: { account }, isGateway: roles.includes('gateway') }
}
