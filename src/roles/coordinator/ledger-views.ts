import { holdAccount } from '../../core/ledger/account-name.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { LedgerStatus, WalletView } from './coordinator.js'
import type { LedgerDesk } from './ledger-desk.js'
import type { TaskBook } from './task-book.js'

export function ledgerStatusOf({ log, view }: LedgerDesk): LedgerStatus {
  const { head, closed } = log
  const entries = head?.size ?? 0
  return {
    origin: log.key.name,
    entries,
    pendingEntries: log.size - entries,
    root: Buffer.from(head?.root ?? new Uint8Array()).toString('hex'),
    policySequence: view.get('policy', '')?.sequence ?? -1,
    ...(closed === undefined ? {} : { notReady: closed }),
  }
}

/** @param book has the tasks whose credits may be held */
export function walletOf(view: LedgerView, book: TaskBook, account: string): WalletView | Refusal {
  const record = view.get('account', account)
  if (record === undefined) {
    return refusal('account-unknown', `no account is called ${account} in this ledger`, {
      next: 'An admin opens one by a policy message: edgecoder admin policy draft account',
    })
  }
  let held = 0n
  for (const id of book.unfinished(account)) held += view.get('balance', holdAccount(id)) ?? 0n
  const home = view.get('log', '')?.home
  const available = view.get('balance', account) ?? 0n
  return { account, home: record.home, isHome: record.home === home, available, held }
}
