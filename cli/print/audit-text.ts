import type { AuditJson, ReconciliationJson } from '../../src/bridge/schemas/ledger.js'
import type { CheckedEntryProof, CheckedFile } from '../../src/node/ledger-check.js'
import { creditsText } from '../credits.js'
import { facts, table } from './table.js'

/** Bytes shown of what is longer. */
const SHOWN_BYTES = 32

/** `ledger verify` for people, of one log. */
export function auditText(report: AuditJson): string {
  const { mismatches, mismatchCount, complete } = report
  const kinds = Object.entries(report.kinds).map(([kind, count]) => `${count} ${kind}`)
  const verdict =
    mismatchCount > 0 ? `${mismatchCount} wrong` : complete ? 'all is right' : 'not read to its end'
  const text = facts([
    ['Log', report.origin],
    ['Verdict', verdict],
    ['Entries', `${report.entries} (${kinds.join(', ')})`],
    ['Root', report.root],
    ['Checkpoints', String(report.checkpoints)],
    ['Signatures', `${report.signatures} within entries`],
    ['Balances', `${report.balances} accounts`],
    ['State', report.records === 0 ? undefined : `${report.records} stored records follow from the entries`],
  ])
  if (mismatches.length === 0) return text
  const rows = mismatches.map(({ where, at, code, detail }) => [where, String(at), code, detail])
  const more = mismatchCount > rows.length ? `\n… and ${mismatchCount - rows.length} more` : ''
  return `${text}\n\n${table(['where', 'at', 'code', 'what'], rows)}${more}`
}

/** `ledger reconcile` for people. */
export function reconciliationText(found: ReconciliationJson): string {
  const { compared, differences, differenceCount, underWay, clean } = found
  const { logs, coordinators, pairs, holds, tasks } = compared
  const counts = [
    `logs ${logs}`,
    `other coordinators ${coordinators}`,
    `pairs of homes ${pairs}`,
    `holds ${holds}`,
    `unfinished tasks ${tasks}`,
  ]
  const parts = [
    facts([
      [
        'Verdict',
        clean ? 'clean: all that was compared agrees' : `not clean: differences ${differenceCount}`,
      ],
      ['Compared', counts.join(', ')],
    ]),
  ]
  if (underWay.length > 0) {
    const rows = underWay.map(({ from, to, amount }) => [from, to, `${creditsText(BigInt(amount))} credits`])
    parts.push(table(['under way from', 'to', 'amount'], rows))
  }
  const list = differences.map(
    ({ what, name, detail, next }) => `${what} ${name}: ${detail}\n  next: ${next}`,
  )
  if (list.length > 0) parts.push(list.join('\n'))
  return parts.join('\n\n')
}

/** `ledger check` with --json: bytes in base64, what is not there left out. */
export function checkedJson(checked: CheckedFile): object {
  return checked.kind === 'proof' ? { ...checked, entry: plain(checked.entry) } : checked
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]))
}

/** `ledger check` for people. */
export function checkedText(checked: CheckedFile): string {
  if (checked.kind === 'proof') return proofText(checked)
  const { verdict } = checked
  switch (verdict.verdict) {
    case 'guilty':
      return facts([
        ['Evidence', 'it holds'],
        ['Against', verdict.origin],
        ['Of', verdict.what === 'fork' ? 'two histories of one log' : 'an entry that may not stand'],
        ['Detail', verdict.detail],
      ])
    case 'undecided':
      return facts([
        ['Evidence', 'it cannot be told'],
        ['Against', verdict.origin],
        ['Detail', verdict.detail],
      ])
    case 'unfounded':
      return facts([
        ['Evidence', 'it proves nothing'],
        ['Detail', verdict.detail],
      ])
  }
}

function proofText(proof: CheckedEntryProof): string {
  const { origin, index, size, entry, cosigners, statements } = proof
  const { kind, ...fields } = entry
  const said = Object.entries(fields).map(([name, value]) => [`  ${name}`, valueText(value)] as const)
  return facts([
    ['Proof', `entry ${index} is in the log, under its checkpoint of ${size} entries`],
    ['Log', origin],
    ['Standing', standingText(proof)],
    ['Cosigned', cosigners.length === 0 ? 'by nobody that is known here' : cosigners.join('\n          ')],
    ['Signed within', statementsText(statements)],
    ['Entry', kind],
    ...said,
  ])
}

function standingText({ standing, cosigners, quorum }: CheckedEntryProof): string {
  const have = cosigners.length + 1
  if (standing === 'final') return `FINAL: signed or cosigned by ${have}, and ${quorum} had to`
  if (standing === 'local') return `LOCAL: signed or cosigned by ${have}, and ${quorum} have to`
  return 'LOCAL at least: who else has to sign is told by --policy or --coordinator'
}

function statementsText(statements: CheckedEntryProof['statements']): string {
  if (statements === 'hold') return 'its signatures hold'
  if (statements === 'unchecked') return 'not checked: that takes --policy'
  return `it does not hold: ${statements.detail}`
}

function valueText(value: unknown): string {
  if (value === undefined) return 'none'
  if (value instanceof Uint8Array) return bytesText(value)
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(valueText).join('\n    ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, each]) => `${name} ${valueText(each)}`)
    .join(', ')
}

function bytesText(bytes: Uint8Array): string {
  if (bytes.length <= SHOWN_BYTES) return Buffer.from(bytes).toString('hex')
  return `${bytes.length} bytes`
}
