import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminClient, WALLET_ROUTES } from '../src/bridge/admin-client.js'
import type { PaymentJson } from '../src/bridge/schemas/wallet.js'
import { EdgeCoderError } from '../src/core/errors.js'

/** A worker shows its receipt a moment after the gateway has the result. */
const LOOKS = 20
const LOOK_AGAIN_MS = 50

/** What a task was reserved for, and what it cost; undefined = not known here, or not paid in this network. */
export async function paymentOf(
  client: AdminClient,
  id: string,
  signal: AbortSignal,
): Promise<PaymentJson | undefined> {
  try {
    return await client.call(WALLET_ROUTES.payment, { params: { id }, signal })
  } catch (error) {
    // The task itself can be shown without.
    if (error instanceof EdgeCoderError && !signal.aborted) return undefined
    throw error
  }
}

/** As {@link paymentOf}, of a task that has just ended: waits a moment until it is settled. */
export async function lastPaymentOf(
  client: AdminClient,
  id: string,
  signal: AbortSignal,
): Promise<PaymentJson | undefined> {
  for (let looks = 1; ; looks++) {
    const payment = await paymentOf(client, id, signal)
    if (payment?.state !== 'held' || looks === LOOKS) return payment
    await sleep(LOOK_AGAIN_MS, undefined, { signal })
  }
}
