import type { Usage } from '../../core/economy/metering.js'
import type { HoldEvidence, OrderedTask, SettleEvidence } from '../../core/ledger/facts.js'
import { sameBytes } from '../../core/ledger/merkle/tree-hash.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { isRefusal, type Refusal, refusal } from '../../core/refusal.js'
import { envelopeCodec, open, statements, type Verified } from '../../wire/envelope.js'
import { isMalformed } from '../../wire/frame.js'
import type {
  Acceptance,
  Usage as Counted,
  Receipt,
  TaskHeader,
} from '../../wire/generated/edgecoder/task/v1/task_pb.js'
import type { EntryOf } from '../../wire/ledger/entry.js'
import { sha256 } from '../../wire/sha256.js'
import type { Quotes } from './statements.js'

/** An order whose signature holds: the headers of the tasks that the entry holds credits for. */
export interface HeldOrder {
  readonly gateway: string
  readonly headers: readonly TaskHeader[]
}

/** Opens the gateway's order in a hold. */
export async function openOrder(entry: EntryOf<'hold'>, network: string): Promise<HeldOrder | Refusal> {
  const envelope = envelopeCodec.decode(entry.order)
  if (isMalformed(envelope)) return envelope
  const order = await open(envelope, network, statements.order)
  if (isMalformed(order)) return order
  const held = new Set(entry.rows.map(({ task }) => task))
  const headers = order.value.headers.filter(({ id }) => held.has(id))
  const other = headers.find(({ gateway }) => gateway !== order.signer)
  if (other === undefined) return { gateway: order.signer, headers }
  return refusal('wrong-evidence', `${order.signer} signed an order of ${other.gateway}`)
}

/** Whoever could sign orders without being a gateway could spend from every account that names none. */
export function noGateway(peer: string): Refusal {
  return refusal('not-admitted', `${peer} may not sign orders: it is no gateway by the policy in this ledger`)
}

/** What the order says, with the rates in force. */
export function holdEvidence(order: HeldOrder, view: LedgerView, quotes: Quotes): HoldEvidence | Refusal {
  const tasks = new Map<string, OrderedTask>()
  for (const header of order.headers) {
    if (tasks.has(header.id)) return refusal('wrong-evidence', `the order has ${header.id} twice`)
    const quote = quotes.quoteOf(view, header)
    if (isRefusal(quote)) return quote
    tasks.set(header.id, {
      account: header.account,
      cap: quote.cap,
      fenceFloor: Number(header.fenceFloor),
      rates: quote.rates,
    })
  }
  return { gateway: order.gateway, tasks }
}

/** Opens the worker's receipt in a settlement, and the gateway's acceptance where there is one. */
export async function openAttempt(
  entry: EntryOf<'settle'>,
  network: string,
): Promise<SettleEvidence | Refusal> {
  const [receipt, acceptance] = await Promise.all([
    openReceipt(entry.receipt, network),
    entry.acceptance === undefined ? undefined : openAcceptance(entry.acceptance, network),
  ])
  if (isRefusal(receipt)) return receipt
  const said = receiptSays(receipt.value)
  if (acceptance === undefined) return { receipt: said }
  if (isRefusal(acceptance)) return acceptance
  if (!sameBytes(acceptance.value.receiptDigest, sha256(receipt.payload))) {
    return refusal('wrong-evidence', `the gateway accepted another receipt of ${said.task} than this one`)
  }
  return {
    receipt: said,
    acceptance: {
      task: acceptance.value.taskId,
      fence: Number(acceptance.value.fence),
      gateway: acceptance.signer,
      usage: gatewayUsageOf(acceptance.value.usage),
    },
  }
}

/** What a receipt says, as far as a settlement is concerned. */
export function receiptSays(receipt: Receipt): SettleEvidence['receipt'] {
  const { taskId: task, fence, worker, coordinator, usage, startedMs, finishedMs } = receipt
  const ran = finishedMs > startedMs ? Number(finishedMs - startedMs) : 0
  return { task, fence: Number(fence), worker, coordinator, usage: usageOf(usage), runMs: ran }
}

async function openReceipt(bytes: Uint8Array, network: string): Promise<Verified<Receipt> | Refusal> {
  const envelope = envelopeCodec.decode(bytes)
  if (isMalformed(envelope)) return envelope
  const receipt = await open(envelope, network, statements.receipt)
  if (isMalformed(receipt) || receipt.signer === receipt.value.worker) return receipt
  return refusal('wrong-evidence', `${receipt.signer} signed a receipt of ${receipt.value.worker}`)
}

async function openAcceptance(bytes: Uint8Array, network: string): Promise<Verified<Acceptance> | Refusal> {
  const envelope = envelopeCodec.decode(bytes)
  return isMalformed(envelope) ? envelope : open(envelope, network, statements.acceptance)
}

function usageOf(counted: Counted | undefined): Usage {
  return {
    inputTokens: counted?.promptTokens ?? 0,
    outputTokens: counted?.completionTokens ?? 0,
    sandboxMs: counted?.sandboxMs ?? 0,
  }
}

/**
 * A gateway counts the tokens that pass it on their way to the user. How long a sandbox ran it cannot know;
 * what the prompt came to only where it has the model's own tokenizer, and then it says so.
 */
function gatewayUsageOf(counted: Counted | undefined): Partial<Usage> {
  if (counted === undefined) return {}
  const { promptTokens: inputTokens, completionTokens: outputTokens } = counted
  return inputTokens === 0 ? { outputTokens } : { inputTokens, outputTokens }
}
