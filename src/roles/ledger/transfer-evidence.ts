import { unknownAccount } from '../../core/ledger/draft.js'
import type { Evidence } from '../../core/ledger/facts.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { envelopeCodec, open, statements } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { Transfer } from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import { derivedEntryId, type Entry, type EntryOf } from '../../wire/ledger/entry.js'
import type { GatewayAdmission, PolicyStatements } from './statements.js'

/** A wish to send credits whose signature holds. */
interface SignedTransfer {
  /** Peer id of who signed it. */
  readonly gateway: string
  readonly transfer: Transfer
}

/** The entry that a transfer becomes: a client's id is used once for each account. */
export function transferEntryId({ account, id }: Pick<Transfer, 'account' | 'id'>): Uint8Array {
  return derivedEntryId('transfer-out', account, id)
}

/** Opens the statement in the entry that a transfer became. */
async function openTransfer(
  entry: EntryOf<'transfer-out'>,
  network: string,
): Promise<SignedTransfer | Refusal> {
  const envelope = envelopeCodec.decode(entry.statement)
  if (isMalformed(envelope)) return envelope
  const opened = await open(envelope, network, statements.transfer)
  if (isMalformed(opened)) return opened
  const transfer = opened.value
  if (sameBytes(entry.id, transferEntryId(transfer))) return { gateway: opened.signer, transfer }
  return refusal('wrong-evidence', `the id does not follow from transfer ${transfer.id}`)
}

/** What a transfer says in a state: who may pay by whose word, and where the home of who is paid is. */
export function transferEvidence(
  { gateway, transfer }: SignedTransfer,
  view: LedgerView,
  isGateway: GatewayAdmission,
): Evidence['transfer-out'] | Refusal {
  const { account: from, to, amount } = transfer
  const payer = view.get('account', from)
  if (payer === undefined) return unknownAccount(from)
  const chosen = payer.gateways.length === 0 || payer.gateways.includes(gateway)
  if (!chosen || !isGateway(view, gateway)) {
    return refusal('not-admitted', `gateway ${gateway} may not send credits of ${from}`)
  }
  if (from === to) return refusal('bad-request', `${from} cannot send credits to itself`)
  const payee = view.get('account', to)
  return payee === undefined ? unknownAccount(to) : { from, to, toHome: payee.home, amount }
}

/** Checks the statement of an entry, and then what it says where it stands. */
export async function proveTransfer(
  entry: EntryOf<'transfer-out'>,
  network: string,
  { isGateway, gate }: Pick<PolicyStatements, 'isGateway' | 'gate'>,
): Promise<((view: LedgerView) => Evidence['transfer-out'] | Refusal) | Refusal> {
  const signed = await openTransfer(entry, network)
  if (isRefusal(signed)) return signed
  return (view) => gate(view, 'transfers') ?? transferEvidence(signed, view, isGateway)
}

/** What its sender says about an entry that is known to be good; empty for all but transfers. */
export function transferNote(entry: Entry): string {
  if (entry.kind !== 'transfer-out') return ''
  const envelope = envelopeCodec.decode(entry.statement)
  if (isMalformed(envelope)) return ''
  const transfer = statements.transfer.decode(envelope.payload)
  return isMalformed(transfer) ? '' : transfer.note
}
