import type { AuditedBlacklist, BlacklistRow } from '../../src/node/blacklist.js'
import { table } from './table.js'

/** `admin blacklist list` for people. */
export function blacklistText(entries: readonly BlacklistRow[]): string {
  if (entries.length === 0) return 'Nobody is on the blacklist.'
  return table(
    ['subject', 'reason', 'since', 'until', 'message', 'evidence', 'reporter'],
    entries.map(({ subject, reason, sinceMs, expiresMs, isOver, sequence, evidence, reporter }) => [
      subject,
      reason,
      dateText(sinceMs),
      `${expiresMs === 0 ? 'removed' : dateText(expiresMs)}${isOver ? ' (over)' : ''}`,
      String(sequence),
      evidence,
      reporter,
    ]),
  )
}

/** `audit blacklist` for people. */
export function auditedBlacklistText({ network, messages, rows, faults }: AuditedBlacklist): string {
  const about = `${rows.length} about the blacklist`
  const head = `network ${network}: ${messages} policy messages, all of them good; ${about}`
  const said = rows.map(({ sequence, action, subject, reason, evidence, file }) => [
    String(sequence),
    action,
    subject,
    reason,
    evidence,
    file ?? 'MISSING',
  ])
  return [
    head,
    ...(rows.length === 0
      ? []
      : [table(['message', 'action', 'subject', 'reason', 'evidence', 'file'], said)]),
    faults.length === 0 ? 'Nothing is missing.' : faults.join('\n'),
  ].join('\n\n')
}

function dateText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16)
}
