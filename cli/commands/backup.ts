import type { Command } from 'commander'
import { ADMIN_ROUTES } from '../../src/bridge/admin-client.js'
import { isRefusal } from '../../src/core/refusal.js'
import type { LedgerKeys } from '../../src/node/ledger-keys.js'
import { connect } from '../connection.js'
import { requireNew } from '../files.js'
import { backupText, restoredText } from '../print/backup-text.js'
import { createProgress } from '../print/progress.js'
import { refuse } from '../refuse.js'
import { type Session, sessionOf } from '../session.js'

interface PolicyOption {
  readonly policy?: string
}

/** `edgecoder backup …`: all logs of a coordinator as one signed file. */
export function registerBackup(program: Command): void {
  const backup = program.command('backup').description('all logs of a coordinator as one signed file')
  backup
    .command('create')
    .description('make one while the coordinator runs')
    .requiredOption('--out <file>', 'where it goes')
    .option('--yes', 'yes, replace the file')
    .action(create)
  backup
    .command('verify <file>')
    .description('form, hashes, checkpoints and signatures of one; needs no node')
    .option('--policy <folder>', 'folder of the signed policy: of whose network and keys it must be')
    .action(async (file: string, { policy }: PolicyOption, command: Command) => {
      const session = sessionOf(command)
      const verified = await verify(session, file, policy)
      session.out.answer({ file, ...verified }, () => backupText(file, verified))
    })
  backup
    .command('restore <file>')
    .description('put the logs of one into the data folder of a coordinator that is stopped')
    .requiredOption('--policy <folder>', 'folder of the signed policy of the network')
    .action(restore)
}

async function create(
  options: { readonly out: string; readonly yes?: boolean },
  command: Command,
): Promise<void> {
  const session = sessionOf(command)
  const { out: path, yes = false } = options
  requireNew(path, yes)
  const { signal } = session
  const progress = createProgress(session.out)
  const { writeBackupFile } = await import('../../src/node/backup-files.js')
  try {
    const chunks = connect(session, ['coordinator']).bytes(ADMIN_ROUTES.backup, { signal })
    const written = await writeBackupFile(path, chunks, {
      replace: yes,
      signal,
      onProgress: (bytes) => progress.show(`${path}: ${(bytes / 2 ** 20).toFixed(1)} MiB`),
    })
    progress.end()
    if (isRefusal(written)) throw refuse(written, 'no backup was made: ')
    session.out.answer({ file: path, ...written }, () => backupText(path, written))
  } finally {
    progress.end()
  }
}

async function verify({ out, signal }: Session, file: string, policy: string | undefined) {
  const { verifyBackupFile } = await import('../../src/node/backup-files.js')
  const progress = createProgress(out)
  try {
    const onProgress = (entries: number) => progress.show(`${file}: ${entries} entries`)
    const verified = await verifyBackupFile(file, await keysIn(policy), { signal, onProgress })
    if (isRefusal(verified)) throw refuse(verified, `${file}: `)
    return verified
  } finally {
    progress.end()
  }
}

async function restore(
  file: string,
  { policy }: { readonly policy: string },
  command: Command,
): Promise<void> {
  const session = sessionOf(command)
  const { out, signal } = session
  const dataDir = session.dataDir(['coordinator'])
  const progress = createProgress(out)
  const [{ restoreBackupFile }, { ledgerKeysIn }] = await Promise.all([
    import('../../src/node/backup-files.js'),
    import('../../src/node/ledger-keys.js'),
  ])
  try {
    const restored = await restoreBackupFile(file, dataDir, await ledgerKeysIn(policy), {
      signal,
      onProgress: ({ step, entries }) => progress.show(`${step} ${file}: ${entries} entries`),
    })
    progress.end()
    if (isRefusal(restored)) throw refuse(restored, `${file}: `)
    out.answer({ dataDir, ...restored }, () => restoredText(dataDir, restored))
  } finally {
    progress.end()
  }
}

async function keysIn(policy: string | undefined): Promise<LedgerKeys | undefined> {
  if (policy === undefined) return undefined
  const { ledgerKeysIn } = await import('../../src/node/ledger-keys.js')
  return ledgerKeysIn(policy)
}
