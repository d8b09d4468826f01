import { setTimeout as sleep } from 'node:timers/promises'
import { type AdminClient, WALLET_ROUTES } from '../src/bridge/admin-client.js'
import type { PaymentJson } from '../src/bridge/schemas/wallet.js'
import { EdgeCoderError } from '../src/core/errors.js'

/** A worker shows its receipt a moment after the gateway has the result. */
const LOOKS = 20
const LOOK_AGAIN_MS = 50

/** What is shown with a task where it can be told; undefined = it cannot: the task itself is shown without. */
export async function knownOf<T>(asked: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof EdgeCoderError && !signal.aborted) return undefined
    throw error
  }
}

/** What a task was reserved for, and what it cost; undefined = not known here, or not paid in this network. */
export function paymentOf(
  client: AdminClient,
  id: string,
  signal: AbortSignal,
): Promise<PaymentJson | undefined> {
  return knownOf(client.call(WALLET_ROUTES.payment, { params: { id }, signal }), signal)
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
