import { ownerOf } from '../../core/ledger/account-name.js'
import { nextPosition } from '../../core/ledger/line.js'
import { isRefusal, type Refusal } from '../../core/refusal.js'
import type { Clock } from '../../ports/clock.js'
import { derivedEntryId, type EntryOf } from '../../wire/ledger/entry.js'
import type { TaskLog } from './ledger-accounting.js'

/**
 * Sends what an account, or a slice of one, has here to the account's home; what is reserved for tasks stays.
 *
 * @returns microcredits, 0 = there was nothing; or why the log does not take it
 */
export function sendHome(
  { ledger, clock }: { readonly ledger: TaskLog; readonly clock: Clock },
  account: string,
): bigint | Refusal {
  const amount = ledger.view.get('balance', account) ?? 0n
  const toHome = ledger.view.get('account', ownerOf(account))?.home
  if (amount === 0n || toHome === undefined) return 0n
  const entry: EntryOf<'return'> = {
    kind: 'return',
    id: derivedEntryId('return', account, String(nextPosition(ledger.view))),
    timeMs: clock.nowMs(),
    account,
    toHome,
    amount,
  }
  const outcome = ledger.append({ kind: 'return', entry, evidence: undefined })
  return isRefusal(outcome) ? outcome : amount
}
