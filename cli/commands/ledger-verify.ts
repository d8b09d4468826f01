import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { type AuditJson, auditJson } from '../../src/bridge/schemas/ledger.js'
import { EdgeCoderError } from '../../src/core/errors.js'
import { isRefusal } from '../../src/core/refusal.js'
import { connect } from '../connection.js'
import { auditText } from '../print/audit-text.js'
import { createProgress } from '../print/progress.js'
import { refuse } from '../refuse.js'
import { type Session, sessionOf } from '../session.js'

interface VerifyOptions {
  readonly log?: string
  readonly backup?: string
  readonly policy?: string
}

const FAILED = 1

/** `edgecoder ledger verify`: everything of a log, read again from its start. */
export function registerLedgerVerify(ledger: Command): void {
  ledger
    .command('verify')
    .description('read logs again from their start: hashes, tree, signatures, rules, balances, stored state')
    .option('--log <name>', 'only this log (default: all that are there)')
    .option('--backup <file>', 'logs of a backup, without a node; needs --policy')
    .option('--policy <folder>', 'folder of the signed policy of the network, for --backup')
    .action(async (options: VerifyOptions, command: Command) => {
      const session = sessionOf(command)
      const reports = await (options.backup === undefined
        ? verifyHere(session, options.log)
        : verifyBackup(session, options.backup, options))
      const good = reports.every(({ complete, mismatchCount }) => complete && mismatchCount === 0)
      session.out.answer({ good, logs: reports }, () => reports.map(auditText).join('\n\n'))
      if (!good) process.exitCode = FAILED
    })
}

async function verifyHere(session: Session, log: string | undefined): Promise<readonly AuditJson[]> {
  const { out, signal } = session
  const progress = createProgress(out)
  const reports: AuditJson[] = []
  const query = log === undefined ? {} : { log }
  try {
    const route = ADMIN_ROUTES.ledgerVerify
    for await (const event of connect(session, ['coordinator']).stream(route, { query, signal })) {
      if (event.type === 'report') reports.push(event.report)
      else
        progress.show(`${event.origin}: ${event.entries} of ${event.of} entries, ${event.mismatches} wrong`)
    }
  } finally {
    progress.end()
  }
  return reports
}

async function verifyBackup(
  { out, signal }: Session,
  path: string,
  { policy, log }: VerifyOptions,
): Promise<readonly AuditJson[]> {
  if (policy === undefined) {
    throw new EdgeCoderError('bad-request', '--backup needs the policy that its entries stand on', {
      next: 'Name the folder of the policy messages with --policy.',
    })
  }
  const progress = createProgress(out)
  const [{ auditBackupFile, verifyBackupFile }, { ledgerKeysIn }] = await Promise.all([
    import('../../src/node/backup-files.js'),
    import('../../src/node/ledger-keys.js'),
  ])
  try {
    const keys = await ledgerKeysIn(policy)
    const onProgress = (entries: number) => progress.show(`${path}: ${entries} entries read`)
    const verified = await verifyBackupFile(path, keys, { signal, onProgress })
    if (isRefusal(verified)) throw refuse(verified)
    const { logs } = verified
    const wanted = log === undefined ? { logs } : { logs, wanted: log }
    const reports = await auditBackupFile(path, keys, wanted, {
      signal,
      onProgress: ({ origin, entries, mismatches }) =>
        progress.show(`${origin}: ${entries} entries, ${mismatches} wrong`),
    })
    return reports.map(auditJson)
  } finally {
    progress.end()
  }
}
