import type { Command } from 'commander'
import { LOCAL_ACCOUNT } from '../../src/bridge/admin/admin-routes.js'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { EdgeCoderError, ERRORS } from '../../src/core/errors.js'
import { isRefusal } from '../../src/core/refusal.js'
import type { CheckedFile } from '../../src/node/ledger-check.js'
import { connect } from '../connection.js'
import { readWhole, writeNew } from '../files.js'
import { gathered } from '../policy-parts.js'
import { checkedJson, checkedText } from '../print/audit-text.js'
import { table } from '../print/table.js'
import { refuse } from '../refuse.js'
import { type Session, sessionOf } from '../session.js'

const FAILED = 1

interface OutOptions {
  readonly out?: string
  readonly yes?: boolean
}

interface CheckOptions {
  readonly policy?: string
  readonly coordinator?: readonly string[]
  readonly backup?: string
}

/** `edgecoder ledger prove|check|evidence`: files that anybody checks without a node. */
export function registerLedgerCheck(ledger: Command): void {
  withOut(ledger.command('prove <entry>'))
    .description('a proof of an entry: by its index, or by the task that it paid (<id>, or <account>:<id>)')
    .option('--log <name>', 'the log that it is in (default: that of the coordinator)')
    .action(async (entry: string, options: OutOptions & { readonly log?: string }, command: Command) => {
      const session = sessionOf(command)
      const { log } = options
      const query = { ...wantedBy(entry, session), ...(log === undefined ? {} : { log }) }
      const client = connect(session, ['coordinator'])
      const found = await client.call(ADMIN_ROUTES.ledgerProof, { query, signal: session.signal })
      const { origin, index, size, standing } = found
      session.out.say(`entry ${index} of ${origin}, ${standing}, under a checkpoint of ${size} entries`)
      await deliver(session, options, Buffer.from(found.proof), found)
    })
  ledger
    .command('check <file>')
    .description('check a proof of an entry, or evidence against a coordinator; needs no node')
    .option('--policy <folder>', 'folder of the signed policy: who must cosign, and what entries stand on')
    .option('--coordinator <peer>', 'without policy: peer id of a coordinator; again for each', gathered)
    .option('--backup <file>', 'a copy of the log, which some evidence needs')
    .action(check)
  withOut(ledger.command('evidence [log]'))
    .description(
      'evidence against other coordinators; ends with 1 when there is any; of one log it is written out',
    )
    .action(async (log: string | undefined, options: OutOptions, command: Command) => {
      const session = sessionOf(command)
      const client = connect(session, ['coordinator'])
      const { logs } = await client.call(ADMIN_ROUTES.ledgerEvidence, { signal: session.signal })
      if (log === undefined) {
        session.out.answer({ logs }, () =>
          logs.length === 0
            ? 'there is none'
            : table(
                ['log', 'bytes'],
                logs.map(({ origin, bytes }) => [origin, String(bytes)]),
              ),
        )
        if (logs.length > 0) process.exitCode = FAILED
        return
      }
      const found = logs.find(({ origin }) => origin === log)
      if (found === undefined) {
        throw new EdgeCoderError('not-found', `there is no evidence against ${log} here`, {
          next: 'List it: edgecoder ledger evidence',
        })
      }
      await deliver(session, options, Buffer.from(found.evidence, 'base64'), found)
    })
}

function withOut(command: Command): Command {
  return command
    .option('--out <file>', 'write it there (default: standard output)')
    .option('--yes', 'yes, replace the file')
}

/** Digits alone are an index; a task whose id is digits is named with its account. */
function wantedBy(entry: string, { account = LOCAL_ACCOUNT }: Session) {
  if (/^\d{1,15}$/.test(entry)) return { index: Number(entry) }
  return { task: entry.includes(':') ? entry : `${account}:${entry}` }
}

async function deliver(
  session: Session,
  { out, yes }: OutOptions,
  file: Uint8Array,
  value: object,
): Promise<void> {
  if (out === undefined) {
    if (session.out.json) session.out.answer(value, () => '')
    else process.stdout.write(file)
    return
  }
  await writeNew(out, file, yes === true)
  session.out.answer(
    { ...value, file: out },
    () => `${out}; anybody checks it with: edgecoder ledger check ${out}`,
  )
}

async function check(path: string, options: CheckOptions, command: Command): Promise<void> {
  const { out } = sessionOf(command)
  const { policy, coordinator = [], backup } = options
  const [{ CHECKED_FILE_BYTES, checkLedgerFile }, { ledgerKeysIn, ledgerKeysOf }, { backedUpEntries }] =
    await Promise.all([
      import('../../src/node/ledger-check.js'),
      import('../../src/node/ledger-keys.js'),
      import('../../src/node/backup-files.js'),
    ])
  if (policy !== undefined && coordinator.length > 0) {
    throw new EdgeCoderError('bad-request', '--policy says who the coordinators are; leave --coordinator out')
  }
  const keys = policy === undefined ? ledgerKeysOf(coordinator) : await ledgerKeysIn(policy)
  const prefix =
    backup === undefined
      ? undefined
      : (origin: string, entries: number) => backedUpEntries(backup, keys, origin, entries)
  const checked = await checkLedgerFile(readWhole(path, CHECKED_FILE_BYTES), keys, prefix)
  if (isRefusal(checked)) throw refuse(checked, `${path}: `)
  out.answer(checkedJson(checked), () => checkedText(checked))
  process.exitCode = exitOf(checked)
}

/** What proves nothing is refused; what cannot be told is missing something. */
function exitOf(checked: CheckedFile): number {
  if (checked.kind === 'proof')
    return isRefusal(checked.statements) ? ERRORS[checked.statements.code].exit : 0
  const { verdict } = checked.verdict
  if (verdict === 'guilty') return 0
  return ERRORS[verdict === 'unfounded' ? 'wrong-evidence' : 'not-found'].exit
}
