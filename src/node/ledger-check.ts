import { isRefusal, type Refusal, refusal } from '../core/refusal.js'
import { checkProof } from '../roles/ledger/proof-check.js'
import { checkEvidence, originOf, type Verdict } from '../roles/replication/evidence-check.js'
import { readLogOrigin } from '../wire/checkpoint.js'
import { isMalformed } from '../wire/frame.js'
import type { Entry } from '../wire/ledger/entry.js'
import { parseTlogProof } from '../wire/tlog-proof.js'
import type { LedgerKeys } from './ledger-keys.js'

/** Bytes of the largest file that is looked at: evidence has at most one mebibyte, proofs far less. */
export const CHECKED_FILE_BYTES = 2 * 1024 * 1024

/** What a file comes to; anybody with the same file and keys comes to the same. */
export type CheckedFile = CheckedEntryProof | { readonly kind: 'evidence'; readonly verdict: Verdict }

/** An entry is in a log. */
export interface CheckedEntryProof {
  readonly kind: 'proof'
  readonly origin: string
  readonly network: string
  readonly index: number
  /** Entries under the checkpoint that it is proven against. */
  readonly size: number
  readonly entry: Entry
  /** Names of those who cosigned that checkpoint. */
  readonly cosigners: readonly string[]
  /**
   * `final`: enough coordinators hold it and found it valid; `local`: its own coordinator signed it;
   * `unknown`: signed, and who else would have to is not known.
   */
  readonly standing: 'final' | 'local' | 'unknown'
  /** How many had to sign or cosign. */
  readonly quorum: number | undefined
  /** What is signed within the entry: it holds, does not, or cannot be told without policy. */
  readonly statements: 'hold' | 'unchecked' | Refusal
}

const PROOF_HEAD = Buffer.from('c2sp.org/tlog-proof@')
const BACKUP_HEAD = Buffer.from('edgecoder-backup/')

/**
 * Checks a proof of an entry, or evidence against a coordinator, by nothing but the file and the keys.
 *
 * @param prefix the first entries of a log, from a copy of it: some evidence needs them
 * @returns a refusal when the file proves nothing: damaged, edited, of another network, of an unknown log
 */
export async function checkLedgerFile(
  file: Uint8Array,
  keys: LedgerKeys,
  prefix?: (origin: string, entries: number) => AsyncIterable<Uint8Array> | undefined,
): Promise<CheckedFile | Refusal> {
  if (file.length > CHECKED_FILE_BYTES) {
    const detail = `a file of ${file.length} bytes, a proof or evidence has at most ${CHECKED_FILE_BYTES}`
    return refusal('frame-too-large', detail, {
      next: 'Name a file that ledger prove or ledger evidence made.',
    })
  }
  if (startsWith(file, BACKUP_HEAD)) {
    return refusal('wrong-type', 'this is a backup, no proof and no evidence', {
      next: 'Check it with: edgecoder backup verify',
    })
  }
  if (startsWith(file, PROOF_HEAD)) return checkEntryProof(file, keys)
  const { keyOf } = keys
  const evidence = keys.evidence()
  const verdict = await checkEvidence(file, {
    keyOf,
    ...(evidence === undefined ? {} : { evidence }),
    ...(prefix === undefined ? {} : { prefix }),
  })
  return { kind: 'evidence', verdict }
}

async function checkEntryProof(file: Uint8Array, keys: LedgerKeys): Promise<CheckedEntryProof | Refusal> {
  const parsed = parseTlogProof(file)
  if (isMalformed(parsed)) return parsed
  const origin = originOf(parsed.checkpoint) ?? ''
  const name = readLogOrigin(origin)
  if (name === undefined) return refusal('malformed', 'the checkpoint within is not of a log of EdgeCoder')
  if (name.network !== (keys.network ?? name.network)) {
    const detail = `the proof is of network ${name.network}, the policy of ${keys.network}`
    return refusal('wrong-network', detail, { next: 'Name the policy folder of that network with --policy.' })
  }
  const log = keys.keyOf(origin)
  if (log === undefined) {
    return refusal('not-found', `no coordinator is known that writes ${origin}`, {
      next: 'Name the newest policy folder of its network with --policy.',
    })
  }
  const proof = await checkProof(file, { log, cosigners: keys.cosigners(origin) })
  if (isRefusal(proof)) return proof
  const { index, size, entry, cosigners } = proof
  const { quorum } = keys
  const enough = quorum !== undefined && cosigners.length + 1 >= quorum
  const statements = await statementsOf(entry, keys)
  const standing = quorum === undefined ? 'unknown' : enough ? 'final' : 'local'
  return {
    kind: 'proof',
    origin,
    network: name.network,
    index,
    size,
    entry,
    cosigners,
    standing,
    quorum,
    statements,
  }
}

async function statementsOf(entry: Entry, keys: LedgerKeys): Promise<CheckedEntryProof['statements']> {
  const evidence = keys.evidence()
  if (evidence === undefined) return 'unchecked'
  const proven = await evidence.prove(entry)
  return isRefusal(proven) ? proven : 'hold'
}

function startsWith(file: Uint8Array, head: Buffer): boolean {
  return head.compare(file.subarray(0, head.length)) === 0
}
