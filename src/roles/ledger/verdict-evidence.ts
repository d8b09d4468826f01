import type { Evidence } from '../../core/ledger/facts.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { dependence } from '../../core/verification/independence.js'
import { judge, type Vote } from '../../core/verification/judgement.js'
import { outcomeOf } from '../../core/verification/outcome.js'
import { open, statements, type Verified } from '../../wire/envelope.js'
import { codec, isMalformed } from '../../wire/frame.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { RefutationSchema } from '../../wire/generated/edgecoder/ledger/v1/refutation_pb.js'
import type { Receipt } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import { STATEMENT_BYTES } from '../../wire/limits.js'
import type { Proven } from './statements.js'
import { receiptSays } from './task-evidence.js'

const refutations = codec(RefutationSchema, STATEMENT_BYTES)

/** Receipts whose signatures hold: of the result, and of those who ran its tests again. */
interface Said {
  readonly receipt: Verified<Receipt>
  readonly others: readonly Verified<Receipt>[]
}

/** The entry that says what others made of an attempt. @returns undefined = it would be too large for one */
export function verdictEntry(
  receipts: readonly Envelope[],
  first: Receipt,
  {
    verifier,
    valid,
    timeMs,
  }: { readonly verifier: string; readonly valid: boolean; readonly timeMs: number },
): EntryOf<'verdict'> | undefined {
  const [receipt, ...others] = receipts
  const statement = refutations.encode({ ...(receipt === undefined ? {} : { receipt }), others })
  if (statement.length > STATEMENT_BYTES) return undefined
  const { task, fence, usage } = receiptSays(first)
  const id = derivedEntryId('verdict', task, String(fence))
  return { kind: 'verdict', id, timeMs, task, fence, verifier, valid, usage, statement }
}

/** Checks the receipts within an entry, and then who signed them where the entry stands. */
export async function proveVerdict(
  entry: EntryOf<'verdict'>,
  network: string,
): Promise<Proven<'verdict'> | Refusal> {
  const said = await openRefutation(entry.statement, network)
  if (isRefusal(said)) return said
  return (view) => verdictEvidence(said, view)
}

async function openRefutation(statement: Uint8Array, network: string): Promise<Said | Refusal> {
  const refutation = refutations.decode(statement)
  if (isMalformed(refutation)) return refutation
  const { receipt, others } = refutation
  if (receipt === undefined) return refusal('wrong-evidence', 'the verdict holds no receipt')
  const all = await Promise.all([receipt, ...others].map((each) => open(each, network, statements.receipt)))
  const held: Verified<Receipt>[] = []
  for (const each of all) {
    if (isMalformed(each)) return each
    if (each.signer !== each.value.worker) {
      return refusal('wrong-evidence', `${each.signer} signed a receipt of ${each.value.worker}`)
    }
    held.push(each)
  }
  // One run counts once.
  if (new Set(held.map(({ value }) => value.taskId)).size < held.length) return unlike()
  const [first, ...checks] = held
  if (first === undefined || first.value.checkDigest.length === 0) return unlike()
  const same = checks.every(({ value }) => sameBytes(value.payloadDigest, first.value.checkDigest))
  return same ? { receipt: first, others: checks } : unlike()
}

/** What the receipts come to, by whom they belong to in this state. */
function verdictEvidence({ receipt, others }: Said, view: LedgerView): Evidence['verdict'] | Refusal {
  const { task, fence, usage } = receiptSays(receipt.value)
  const submitter = task.slice(0, task.indexOf(':'))
  const votes: Vote[] = []
  for (const { signer: worker, value } of [receipt, ...others]) {
    const node = view.get('node', worker)
    const owner = node?.role === 'worker' ? node.account : undefined
    const why = votes.length === 0 ? undefined : dependence(votes.slice(0, 1), submitter, { worker, owner })
    if (owner === undefined || why !== undefined) {
      return refusal('wrong-evidence', `${worker} may not judge ${task}: ${why ?? 'it is no worker here'}`)
    }
    votes.push({ worker, owner, outcome: outcomeOf(value.verdict) })
  }
  const judgement = judge(votes)
  const valid = judgement.type === 'agreed'
  const refuted = judgement.type === 'wrong' && judgement.worker === receipt.signer
  const verifier = others[0]?.signer
  if (verifier === undefined || valid === refuted) {
    return refusal('wrong-evidence', `what ${votes.length} workers say of ${task} is ${judgement.type}`)
  }
  return { task, fence, verifier, valid, usage }
}

function unlike(): Refusal {
  return refusal('wrong-evidence', 'what others ran are not the tests of the receipt')
}
