import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import type { Store, Write } from '../../ports/store.js'
import type { NoteKey } from '../../wire/note-key.js'
import { CHECKED_TOGETHER } from './constants.js'
import { inBatches } from './entry-batches.js'
import { type CheckedEntry, checkEntries, factsOf } from './entry-check.js'
import type { EvidenceReader } from './evidence.js'
import { StoredLine } from './log-continuation.js'
import { flagRefusal, flagWrite, readFlag } from './log-flag.js'
import { type LogKeys, logKeys } from './log-keys.js'
import { type EarlierLogs, lineBefore, readGenesis, replayLine } from './log-line.js'
import { type Head, readHead } from './log-open.js'
import { LogReader } from './log-reader.js'
import { LogStaging } from './log-staging.js'
import { LogTree } from './log-tree.js'
import { wipeDerived } from './log-wipe.js'
import { trusting } from './trusting-evidence.js'

interface Components {
  readonly store: Store
  readonly evidence: EvidenceReader
  /** The logs that it goes on from, where it is of a later epoch. */
  readonly earlier: EarlierLogs
}

interface Log {
  readonly key: NoteKey
  /** Of its keys in the store. */
  readonly prefix: string
}

export interface RebuildOptions {
  readonly signal?: AbortSignal
  /**
   * @param progress.step `hash`: is every entry there that was signed? `apply`: makes what follows from them
   */
  readonly onProgress?: (progress: { readonly step: 'hash' | 'apply'; readonly entries: number }) => void
}

/**
 * Makes all that follows from a log's entries anew, where it is damaged: state, tiles, wallet rows. Entries
 * and checkpoints are left as they are; the entries must have the root that was signed last. What is said in
 * them of other logs is taken at its word, as it was checked when they were taken.
 *
 * Once it has begun, the log does not open before it has ended: killed in the middle, call it again.
 *
 * @returns the entries of the log; `not-found` when there is no log, `not-final` when one before it is not
 *   here, `log-forked` when the entries are not those that were signed, `log-unconfirmed` in the middle of a
 *   restore: nothing was changed; `cancelled`, or that an entry may not stand: it does not open
 * @throws EdgeCoderError `store-corrupt` when entries are damaged themselves: nothing was changed; of the
 *   store
 */
export async function rebuildLog(
  { store, evidence, earlier }: Components,
  { key, prefix }: Log,
  options: RebuildOptions = {},
): Promise<number | Refusal> {
  const keys = logKeys(prefix)
  const flag = await readFlag(store, keys)
  if (flag === 'restoring' || flag === 'continuing') return flagRefusal(flag)
  const head = await readHead({ store, keys }, key)
  if (head === undefined) return refusal('not-found', `there is no entry of ${key.name} here`)
  const reader = new LogReader(store, keys, { head, tree: LogTree.EMPTY })
  const other = await hashAll(reader, head, options)
  if (other !== undefined) return other
  const cut = readGenesis(await reader.entry(0))?.continues
  const line = await lineBefore(cut, earlier)
  if (isRefusal(line)) return line
  const unconfirmed = flag === 'unconfirmed' || flag === 'rebuilding-unconfirmed'
  await store.commit([flagWrite(keys, unconfirmed ? 'rebuilding-unconfirmed' : 'rebuilding')])
  await wipeDerived(store, keys)
  const before = new StoredLine(store, keys)
  const refused =
    (await replayLine(cut, { earlier, evidence }, before, async () => {
      if (before.waiting >= CHECKED_TOGETHER) await before.flush()
    })) ?? (await before.flush().then(() => applyAll({ store, evidence }, { key, keys, reader }, options)))
  if (refused !== undefined) return refused
  await store.commit([flagWrite(keys, unconfirmed ? 'unconfirmed' : undefined)])
  return head.size
}

function stage(checked: CheckedEntry, staging: LogStaging, key: NoteKey): Refusal | undefined {
  const facts = factsOf(checked, staging.size, { view: staging.state, key })
  if (isRefusal(facts)) return facts
  const outcome = staging.stage(facts, checked.encoded)
  if (isRefusal(outcome)) return outcome
  return outcome.outcome === 'applied'
    ? undefined
    : refusal('entry-conflict', `entry ${outcome.index} says the same`)
}

const AGAIN = { next: 'The log does not open before it was rebuilt: begin again.' }

/** Signed, and against the rules: the log itself is wrong, and not only what was made of it. */
function misplaced(index: number, why: string): Refusal {
  return refusal('log-forked', `entry ${index} may not stand: ${why}`, {
    next: 'Restore a backup, or move the ledger away and pull it again from other coordinators.',
  })
}

async function hashAll(
  reader: LogReader,
  head: Head,
  { signal, onProgress }: RebuildOptions,
): Promise<Refusal | undefined> {
  let tree = LogTree.EMPTY
  for await (const some of inBatches(reader.entries(0, head.size))) {
    if (signal?.aborted === true) return refusal('cancelled', 'nothing was changed')
    tree = tree.append(some).tree
    onProgress?.({ step: 'hash', entries: tree.size })
  }
  if (sameBytes(tree.root, head.root)) return undefined
  return refusal('log-forked', `the ${head.size} entries here are not those that were signed`, {
    next: 'Restore a backup, or move the ledger away and pull it again from other coordinators.',
  })
}

async function applyAll(
  { store, evidence }: Pick<Components, 'store' | 'evidence'>,
  { key, keys, reader }: { readonly key: NoteKey; readonly keys: LogKeys; readonly reader: LogReader },
  { signal, onProgress }: RebuildOptions,
): Promise<Refusal | undefined> {
  const staging = new LogStaging({ store, keys }, { tree: LogTree.EMPTY, batchEntries: CHECKED_TOGETHER })
  const isEntry = (write: Write) => write.key >= keys.entries.gte && write.key < keys.entries.lt
  for await (const some of inBatches(reader.entries(0, reader.size))) {
    if (signal?.aborted === true) return refusal('cancelled', 'the rebuild was interrupted', AGAIN)
    for (const checked of await checkEntries(some, trusting(evidence))) {
      const why = isRefusal(checked) ? checked : stage(checked, staging, key)
      if (why !== undefined) return misplaced(staging.size, why.detail)
    }
    // The entries are there; all else of them is written.
    const batch = staging.take()
    await store.commit(batch?.writes.filter((write) => !isEntry(write)) ?? [])
    staging.committed()
    onProgress?.({ step: 'apply', entries: staging.size })
  }
  return undefined
}
