import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import { judge, type Vote } from '../../core/verification/judgement.js'
import { outcomeOf } from '../../core/verification/outcome.js'
import type { Signer } from '../../ports/signer.js'
import {
  envelopeCodec,
  envelopeHolds,
  open,
  seal,
  signerOf,
  statements,
  type Verified,
} from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import { type Suspension, SuspensionReason } from '../../wire/generated/edgecoder/control/v1/suspension_pb.js'
import type { Envelope } from '../../wire/generated/edgecoder/envelope/v1/envelope_pb.js'
import { type Malformed, malformed } from '../../wire/malformed.js'

/** What a worker is suspended for; also reasons of the blacklist, where an admin makes it last. */
export const CHARGES = {
  'bad-signature': SuspensionReason.BAD_SIGNATURE,
  'forged-results': SuspensionReason.FORGED_RESULTS,
} as const
export type ChargeReason = keyof typeof CHARGES

/** What a worker is charged with, and the signed statements that show it. */
export interface Charge {
  readonly reason: ChargeReason
  /** For people; at most 256 bytes. */
  readonly detail: string
  /**
   * 1 to 8, as they came. Of `bad-signature` receipts that the worker handed in and did not sign; of
   * `forged-results` its receipt, and then what others signed who found the result to be false.
   */
  readonly statements: readonly Envelope[]
}

/** What is found in an evidence file. */
export interface CheckedSuspension {
  readonly network: string
  /** Who says so. */
  readonly coordinator: string
  readonly worker: string
  readonly reason: ChargeReason
  readonly detail: string
  readonly atMs: number
  readonly statements: readonly { readonly type: string; readonly signer: string; readonly holds: boolean }[]
  /** Why the statements do not show it, for people; empty = they do. */
  readonly faults: readonly string[]
}

type Said = CheckedSuspension['statements'][number]

/** Of a charge, as a file that anybody checks without a node. */
export function suspensionEvidence(
  signer: Signer,
  network: string,
  worker: string,
  charge: Charge,
  nowMs: number,
): Uint8Array {
  const { reason, detail } = charge
  const value = { worker, reason: CHARGES[reason], detail, statements: [...charge.statements] }
  return envelopeCodec.encode(seal(signer, network, statements.suspension, value, nowMs))
}

/** The coordinator's word in an evidence file. */
export async function openSuspension(evidence: Uint8Array): Promise<Verified<Suspension> | Malformed> {
  const envelope = envelopeCodec.decode(evidence)
  return isMalformed(envelope) ? envelope : open(envelope, envelope.network, statements.suspension)
}

/** @returns undefined = a reason that this version does not know */
export function chargeReasonOf({ reason }: Pick<Suspension, 'reason'>): ChargeReason | undefined {
  if (reason === SuspensionReason.BAD_SIGNATURE) return 'bad-signature'
  return reason === SuspensionReason.FORGED_RESULTS ? 'forged-results' : undefined
}

/** Checks an evidence file: who made it, and whether its statements show what the worker is charged with. */
export async function checkSuspension(evidence: Uint8Array): Promise<CheckedSuspension | Malformed> {
  const opened = await openSuspension(evidence)
  if (isMalformed(opened)) return opened
  const envelope = envelopeCodec.decode(evidence)
  const network = isMalformed(envelope) ? '' : envelope.network
  const { worker, detail } = opened.value
  const reason = chargeReasonOf(opened.value)
  if (reason === undefined) return malformed('unknown-kind', 'for a reason that this version does not know')
  const said = await Promise.all(
    opened.value.statements.map(async (each) => ({
      type: each.type,
      signer: signerOf(each),
      holds: each.network === network && (await envelopeHolds(each)),
    })),
  )
  const faults =
    reason === 'bad-signature'
      ? signedFaults(said, worker)
      : await forgedFaults(said, worker, opened.value.statements)
  const by = { network, coordinator: opened.signer, atMs: opened.issuedMs }
  return { ...by, worker, reason, detail, statements: said, faults }
}

/** A receipt that the worker did sign shows nothing. */
function signedFaults(said: readonly Said[], worker: string): readonly string[] {
  return said.flatMap(({ signer, holds }, at) =>
    holds && signer === worker ? [`statement ${at} is signed by the worker, as it should be`] : [],
  )
}

/**
 * Who the owners are stands in no file: that those who say so are independent of the worker and of each other
 * is for whoever knows the network's policy to see.
 */
async function forgedFaults(
  said: readonly Said[],
  worker: string,
  receipts: readonly Envelope[],
): Promise<readonly string[]> {
  const forged = said.filter(({ holds }) => !holds)
  if (forged.length > 0) return forged.map(({ signer }) => `what ${signer} says is not signed by it`)
  const opened = await Promise.all(receipts.map((each) => open(each, each.network, statements.receipt)))
  const votes: Vote[] = []
  const runs = new Map<string, Uint8Array>()
  for (const each of opened) {
    if (isMalformed(each) || each.signer !== each.value.worker || each.value.checkDigest.length === 0) {
      return ['a statement is no receipt of whoever signed it, or says nothing of tests']
    }
    const { taskId, checkDigest, verdict } = each.value
    runs.set(taskId, checkDigest)
    votes.push({ worker: each.signer, owner: each.signer, outcome: outcomeOf(verdict) })
  }
  const [first, ...others] = [...runs.values()]
  const judgement = judge(votes)
  const isWrong = judgement.type === 'wrong' && judgement.worker === worker
  return [
    ...(votes[0]?.worker === worker ? [] : ['the first statement is no receipt that the worker signed']),
    ...(runs.size === votes.length ? [] : ['one run is told of twice']),
    ...(others.every((each) => first !== undefined && sameBytes(each, first))
      ? []
      : ['they ran other tests']),
    ...(isWrong ? [] : ['too few others say that the tests came to something else']),
  ]
}
