import type { Clock } from '../../src/ports/clock.js'
import type { Log } from '../../src/ports/log.js'
import type { Signer } from '../../src/ports/signer.js'
import type { Store } from '../../src/ports/store.js'
import { auditFiles, auditLines } from '../../src/services/audit/audit-folder.js'
import { type AuditLog, openAuditLog } from '../../src/services/audit/audit-log.js'
import { type AuditRecord, readLine } from '../../src/services/audit/audit-record.js'
import { systemClock } from '../../src/services/clock/system-clock.js'
import { createMetrics } from '../../src/services/observe/metrics.js'
import { memoryLog } from './memory-log.js'

interface AuditParts {
  readonly folder: string
  readonly store: Store
  readonly signer: Signer
  readonly clock?: Clock
  readonly log?: Log
  readonly segmentBytes?: number
  readonly segments?: number
}

export function openAuditIn({
  store,
  signer,
  clock = systemClock(),
  log = memoryLog(),
  ...init
}: AuditParts): Promise<AuditLog> {
  const components = { clock, log, metrics: createMetrics(), signer, store }
  return openAuditLog(components, { networkId: 'net', ...init })
}

/** All records of a folder that can be read. */
export async function recordsIn(folder: string): Promise<readonly AuditRecord[]> {
  const records: AuditRecord[] = []
  if ((await auditFiles(folder)).length === 0) return records
  for await (const { bytes, ended } of auditLines(folder)) {
    const record = ended ? readLine(bytes) : undefined
    if (record !== undefined) records.push(record)
  }
  return records
}
