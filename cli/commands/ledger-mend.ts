import type { Command } from 'commander'
import { LOCAL_ACCOUNT } from '../../src/bridge/admin/admin-routes.js'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { isRefusal } from '../../src/core/refusal.js'
import { connect } from '../connection.js'
import { creditsText } from '../credits.js'
import { requireYes, writeNew } from '../files.js'
import { reconciliationText } from '../print/audit-text.js'
import { slicesText } from '../print/ledger-text.js'
import { createProgress } from '../print/progress.js'
import { reconcileAt, reportBytes } from '../reconcile-report.js'
import { refuse } from '../refuse.js'
import { sessionOf } from '../session.js'

interface YesOption {
  readonly yes?: boolean
}

interface RebuildOptions extends YesOption {
  readonly log?: string
  readonly policy: string
}

const FAILED = 1

/** `edgecoder ledger reconcile`, and the acts of an admin that it may ask for. */
export function registerLedgerMend(ledger: Command): void {
  ledger
    .command('reconcile')
    .description('compare logs, cosigners, transits, holds, tasks and policy; ends with 1 unless all agree')
    .option('--out <file>', 'keep the report, for the admins who reopen what an incident has closed')
    .option('--yes', 'yes, replace the file')
    .action(async ({ out, yes }: YesOption & { readonly out?: string }, command: Command) => {
      const session = sessionOf(command)
      const found = await reconcileAt(connect(session, ['coordinator']), session.signal)
      if (out !== undefined) await writeNew(out, reportBytes(found), yes === true)
      session.out.answer(found, () => reconciliationText(found))
      if (!found.clean) process.exitCode = FAILED
    })
  ledger
    .command('confirm')
    .description(
      'let a log that was restored, or has lost its end, be gone on with, when nobody else confirms it',
    )
    .option('--override', 'although not all other coordinators were asked')
    .option('--yes', 'yes, it is the latest that there is')
    .action(
      async ({ override = false, yes }: YesOption & { readonly override?: boolean }, command: Command) => {
        const session = sessionOf(command)
        requireYes(yes, 'what was written after the backup is lost for ever once the log is gone on with')
        const client = connect(session, ['coordinator'])
        await client.call(ADMIN_ROUTES.ledgerConfirm, { body: { override }, signal: session.signal })
        session.out.answer({ confirmed: true }, () => 'confirmed; see it serve: edgecoder ledger status')
      },
    )
  ledger
    .command('release <task>')
    .description('give back what is held for a task that is not here (<id>, or <account>:<id>)')
    .option('--yes', 'yes, give it back')
    .action(async (id: string, { yes }: YesOption, command: Command) => {
      const session = sessionOf(command)
      const task = id.includes(':') ? id : `${session.account ?? LOCAL_ACCOUNT}:${id}`
      requireYes(yes, `${task} can never be paid once what is held for it is given back`)
      const client = connect(session, ['coordinator'])
      await client.call(ADMIN_ROUTES.ledgerRelease, { body: { task }, signal: session.signal })
      session.out.answer({ released: task }, () => `what was held for ${task} is given back`)
    })
  ledger
    .command('rebuild')
    .description(
      'make the state of a log anew from its entries, in the data folder of a coordinator that is stopped',
    )
    .option('--log <name>', 'which one (default: the first that this coordinator wrote)')
    .requiredOption('--policy <folder>', 'folder of the signed policy of the network')
    .option('--yes', 'yes, make it anew')
    .action(rebuild)
  registerSlices(ledger)
  ledger
    .command('readmit <log>')
    .description('take a log again that is isolated; keep the evidence first: edgecoder ledger evidence')
    .option('--yes', 'yes, take it again')
    .action(async (log: string, { yes }: YesOption, command: Command) => {
      const session = sessionOf(command)
      requireYes(yes, `this node forgets the evidence against ${log}, and takes its entries again`)
      const client = connect(session, ['coordinator'])
      await client.call(ADMIN_ROUTES.ledgerReadmit, { body: { log }, signal: session.signal })
      session.out.answer({ readmitted: log }, () => `${log} is taken again`)
    })
}

async function rebuild({ log, policy, yes }: RebuildOptions, command: Command): Promise<void> {
  const session = sessionOf(command)
  const { out, signal } = session
  requireYes(yes, 'its state is removed and made anew; the node does not start before that has ended')
  const dataDir = session.dataDir(['coordinator'])
  const [{ rebuildLedger }, { ledgerKeysIn }] = await Promise.all([
    import('../../src/node/ledger-rebuild.js'),
    import('../../src/node/ledger-keys.js'),
  ])
  const progress = createProgress(out)
  try {
    const rebuilt = await rebuildLedger(dataDir, await ledgerKeysIn(policy), log, {
      signal,
      onProgress: ({ step, entries }) => progress.show(`${step}: ${entries} entries`),
    })
    progress.end()
    if (isRefusal(rebuilt)) throw refuse(rebuilt, 'not rebuilt: ')
    const { origin, entries } = rebuilt
    out.answer(rebuilt, () => `the state of ${origin} was made anew from ${entries} entries`)
  } finally {
    progress.end()
  }
}

function registerSlices(ledger: Command): void {
  const slice = ledger.command('slice').description('credits of other homes that this coordinator may spend')
  slice
    .command('list')
    .description('those that are here, and since when they lie idle')
    .action(async (_options: unknown, command: Command) => {
      const session = sessionOf(command)
      const { signal } = session
      const found = await connect(session, ['coordinator']).call(ADMIN_ROUTES.ledgerSlices, { signal })
      session.out.answer(found, () => slicesText(found))
    })
  slice
    .command('return <account>')
    .description(
      'send what is left of one back to its home now; what is reserved for tasks stays until they end',
    )
    .option('--yes', 'yes, send it back')
    .action(async (account: string, { yes }: YesOption, command: Command) => {
      const session = sessionOf(command)
      requireYes(yes, `tasks of ${account} go on here only while its home lets this coordinator spend`)
      const client = connect(session, ['coordinator'])
      const given = await client.call(ADMIN_ROUTES.ledgerSliceReturn, {
        body: { account },
        signal: session.signal,
      })
      session.out.answer(given, () => `${creditsText(BigInt(given.amount))} credits of ${account} go home`)
    })
}
