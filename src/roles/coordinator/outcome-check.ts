import { createHash } from 'node:crypto'
import { equals } from 'uint8arrays/equals'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { TaskHeader } from '../../core/task/task.js'
import { open, statements, type Verified } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import type { Acceptance, Receipt } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { Malformed } from '../../wire/malformed.js'

/** A finished attempt in the words of both ends, signatures checked. */
export interface Outcome {
  readonly receipt: Envelope
  readonly acceptance: Envelope
  readonly worker: Verified<Receipt>
  readonly gateway: Verified<Acceptance>
}

/** Checks both signatures side by side; what they say is for {@link outcomeMismatch}. */
export async function openOutcome(
  receipt: Envelope,
  acceptance: Envelope,
  network: string,
): Promise<Outcome | Malformed> {
  const [worker, gateway] = await Promise.all([
    open(receipt, network, statements.receipt),
    open(acceptance, network, statements.acceptance),
  ])
  if (isMalformed(worker)) return worker
  if (isMalformed(gateway)) return gateway
  return { receipt, acceptance, worker, gateway }
}

/** The lease that an outcome is claimed for. */
interface ClaimedLease {
  readonly header: Pick<TaskHeader, 'id' | 'gateway' | 'payloadDigest'>
  readonly worker: string
  readonly fence: bigint
  readonly coordinator: string
}

/** @returns why receipt and acceptance do not settle this lease, or undefined when they do */
export function outcomeMismatch(outcome: Outcome, lease: ClaimedLease): Refusal | undefined {
  const { worker, gateway } = outcome
  const { header } = lease
  const digest = createHash('sha256').update(worker.payload).digest()
  const facts: readonly (readonly [holds: boolean, what: string])[] = [
    [worker.signer === lease.worker && worker.value.worker === lease.worker, 'receipt: worker'],
    [worker.value.taskId === header.id, 'receipt: task'],
    [worker.value.fence === lease.fence, 'receipt: fence'],
    [worker.value.coordinator === lease.coordinator, 'receipt: coordinator'],
    [worker.value.gateway === header.gateway, 'receipt: gateway'],
    [equals(worker.value.payloadDigest, header.payloadDigest), 'receipt: payload digest'],
    [gateway.signer === header.gateway, 'acceptance: signer is not the gateway of the task'],
    [gateway.value.taskId === header.id, 'acceptance: task'],
    [gateway.value.fence === lease.fence, 'acceptance: fence'],
    [equals(gateway.value.receiptDigest, digest), 'acceptance: receipt digest'],
  ]
  const wrong = facts.filter(([holds]) => !holds).map(([, what]) => what)
  if (wrong.length === 0) return undefined
  return refusal('result-mismatch', `receipt and acceptance do not settle this lease: ${wrong.join('; ')}`)
}
