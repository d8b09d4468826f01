import type { BackupSummary, RestoredBackup } from '../../src/node/backup-files.js'
import { facts, table } from './table.js'

/** A backup that was made or verified, for people. */
export function backupText(file: string, backup: BackupSummary): string {
  const { network, coordinator, createdMs, entries, tasks, logs } = backup
  const head = facts([
    ['Backup', `${file}: whole, and signed by its coordinator`],
    ['Coordinator', coordinator],
    ['Network', network],
    ['Made', new Date(createdMs).toISOString()],
    ['Entries', String(entries)],
    ['Tasks', `${tasks} that had not ended`],
  ])
  const rows = logs.map(({ origin, size, root }) => [origin, String(size), root])
  return `${head}\n\n${table(['log', 'entries', 'root'], rows)}`
}

/** What a restore did, and what comes next, for people. */
export function restoredText(dataDir: string, { coordinator, logs, leftOut }: RestoredBackup): string {
  const rows = logs.map(({ origin, size, own }) => [origin, String(size), own ? 'its own' : 'a copy'])
  const left = leftOut.map((origin) => `left out, as policy does not know it: ${origin}`)
  return [
    `restored for ${coordinator} into ${dataDir}`,
    table(['log', 'entries', 'it is'], rows),
    ...left,
    'Its own log takes nothing before the other coordinators confirm it. Next: start the node, then',
    '  edgecoder ledger status',
  ].join('\n')
}
