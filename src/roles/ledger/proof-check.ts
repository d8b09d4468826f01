import { includes } from '../../core/ledger/merkle/proof-check.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import { openCheckpoint } from '../../wire/checkpoint.js'
import { isMalformed } from '../../wire/frame.js'
import { decodeEntry, type Entry } from '../../wire/ledger/entry.js'
import type { NoteKey } from '../../wire/note-key.js'
import { parseTlogProof } from '../../wire/tlog-proof.js'
import { sha256Tree } from '../../wire/tree-hash.js'

/** What a proof file proves. */
export interface CheckedProof {
  readonly origin: string
  readonly index: number
  /** Entries that the checkpoint is over, and their root. */
  readonly size: number
  readonly root: Uint8Array
  readonly encoded: Uint8Array
  readonly entry: Entry
  /** Names of those of the given cosigners that cosigned the checkpoint. */
  readonly cosigners: readonly string[]
}

export type OpenCheckpoint = typeof openCheckpoint

/**
 * Checks offline that an entry is in a log, by nothing but the file and the keys.
 *
 * @param keys.log of the log @param keys.cosigners of kind `cosignature`; whether enough of them cosigned is
 *   for the caller to say, by `quorumOf` @param open of who checks many proofs under few checkpoints
 */
export async function checkProof(
  file: Uint8Array,
  keys: { readonly log: NoteKey; readonly cosigners?: readonly NoteKey[] },
  open: OpenCheckpoint = openCheckpoint,
): Promise<CheckedProof | Refusal> {
  const proof = parseTlogProof(file)
  if (isMalformed(proof)) return proof
  const { index, path, extra: encoded } = proof
  if (encoded === undefined) return refusal('malformed', 'the proof does not hold the entry that it is about')
  const checkpoint = await open(proof.checkpoint, keys.log, keys.cosigners ?? [])
  if (isMalformed(checkpoint)) return checkpoint
  const { origin, size, root } = checkpoint
  if (!includes(sha256Tree, index, size, sha256Tree.leaf(encoded), path, root)) {
    return refusal('wrong-evidence', `the entry is not number ${index} of the ${size} under this checkpoint`)
  }
  const entry = decodeEntry(encoded)
  if (isMalformed(entry)) return entry
  const cosigners = checkpoint.cosigners.map(({ name }) => name)
  return { origin, index, size, root, encoded, entry, cosigners }
}
