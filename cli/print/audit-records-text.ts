import type { AuditRecord, CheckedAudit } from '../../src/node/audit-files.js'
import { wordsOf } from './plain-words.js'
import { facts, table } from './table.js'

/** `audit list` for people. */
export function auditListText(records: readonly AuditRecord[]): string {
  if (records.length === 0) return 'nothing of that kind was written down'
  const rows = records.map(({ sequence, atMs, kind, by, of, outcome, facts: more = {} }) => [
    String(sequence),
    new Date(atMs).toISOString(),
    outcome === 'done' ? kind : `${kind} (refused)`,
    wordsOf(by),
    wordsOf(of),
    wordsOf(
      Object.entries(more)
        .filter(([name]) => name !== 'signature')
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
    ),
  ])
  return table(['record', 'when', 'act', 'by', 'of', 'facts'], rows)
}

/** `audit verify` and `audit export` for people. */
export function auditCheckText(path: string, checked: CheckedAudit): string {
  const { records, first, newest, peerId, sealed, sealedAtMs, unfinished, faults, faultCount } = checked
  const open = records - sealed
  const head = facts([
    ['Log', path],
    [
      'Records',
      first === 0 ? String(records) : `${records}, from ${first} on; older ones were dropped by size`,
    ],
    ['Newest', newest && `${newest.sequence}:${newest.hash} (${new Date(newest.atMs).toISOString()})`],
    [
      'Sealed',
      sealedAtMs === undefined ? 'not yet' : `by ${peerId} at ${new Date(sealedAtMs).toISOString()}`,
    ],
    ['Unsealed', open === 0 ? undefined : `${open} newer ${open === 1 ? 'record' : 'records'}, chained only`],
    ['Unfinished', unfinished ? 'a line at the end that was never acknowledged' : undefined],
    ['Chain', faultCount === 0 ? 'whole' : `BROKEN in ${faultCount} places`],
  ])
  if (faultCount === 0) return head
  const rows = faults.map((fault) => [fault.path, String(fault.line), fault.what])
  return [head, table(['file', 'line', 'what'], rows)].join('\n\n')
}
