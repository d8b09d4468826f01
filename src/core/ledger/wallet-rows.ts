import type { Entry } from '../../wire/ledger/entry.js'
import { allotmentName, ownerOf } from './account-name.js'
import type { Applied } from './apply.js'

/** What one entry did to one owner's account. */
export interface WalletRow {
  readonly account: string
  /** Microcredits that came (above zero) or went. */
  readonly amount: bigint
  /** Microcredits after it. */
  readonly balance: bigint
}

/** What an entry was about, as seen from one account. */
export interface WalletSubject {
  /** The task, the other account, the other home, or a reference; of several tasks the first. */
  readonly about: string
  /** How many tasks; 1 for all else. */
  readonly count: number
}

/** Accounts of owners, and slices that were allotted of them; all others have a ":" in their names. */
export function walletRows({ postings, changes }: Applied): readonly WalletRow[] {
  const rows: WalletRow[] = []
  let balances: ReadonlyMap<string, bigint> | undefined
  for (const { account, amount } of postings) {
    if (account.includes(':')) continue
    balances ??= balancesOf(changes)
    rows.push({ account, amount, balance: balances.get(account) ?? 0n })
  }
  return rows
}

/** @param account one that the entry has credited or debited */
export function walletSubject(entry: Entry, account: string): WalletSubject {
  if (entry.kind !== 'hold') return { about: subjectOf(entry, account), count: 1 }
  const tasks = entry.rows.filter((row) => row.account === account)
  return { about: tasks[0]?.task ?? '', count: tasks.length }
}

function subjectOf(entry: Entry, account: string): string {
  switch (entry.kind) {
    case 'settle':
    case 'release':
    case 'refund':
      return entry.task
    case 'grant':
      return entry.reference
    case 'issue':
      return `window ${entry.window}`
    case 'transfer-out':
      return entry.from === account ? entry.to : entry.from
    case 'transfer-in':
      return entry.home
    case 'allot':
      return allotmentName(entry.account, entry.toHome)
    case 'return':
      return ownerOf(entry.account)
    case 'reverse':
      return entry.key
    default:
      return ''
  }
}

function balancesOf(changes: Applied['changes']): ReadonlyMap<string, bigint> {
  const balances = new Map<string, bigint>()
  for (const change of changes) {
    if (change.table === 'balance') balances.set(change.key, change.value ?? 0n)
  }
  return balances
}
