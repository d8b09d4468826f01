import type { Facts } from '../../core/ledger/facts.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { logOrigin } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { contentDigest, decodeEntry, type Entry } from '../../wire/ledger/entry.js'
import type { NoteKey } from '../../wire/note-key.js'
import { peerIdOf } from '../../wire/peer-id.js'
import type { AnyProven, EvidenceReader } from './evidence.js'
import type { Awaitable } from './statements.js'

/** An entry of somebody, read; its signatures hold. Whether it may stand where it is, the rules say. */
export interface CheckedEntry {
  readonly encoded: Uint8Array
  readonly entry: Entry
  readonly digest: Uint8Array
  readonly proven: AnyProven
}

/**
 * Reads entries and checks all signatures in them, side by side; needs no state, so it may run ahead of what
 * is applied.
 *
 * @returns in order; a refusal in the place of an entry that cannot be
 */
export async function checkEntries(
  encoded: readonly Uint8Array[],
  evidence: EvidenceReader,
): Promise<readonly (CheckedEntry | Refusal)[]> {
  const checked: (CheckedEntry | Refusal)[] = []
  const waiting: Promise<void>[] = []
  for (const [at, each] of encoded.entries()) {
    const entry = checkEntry(each, evidence)
    if (!(entry instanceof Promise)) checked[at] = entry
    else {
      waiting.push(
        entry.then((value) => {
          checked[at] = value
        }),
      )
    }
  }
  await Promise.all(waiting)
  return checked
}

/**
 * The facts of a checked entry in its place, or why it or its statements do not hold there.
 *
 * @param key of the log
 */
export function factsOf(
  checked: CheckedEntry,
  index: number,
  { view, key }: { readonly view: LedgerView; readonly key: NoteKey },
): Facts | Refusal {
  const { entry, digest, proven } = checked
  const misnamed = misnamedLog(entry, key)
  if (misnamed !== undefined) return misnamed
  const evidence = proven(view)
  if (isRefusal(evidence)) return evidence
  // Of the entry's kind: the evidence was made from it.
  return { kind: entry.kind, entry, index, digest, evidence } as Facts
}

/** A log's first entry says which one it is: that of its name, written by who signs for it. */
export function misnamedLog(entry: Entry, key: NoteKey): Refusal | undefined {
  if (entry.kind !== 'genesis') return undefined
  const { network, home, epoch, coordinator } = entry
  const origin = logOrigin(network, home, epoch)
  if (origin === key.name && coordinator === peerIdOf(key.publicKey)) return undefined
  return refusal(
    'wrong-evidence',
    `the genesis of ${origin} by ${coordinator} does not begin the log ${key.name}`,
  )
}

function checkEntry(encoded: Uint8Array, evidence: EvidenceReader): Awaitable<CheckedEntry | Refusal> {
  const entry = decodeEntry(encoded)
  if (isMalformed(entry)) return entry
  const proven = evidence.prove(entry)
  if (!(proven instanceof Promise)) return provenEntry(encoded, entry, proven)
  return proven.then((later) => provenEntry(encoded, entry, later))
}

function provenEntry(encoded: Uint8Array, entry: Entry, proven: AnyProven | Refusal): CheckedEntry | Refusal {
  if (isRefusal(proven)) return proven
  return { encoded, entry, digest: contentDigest(entry, encoded), proven }
}
