import { isRefusal, refusal } from '../../core/refusal.js'
import type { Wallets } from '../../roles/gateway/wallets.js'
import { mount, type Surface } from '../mount.js'
import { historyJson, paymentJson, transferJson, walletJson } from '../schemas/wallet.js'
import { idempotencyKey } from './idempotency.js'
import { WALLET_ROUTES } from './wallet-routes.js'

const DEFAULT_PAGE = 50

/** Serves {@link WALLET_ROUTES} over a gateway. */
export function mountWallet(surface: Surface, wallets: Wallets): void {
  mount(surface, WALLET_ROUTES.balance, async ({ caller }) =>
    walletJson(await wallets.balance(caller.account)),
  )

  mount(surface, WALLET_ROUTES.history, async ({ caller, query }) => {
    const { limit = DEFAULT_PAGE, cursor } = query
    return historyJson(await wallets.history(caller.account, { limit, before: cursor }))
  })

  mount(surface, WALLET_ROUTES.payment, async ({ caller, params }) =>
    paymentJson(await wallets.payment(caller.account, params.id)),
  )

  mount(surface, WALLET_ROUTES.transfer, async ({ caller, body, http }) => {
    const id = idempotencyKey(http.req.header('idempotency-key'), body.id)
    if (isRefusal(id)) return id
    if (id === undefined) {
      return refusal('bad-request', 'a transfer needs an id', {
        next: 'Give one in the body or as Idempotency-Key: sent again under it, the transfer is paid once.',
      })
    }
    const { to, amount, note } = body
    const sent = await wallets.transfer({ id, account: caller.account, to, amount: BigInt(amount), note })
    if (isRefusal(sent)) return sent
    http.status(sent.existed ? 200 : 201)
    return transferJson(sent)
  })
}
