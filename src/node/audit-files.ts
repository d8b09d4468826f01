import { existsSync } from 'node:fs'
import { type AuditExpectation, type CheckedAudit, checkAudit } from '../services/audit/audit-check.js'
import { auditLines } from '../services/audit/audit-folder.js'
import { type AuditRecord, readLine } from '../services/audit/audit-record.js'
import { loadIdentity } from '../services/identity/identity.js'
import { writePieces } from '../services/policy/whole-file.js'
import { auditFolderOf, identityFileOf } from './services.js'

export type { AuditRecord, CheckedAudit }

/** Which records are listed; what is left out does not matter. */
export interface AuditFilter {
  readonly kinds?: readonly string[]
  /** Somebody or something that it names, in `by`, `of` or a fact. */
  readonly about?: string
  readonly sinceMs?: number
  /** The newest ones. */
  readonly limit: number
}

/** Where the audit log of a node lies. A running node may write to it meanwhile. */
export function auditLogOf(dataDir: string): string {
  return auditFolderOf(dataDir)
}

/** Oldest first. Nothing is checked. @throws EdgeCoderError `not-found`, `store-failed` */
export async function listAudit(path: string, filter: AuditFilter): Promise<readonly AuditRecord[]> {
  const { limit } = filter
  const found: AuditRecord[] = []
  for await (const { bytes, ended } of auditLines(path)) {
    const record = ended ? readLine(bytes) : undefined
    if (record === undefined || !matches(record, filter)) continue
    found.push(record)
    if (found.length >= 2 * limit) found.splice(0, limit)
  }
  return found.slice(-limit)
}

/**
 * Checks a log: the folder of a node, or an exported file.
 *
 * @throws EdgeCoderError `not-found`, `store-failed`
 */
export function checkAuditAt(path: string, expected: AuditExpectation): Promise<CheckedAudit> {
  return checkAudit(auditLines(path), expected)
}

/** Who writes the log of a data folder; undefined = it holds no key. */
export async function auditorOf(dataDir: string): Promise<string | undefined> {
  const file = identityFileOf(dataDir)
  return existsSync(file) ? (await loadIdentity(file)).signer.peerId : undefined
}

/**
 * Copies all records into one file, as they stand: what is wrong with them is found in the copy too.
 *
 * @throws EdgeCoderError `bad-request` when there is a file that is not to be replaced, `not-found`,
 *   `store-failed`
 */
export async function exportAudit(folder: string, out: string, replace: boolean): Promise<void> {
  await writePieces(out, wholeLines(folder), replace, async () => true)
}

async function* wholeLines(folder: string): AsyncIterable<Uint8Array> {
  const end = Buffer.from('\n')
  for await (const { bytes, ended } of auditLines(folder)) if (ended) yield Buffer.concat([bytes, end])
}

function matches(record: AuditRecord, { kinds, about, sinceMs }: AuditFilter): boolean {
  if (kinds !== undefined && !kinds.includes(record.kind)) return false
  if (sinceMs !== undefined && record.atMs < sinceMs) return false
  if (about === undefined) return true
  return [record.by, record.of, ...Object.values(record.facts ?? {})].some((each) =>
    String(each).includes(about),
  )
}
