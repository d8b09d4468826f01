import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerRecords, Table } from '../../core/ledger/records.js'
import type { Store } from '../../ports/store.js'
import type { NoteKey } from '../../wire/note-key.js'
import { type AuditOptions, type AuditReport, AuditRun } from './audit.js'
import { BREATH_ENTRIES, CHECKED_TOGETHER } from './constants.js'
import { checkEntries } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { type LogKeys, logKeys } from './log-keys.js'
import type { EarlierLogs } from './log-line.js'
import { readHead } from './log-open.js'
import { type LogPart, LogReader } from './log-reader.js'
import { LogTree } from './log-tree.js'
import { recordBytes, recordOf, TABLES } from './record-codec.js'

/**
 * Reads a log again that comes from anywhere, such as an export: hashes, tree, checkpoints, all statements'
 * signatures, the rules, zero sum and balances.
 *
 * @param earlier the logs that one of a later epoch goes on from; where they are not there, the report says
 * so
 */
export async function auditParts(
  parts: AsyncIterable<LogPart>,
  { evidence, earlier }: { readonly evidence: EvidenceReader; readonly earlier?: EarlierLogs },
  { key }: { readonly key: NoteKey },
  options: AuditOptions = {},
): Promise<AuditReport> {
  const run = new AuditRun(key, evidence, earlier)
  return run.report(await run.replay(parts, options), 0)
}

/**
 * As {@link auditParts}, of a log in a store, and compares each record of the stored state with what follows
 * from the entries. The log may be appended to meanwhile.
 *
 * @throws EdgeCoderError `store-corrupt` when its head cannot be read
 */
export async function auditLog(
  components: { readonly store: Store; readonly evidence: EvidenceReader; readonly earlier?: EarlierLogs },
  { key, prefix }: { readonly key: NoteKey; readonly prefix: string },
  options: AuditOptions = {},
): Promise<AuditReport> {
  const { store, evidence, earlier } = components
  const keys = logKeys(prefix)
  const head = await readHead({ store, keys }, key)
  const reader = new LogReader(store, keys, { head, tree: LogTree.EMPTY })
  const run = new AuditRun(key, evidence, earlier)
  if (!(await run.replay(reader.parts(0), options))) return run.report(false, 0)
  const compared = await compareState({ store, keys, reader, evidence }, run, options)
  return run.report(compared.complete, compared.records)
}

interface Stored {
  readonly store: Store
  readonly keys: LogKeys
  readonly reader: LogReader
  readonly evidence: EvidenceReader
}

/** One range is one snapshot, and its first record says how many entries it follows from. */
async function compareState(
  { store, keys, reader, evidence }: Stored,
  run: AuditRun,
  { signal, breathe }: AuditOptions,
): Promise<{ readonly complete: boolean; readonly records: number }> {
  const counts = new Map<Table, number>()
  let records = 0
  for await (const [at, bytes] of store.range(keys.state)) {
    if (signal?.aborted === true) return { complete: false, records }
    const table = keys.tableIn(at)
    if (table === undefined) {
      run.mismatch({ where: 'state', at: run.size, code: 'store-corrupt', detail: `unknown record ${at}` })
      continue
    }
    const key = keys.recordIn(table, at)
    if (table === 'log') await catchUp(reader, evidence, run, recordOf('log', key, bytes).size)
    records++
    if (records % BREATH_ENTRIES === 0) await breathe?.()
    counts.set(table, (counts.get(table) ?? 0) + 1)
    compareRecord(run, table, key, bytes)
  }
  for (const table of TABLES) {
    const [there, due] = [counts.get(table) ?? 0, run.state.count(table)]
    if (there >= due) continue
    const detail = `${there} ${table} records are stored, ${due} follow from the entries`
    run.mismatch({ where: 'state', at: run.size, code: 'store-corrupt', detail })
  }
  return { complete: true, records }
}

/** Entries that were appended while the audit ran. */
async function catchUp(
  reader: LogReader,
  evidence: EvidenceReader,
  run: AuditRun,
  size: number,
): Promise<void> {
  let encoded: Uint8Array[] = []
  const enter = async () => {
    run.enter(encoded, await checkEntries(encoded, evidence))
    encoded = []
  }
  for await (const entry of reader.entries(run.size, size)) {
    encoded.push(entry)
    if (encoded.length >= CHECKED_TOGETHER) await enter()
  }
  await enter()
}

function compareRecord<T extends Table>(run: AuditRun, table: T, key: string, bytes: Uint8Array): void {
  const due: LedgerRecords[T] | undefined = run.state.get(table, key)
  if (due !== undefined && sameBytes(recordBytes(table, due), bytes)) return
  const detail = `the stored ${table} record "${key}" does not follow from the entries`
  run.mismatch({ where: 'state', at: run.size, code: 'store-corrupt', detail })
}
