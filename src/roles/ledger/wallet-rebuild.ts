import { invariant } from '../../core/invariant.js'
import { apply } from '../../core/ledger/apply.js'
import { walletRows } from '../../core/ledger/wallet-rows.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import type { NoteKey } from '../../wire/note-key.js'
import { AuditState } from './audit-state.js'
import { inBatches } from './entry-batches.js'
import { type CheckedEntry, checkEntries, factsOf } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { type LogKeys, logKeys } from './log-keys.js'
import type { LogReader } from './log-reader.js'
import { walletMarkWrite, walletRowWrite } from './wallet-index.js'

interface Components {
  readonly store: Store
  readonly evidence: EvidenceReader
}

/**
 * Makes the wallet rows of a log that was written before there were any, by applying its entries again, in
 * memory. Takes as long as an audit; interrupted, it begins anew at the next call. Nothing may be appended
 * meanwhile.
 *
 * @returns how many entries were gone through: 0 = the rows were there; or why an entry cannot be applied
 * @throws EdgeCoderError of the store
 */
export async function rebuildWalletRows(
  { store, evidence }: Components,
  { reader, key, prefix }: { readonly reader: LogReader; readonly key: NoteKey; readonly prefix: string },
): Promise<number | Refusal> {
  const keys = logKeys(prefix)
  const { size } = reader
  if (size === 0 || (await store.get(keys.walletMark)) !== undefined) return 0
  const state = new AuditState()
  let index = 0
  for await (const some of inBatches(reader.entries(0, size))) {
    const writes: Write[] = []
    for (const checked of await checkEntries(some, evidence)) {
      const rows = rowsOf(checked, index, { state, key, keys })
      if (isRefusal(rows)) return rows
      writes.push(...rows)
      index++
    }
    await store.commit(writes)
  }
  await store.commit([walletMarkWrite(keys)])
  return size
}

function rowsOf(
  checked: CheckedEntry | Refusal,
  index: number,
  { state, key, keys }: { readonly state: AuditState; readonly key: NoteKey; readonly keys: LogKeys },
): readonly Write[] | Refusal {
  const facts = isRefusal(checked) ? checked : factsOf(checked, index, { view: state, key })
  if (isRefusal(facts)) return facts
  const outcome = apply(state, facts)
  if (isRefusal(outcome)) return outcome
  invariant(outcome.outcome === 'applied', 'no entry stands twice in a log')
  state.absorb(outcome.changes)
  return walletRows(outcome).map((row) => walletRowWrite(keys, { ...row, index }))
}
