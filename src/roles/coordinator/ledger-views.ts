import { allotmentName, holdAccount } from '../../core/ledger/account-name.js'
import type { LedgerView } from '../../core/ledger/records.js'
import { type Refusal, refusal } from '../../core/refusal.js'
import type { LedgerStatus, WalletView } from './coordinator.js'
import type { ReplicatedLedger } from './replicated-ledger.js'
import type { TaskBook } from './task-book.js'

const NOTHING = { peers: [], logs: [], unfinalAgeMs: 0 }

/** @param waits why the own log is not open yet: it is being filled from the other coordinators */
export function ledgerStatusOf(ledger: ReplicatedLedger, waits: Refusal | undefined): LedgerStatus {
  const { origin } = ledger.desk
  const held = ledger.library.find(origin)
  const entries = held?.head?.size ?? 0
  const { peers, logs, unfinalAgeMs } = ledger.replication?.view() ?? NOTHING
  const notReady = waits ?? ledger.desk.closed
  return {
    origin,
    entries,
    pendingEntries: Math.max(0, ledger.desk.size - entries),
    root: Buffer.from(held?.head?.root ?? new Uint8Array()).toString('hex'),
    policySequence: held?.state.get('policy', '')?.sequence ?? -1,
    finalEntries: ledger.library.finalSize(origin),
    unfinalAgeMs,
    quorum: ledger.quorum,
    logs,
    peers,
    ...(notReady === undefined ? {} : { notReady }),
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
  const home = view.get('log', '')?.home ?? ''
  const isHome = record.home === home
  // Elsewhere only what its home has let this one spend.
  const spender = isHome ? account : allotmentName(account, home)
  const available = view.get('balance', spender) ?? 0n
  return { account, home: record.home, isHome, available, held }
}
