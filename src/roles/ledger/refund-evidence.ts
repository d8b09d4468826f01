import type { Evidence } from '../../core/ledger/facts.js'
import type { Refusal } from '../../core/refusal.js'
import { envelopeCodec, open, statements, type Verified } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { Dispute } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import type { Malformed } from '../../wire/malformed.js'
import type { Proven } from './statements.js'

/** Opens the user's dispute in a refund. */
export async function openDispute(
  statement: Uint8Array,
  network: string,
): Promise<Verified<Dispute> | Malformed> {
  const envelope = envelopeCodec.decode(statement)
  return isMalformed(envelope) ? envelope : open(envelope, network, statements.dispute)
}

export function refundEvidence({ signer, value }: Verified<Dispute>): Evidence['refund'] {
  return { task: value.taskId, fence: Number(value.fence), gateway: signer }
}

/** @param worker microcredits that it still has of the task */
export function refundEntry(
  { value }: Verified<Dispute>,
  worker: bigint,
  statement: Uint8Array,
  timeMs: number,
): EntryOf<'refund'> {
  const { taskId: task } = value
  const fence = Number(value.fence)
  const id = derivedEntryId('refund', task, String(fence))
  return { kind: 'refund', id, timeMs, task, fence, amount: worker, statement }
}

/** Checks the dispute within an entry. */
export async function proveRefund(
  { statement }: EntryOf<'refund'>,
  network: string,
): Promise<Proven<'refund'> | Refusal> {
  const dispute = await openDispute(statement, network)
  return isMalformed(dispute) ? dispute : () => refundEvidence(dispute)
}
