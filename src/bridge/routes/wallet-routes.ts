import { z } from 'zod'
import { PLAIN, type Route } from '../route.js'
import { queryInteger, TaskParams, taskId } from '../schemas/parameters.js'
import { HistoryJson, PaymentJson, TransferJson, TransferRequestJson, WalletJson } from '../schemas/wallet.js'

const PAGE = 200

/** Which rows of a history: `cursor` is the `next` of the page before. */
export const HistoryQuery = z.strictObject({
  limit: queryInteger(1, PAGE).optional(),
  cursor: queryInteger(1, Number.MAX_SAFE_INTEGER).optional(),
})

/** Credits of the caller's account; served by the bridge under /api/v1 and by the admin API under /admin/v1. */
export const WALLET_ROUTES = {
  balance: {
    ...PLAIN,
    method: 'get',
    path: '/wallet',
    summary: 'What can be spent, and what is reserved.',
    needs: 'wallet:read',
    response: WalletJson,
  },
  history: {
    ...PLAIN,
    method: 'get',
    path: '/wallet/history',
    summary: 'What came and went, newest first. `next` of one page is the `cursor` of the following.',
    needs: 'wallet:read',
    query: HistoryQuery,
    response: HistoryJson,
  },
  transfer: {
    ...PLAIN,
    method: 'post',
    path: '/wallet/transfers',
    summary:
      'Send credits. An id is needed; the same id with the same content again answers with the transfer made.',
    needs: 'wallet:write',
    headers: z.object({ 'idempotency-key': taskId.optional() }),
    body: TransferRequestJson,
    response: TransferJson,
    creates: true,
  },
  payment: {
    ...PLAIN,
    method: 'get',
    path: '/tasks/{id}/payment',
    summary: 'What was reserved for a task, and what it cost.',
    needs: 'tasks:read',
    params: TaskParams,
    response: PaymentJson,
  },
} as const satisfies Record<string, Route>
