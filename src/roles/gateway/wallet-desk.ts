import { EdgeCoderError } from '../../core/errors.js'
import type {
  EntryStanding,
  HistoryView,
  PaymentView,
  WalletRowView,
  WalletView,
} from '../../core/ledger/wallet-view.js'
import { fromWire, type Refusal, refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import type { Signer } from '../../ports/signer.js'
import { seal, statements } from '../../wire/envelope.js'
import { PaymentState, type WalletRow } from '../../wire/generated/edgecoder/control/v1/gateway_pb.js'
import type { CoordinatorLink } from './coordinator-link.js'
import { wireId } from './task-record.js'
import type { Sent, TransferRequest, Wallets } from './wallets.js'

interface Components {
  /** The coordinator to ask about an account, now or within so long; undefined = there is none. */
  readonly linkFor: (account: string, waitMs: number) => Promise<CoordinatorLink | undefined>
  readonly signer: Signer
  readonly clock: Clock
}

interface Init {
  readonly networkId: string
  /** How long a question waits for a coordinator to be attached. */
  readonly waitMs: number
}

const STATES: Readonly<Record<PaymentState, PaymentView['state']>> = {
  [PaymentState.UNSPECIFIED]: 'held',
  [PaymentState.HELD]: 'held',
  [PaymentState.SETTLED]: 'settled',
  [PaymentState.RELEASED]: 'released',
}

/**
 * Asks the coordinator about credits. Nothing of them is kept here: a transfer that was asked for twice,
 * before and after a crash, is one to the coordinator.
 */
export class WalletDesk implements Wallets {
  readonly #components: Components
  readonly #init: Init

  constructor(components: Components, init: Init) {
    this.#components = components
    this.#init = init
  }

  async balance(account: string): Promise<WalletView | Refusal> {
    const link = await this.#link(account)
    if (link === undefined) return noCoordinator()
    const told = await link.wallet(account)
    if (told.refusal !== undefined) return fromWire(told.refusal)
    const { home, isHome, available, held, final, slices } = told
    return { account, home, isHome, available, held, final, slices }
  }

  async history(
    account: string,
    { limit, before = 0 }: Parameters<Wallets['history']>[1],
  ): Promise<HistoryView | Refusal> {
    const link = await this.#link(account)
    if (link === undefined) return noCoordinator()
    const told = await link.history(account, BigInt(before), limit)
    if (told.refusal !== undefined) return fromWire(told.refusal)
    const next = Number(told.next)
    return { account, rows: told.rows.map(rowView), ...(next === 0 ? {} : { next }) }
  }

  async payment(account: string, id: string): Promise<PaymentView | Refusal> {
    const link = await this.#link(account)
    if (link === undefined) return noCoordinator()
    const told = await link.payment(wireId(account, id))
    if (told.refusal !== undefined) return fromWire(told.refusal)
    const { state, held, cost, reversed, final } = told
    return { state: STATES[state], held, cost, reversed, standing: standingOf(final) }
  }

  async transfer({ id, account, to, amount, note = '' }: TransferRequest): Promise<Sent | Refusal> {
    const { signer, clock } = this.#components
    const link = await this.#link(account)
    if (link === undefined) return noCoordinator()
    const nowMs = clock.nowMs()
    const wish = { id, account, to, amount, note, createdMs: BigInt(nowMs) }
    const envelope = seal(signer, this.#init.networkId, statements.transfer, wish, nowMs)
    const told = await link.transfer(envelope).catch(unanswered)
    if (told.refusal !== undefined) return fromWire(told.refusal)
    const { entry, existed, toHome, inTransit, final } = told
    const standing = standingOf(final)
    return { transfer: { id, entry: Number(entry), toHome, inTransit, standing }, existed }
  }

  #link(account: string): Promise<CoordinatorLink | undefined> {
    return this.#components.linkFor(account, this.#init.waitMs)
  }
}

function rowView({
  entry,
  timeMs,
  kind,
  amount,
  balance,
  about,
  count,
  note,
  final,
}: WalletRow): WalletRowView {
  const standing = standingOf(final)
  const numbers = { entry: Number(entry), timeMs: Number(timeMs) }
  return { ...numbers, kind, amount, balance, about, count, note, standing }
}

function standingOf(final: boolean): EntryStanding {
  return final ? 'final' : 'pending'
}

function unanswered(cause: unknown): never {
  if (!(cause instanceof EdgeCoderError) || cause.code !== 'link-closed') throw cause
  throw new EdgeCoderError('link-closed', 'The coordinator went away before it answered.', {
    next: 'Send the transfer again under the same id: it is paid once.',
    cause,
  })
}

function noCoordinator(): Refusal {
  return refusal('no-coordinator', 'No coordinator is attached to this gateway: it knows no credits.', {
    next: 'Ask again in a moment.',
    retryAfterMs: 2_000,
  })
}
