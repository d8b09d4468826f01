import { unknownAccount } from '../../core/ledger/draft.js'
import type { Evidence } from '../../core/ledger/facts.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { envelopeCodec, open, statements } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type { AllotmentOrder } from '../../wire/generated/edgecoder/ledger/v1/allotment_pb.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import type { Proven } from './statements.js'

/** A wish for a slice whose signature holds. */
export interface SignedAllotment {
  /** Peer id of who signed it. */
  readonly gateway: string
  readonly order: AllotmentOrder
}

/** Is this peer a gateway of the network, by the policy that is in force in a log? */
type IsGateway = (view: LedgerView, gateway: string) => boolean

/** States of an enrolled peer in which it may not sign for anybody. */
const CUT: ReadonlySet<string> = new Set(['suspended', 'isolated', 'revoked'])

/** The entry that an order becomes: an id is used once for each account. */
export function allotEntryId({ account, id }: Pick<AllotmentOrder, 'account' | 'id'>): Uint8Array {
  return derivedEntryId('allot', account, id)
}

/** Why this gateway may not have a slice of this account allotted; undefined = it may. */
function allotFault(
  { gateway, order }: SignedAllotment,
  view: LedgerView,
  isGateway: IsGateway,
): Refusal | undefined {
  const account = view.get('account', order.account)
  if (account === undefined) return unknownAccount(order.account)
  const chosen = account.gateways.length === 0 || account.gateways.includes(gateway)
  const isCut = CUT.has(view.get('node', gateway)?.state ?? '')
  if (chosen && !isCut && isGateway(view, gateway)) return undefined
  return refusal('not-admitted', `gateway ${gateway} may not let others spend from ${order.account}`)
}

/** Checks the order within an entry, and then what it says where the entry stands. */
export async function proveAllotment(
  entry: EntryOf<'allot'>,
  network: string,
  isGateway: IsGateway,
): Promise<Proven<'allot'> | Refusal> {
  const envelope = envelopeCodec.decode(entry.statement)
  if (isMalformed(envelope)) return envelope
  const opened = await open(envelope, network, statements.allotment)
  if (isMalformed(opened)) return opened
  const { signer: gateway, value: order } = opened
  if (!sameBytes(entry.id, allotEntryId(order))) {
    return refusal('wrong-evidence', `the id does not follow from allotment ${order.id}`)
  }
  return (view) => allotEvidence({ gateway, order }, entry.amount, { view, isGateway })
}

/** @param amount that the home allots; up to what was ordered */
export function allotEvidence(
  signed: SignedAllotment,
  amount: bigint,
  at: { readonly view: LedgerView; readonly isGateway: IsGateway },
): Evidence['allot'] | Refusal {
  const fault = allotFault(signed, at.view, at.isGateway)
  if (isRefusal(fault)) return fault
  const { account, toHome, most } = signed.order
  if (amount <= most) return { account, toHome, amount }
  return refusal('wrong-amount', `${amount} microcredits are allotted, the order is for at most ${most}`)
}
