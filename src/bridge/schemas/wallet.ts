import { z } from 'zod'
import type { HistoryView, PaymentView, WalletView } from '../../core/ledger/wallet-view.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Sent } from '../../roles/gateway/wallets.js'
import { accountName, taskId } from './parameters.js'

const NOTE_BYTES = 256
const MOST_MICROCREDITS = 2n ** 63n - 1n

const microcredits = z
  .string()
  .regex(/^\d{1,19}$/)
  .meta({ description: 'Microcredits, a whole number.' })

const standing = z.enum(['final', 'pending']).meta({
  description: '`final` = enough coordinators hold it, so that no loss of one can undo it.',
})

export const WalletJson = z
  .object({
    account: z.string(),
    home: z.string().meta({ description: 'Peer id of the coordinator that its credits are spent at.' }),
    isHome: z.boolean().meta({ description: 'The coordinator that was asked is its home.' }),
    available: microcredits,
    held: microcredits.meta({ description: 'Reserved for tasks that have not ended.' }),
    final: microcredits.meta({ description: 'Of what is available: what is final.' }),
    slices: microcredits.meta({
      description: 'Not among what is available: what other homes may spend, as far as it is known here.',
    }),
    allotted: microcredits
      .optional()
      .meta({ description: 'Where the home is elsewhere: what the coordinator that was asked may spend.' }),
  })
  .meta({ id: 'Wallet' })

export const HistoryJson = z
  .object({
    account: z.string(),
    rows: z
      .array(
        z.object({
          entry: z.number().meta({ description: 'Index of the ledger entry.' }),
          timeMs: z.number(),
          kind: z.string().meta({ description: 'Kind of the entry: hold, settle, release, grant, …' }),
          amount: z
            .string()
            .regex(/^-?\d{1,19}$/)
            .meta({ description: 'Microcredits that came, or went (below zero).' }),
          balance: microcredits.meta({ description: 'What there was after it.' }),
          about: z.string().meta({
            description: 'The task, the other account or home, or the reference; of several tasks the first.',
          }),
          count: z.number().meta({ description: 'How many tasks; 1 for all else.' }),
          note: z.string().optional().meta({
            description: 'What the sender of a transfer says about it; or that a result is in dispute.',
          }),
          standing,
        }),
      )
      .readonly(),
    next: z.string().optional().meta({ description: 'The `cursor` of the next page; absent = the last.' }),
  })
  .meta({ id: 'WalletHistory' })

export const PaymentJson = z
  .object({
    state: z.enum(['held', 'settled', 'released']),
    held: microcredits.meta({ description: 'What was reserved.' }),
    cost: microcredits.meta({ description: 'What was paid in the end.' }),
    reversed: microcredits.meta({ description: 'What was given back of that later.' }),
    standing,
  })
  .meta({ id: 'Payment' })

/** Microcredits that are to be moved. */
export const paidAmount = z
  .string()
  .regex(/^[1-9]\d{0,18}$/, { message: 'must be a whole number above 0', abort: true })
  .refine((text) => BigInt(text) <= MOST_MICROCREDITS, { message: 'must be below 2^63' })

export const TransferRequestJson = z
  .strictObject({
    id: taskId.optional().meta({
      description: 'The idempotency key, here or in the header Idempotency-Key: 1 to 64 of A-Z a-z 0-9 . _ -',
    }),
    to: accountName,
    amount: paidAmount.meta({ description: 'Microcredits, a whole number above 0.' }),
    note: z
      .string()
      .refine((text) => Buffer.byteLength(text) <= NOTE_BYTES, { message: `at most ${NOTE_BYTES} bytes` })
      .optional()
      .meta({ description: 'Words for who is paid; whoever keeps the ledger can read them.' }),
  })
  .meta({ id: 'TransferRequest' })

export const TransferJson = z
  .object({
    id: z.string(),
    entry: z.number().meta({ description: 'Index of the ledger entry that it is.' }),
    toHome: z.string(),
    inTransit: z.boolean().meta({ description: 'On its way to another home.' }),
    standing,
  })
  .meta({ id: 'Transfer' })

export type WalletJson = z.output<typeof WalletJson>
export type HistoryJson = z.output<typeof HistoryJson>
export type PaymentJson = z.output<typeof PaymentJson>
export type TransferRequestJson = z.output<typeof TransferRequestJson>
export type TransferJson = z.output<typeof TransferJson>

export function walletJson(view: WalletView | Refusal): WalletJson | Refusal {
  if (isRefusal(view)) return view
  const { available, held, final, slices, allotted, ...wallet } = view
  return {
    ...wallet,
    available: String(available),
    held: String(held),
    final: String(final),
    slices: String(slices),
    ...(allotted === undefined ? {} : { allotted: String(allotted) }),
  }
}

export function historyJson(view: HistoryView | Refusal): HistoryJson | Refusal {
  if (isRefusal(view)) return view
  const { account, next } = view
  const rows = view.rows.map(({ amount, balance, about, note, ...row }) => ({
    ...row,
    amount: String(amount),
    balance: String(balance),
    // Ledgers know a task by account and id; people, by the id that they gave or got.
    about: about.startsWith(`${account}:`) ? about.slice(account.length + 1) : about,
    ...(note === '' ? {} : { note }),
  }))
  return { account, rows, ...(next === undefined ? {} : { next: String(next) }) }
}

export function paymentJson(view: PaymentView | Refusal): PaymentJson | Refusal {
  if (isRefusal(view)) return view
  const { state, held, cost, reversed, standing: known } = view
  return { state, held: String(held), cost: String(cost), reversed: String(reversed), standing: known }
}

export function transferJson({ transfer }: Sent): TransferJson {
  return transfer
}
