import type {
  HistoryView,
  PaymentView,
  WalletRowView,
  WalletView,
} from '../../src/core/ledger/wallet-view.js'
import { type Refusal, refusal } from '../../src/core/refusal.js'
import type { Sent, TransferRequest, Wallets } from '../../src/roles/gateway/wallets.js'

/** Wallets in memory: who has how much, and what came and went. */
export class FakeWallets implements Wallets {
  readonly #rows = new Map<string, WalletRowView[]>()
  readonly #sent = new Map<string, { readonly request: TransferRequest; readonly entry: number }>()
  readonly payments = new Map<string, PaymentView>()
  #entry = 0

  give(account: string, amount: bigint, about = 'first'): void {
    this.#move('grant', account, amount, about)
  }

  async balance(account: string): Promise<WalletView | Refusal> {
    const rows = this.#rows.get(account)
    if (rows === undefined) return refusal('account-unknown', `no account ${account}`)
    const available = this.#has(account)
    return { account, home: 'home', isHome: true, available, held: 3n, final: available - 1n, slices: 5n }
  }

  async history(
    account: string,
    { limit, before }: Parameters<Wallets['history']>[1],
  ): Promise<HistoryView | Refusal> {
    const all = (this.#rows.get(account) ?? []).filter(({ entry }) => entry < (before ?? Infinity)).reverse()
    const rows = all.slice(0, limit)
    const next = all.length > limit ? rows.at(-1)?.entry : undefined
    return { account, rows, ...(next === undefined ? {} : { next }) }
  }

  async payment(account: string, id: string): Promise<PaymentView | Refusal> {
    return this.payments.get(`${account}:${id}`) ?? refusal('hold-unknown', `nothing is held for ${id}`)
  }

  async transfer(request: TransferRequest): Promise<Sent | Refusal> {
    const { account, id, to, amount } = request
    const known = this.#sent.get(`${account}:${id}`)
    if (known !== undefined) {
      if (known.request.to !== to || known.request.amount !== amount) {
        return refusal('entry-conflict', `transfer ${id} was another`)
      }
      return { transfer: sent(id, known.entry), existed: true }
    }
    const has = this.#has(account)
    if (has < amount) return refusal('insufficient-credits', `${account} has ${has}, ${amount} are needed`)
    const entry = this.#entry + 1
    this.#sent.set(`${account}:${id}`, { request, entry })
    this.#move('transfer-out', account, -amount, to)
    this.#entry--
    this.#move('transfer-out', to, amount, account)
    return { transfer: sent(id, entry), existed: false }
  }

  #has(account: string): bigint {
    return this.#rows.get(account)?.at(-1)?.balance ?? 0n
  }

  #move(kind: string, account: string, amount: bigint, about: string): void {
    const balance = this.#has(account) + amount
    const row = { entry: ++this.#entry, timeMs: 1_700_000_000_000, kind, amount, balance, about } as const
    const rows = this.#rows.get(account) ?? []
    rows.push({ ...row, count: 1, note: '', standing: 'pending' })
    this.#rows.set(account, rows)
  }
}

function sent(id: string, entry: number): Sent['transfer'] {
  return { id, entry, toHome: 'home', inTransit: false, standing: 'pending' }
}
